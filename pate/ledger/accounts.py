"""Accounts of private data, with budgets that the first registration fixes."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, final

from pate.accounting.curve import require_delta
from pate.accounting.data_independent.account_rule import AccountRule
from pate.accounting.data_independent.accountants import ACCOUNTANTS
from pate.accounting.events import PrivacyEvent, from_dict, to_dict
from pate.accounting.rounding import up
from pate.errors import InputError, LedgerError, expected
from pate.ledger import chain
from pate.randomness import secret_key

SALT_BYTES = 16
LARGE_DELTA = (
    "privacy.delta is not below one over the number of teachers, so not below one over that of privacy units: so large "
    "a failure probability allows a release to disclose a record in full; choose a much smaller one"
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A body of private data and the budget that its first registration fixed.

    Attributes:
        name: the declared ``data_id``.
        epsilon: the budget, by a data-independent accountant, nats.
        delta: failure probability of the budget.
        accountant: the data-independent accountant that enforces it.
        unit: the privacy unit in words (``patient``).
        benchmark: a simulated account on a public benchmark: it gives no protection and is linked to no other.
        declared: campaigns that are fixed with the budget, before anything is answered. Where together they are more
            than campaigns decided later may cost, the account accepts them alone (``AccountRule``).
    """

    name: str
    epsilon: float
    delta: float
    accountant: str
    unit: str
    benchmark: bool = False
    declared: tuple[PrivacyEvent, ...] = ()

    def __post_init__(self) -> None:
        require_delta(self.delta)
        if not 0 < self.epsilon < float("inf"):
            raise expected("a finite privacy.epsilon > 0", "declare the budget", epsilon=self.epsilon)
        if self.accountant not in ACCOUNTANTS:
            raise expected(
                f"an accountant out of {sorted(ACCOUNTANTS)}", "a budget is fixed once", accountant=self.accountant
            )
        if not self.name:
            raise expected("a data_id", "name the body of private data", data_id=self.name)

    @property
    def rule(self) -> AccountRule:
        """Campaigns that the account accepts, and the total of its charges."""
        return AccountRule(epsilon=self.epsilon, delta=self.delta, accountant=self.accountant, declared=self.declared)

    def settings(self) -> dict[str, Any]:
        """All fields but the name, as in the chain and in JSON."""
        found = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "name"}
        return {**found, "declared": [to_dict(event) for event in self.declared]}

    def large_delta(self, teachers: int) -> str | None:
        """A warning, or ``None`` where ``delta < 1 / teachers``: the number of privacy units is private."""
        return LARGE_DELTA if teachers * self.delta >= 1 else None


def register(db: sqlite3.Connection, account: Account, units: Iterable[bytes]) -> bool:
    """See ``PrivacyLedger.register``; inside the caller's transaction. Returns ``True`` if a known account got further
    units."""
    known = find(db, account.name)
    if known is not None and known != account:
        raise InputError(
            f"Expected privacy settings as first registered for data_id={account.name!r} "
            f"(epsilon={known.epsilon}, delta={known.delta}, accountant={known.accountant}, "
            f"unit={known.unit}, benchmark={known.benchmark}, {len(known.declared)} campaigns declared), got "
            f"epsilon={account.epsilon}, delta={account.delta}, accountant={account.accountant}, unit={account.unit}, "
            f"benchmark={account.benchmark}, {len(account.declared)} campaigns declared; a budget is fixed once, use "
            "those settings"
        )
    if known is None:
        _require_affordable(account)
        db.execute(
            "INSERT INTO accounts VALUES (:name, :epsilon, :delta, :accountant, :unit, :benchmark, :declared)",
            {"name": account.name, **account.settings(), "declared": json.dumps(account.settings()["declared"])},
        )
    before = db.total_changes
    if not account.benchmark:
        rows = ((unit, account.name) for unit in sorted(units))  # sorted: pages are filled one after the other
        db.executemany("INSERT OR IGNORE INTO units VALUES (?, ?)", rows)
    grown = known is not None and db.total_changes > before
    if known is None or not account.benchmark:  # the arrival of units is private, the chain's length is public
        salt = secret_key(SALT_BYTES).hex()
        body = {**account.settings(), "salt": salt, "units_sha256": units_digest(db, account.name, salt)}
        chain.append(db, account=account.name, kind="extend" if known else "register", body=body)
    return grown


def _require_affordable(account: Account) -> None:
    """Refuse a declaration that exceeds the budget."""
    if account.declared and not account.rule.admits(account.declared):
        cost = account.rule.fixed(account.declared)
        raise expected(
            f"declared campaigns within epsilon={account.epsilon:g}",
            "declare fewer queries or more noise",
            together=up(cost.epsilon, 4),
        )


def units_digest(db: sqlite3.Connection, account: str, salt: str) -> str:
    """SHA-256 of a salt in hex and the sorted unit hashes of an account: the same units have another digest each time.

    Rows from before schema 4 have no salt.
    """
    found = db.execute("SELECT hash FROM units WHERE account = ? ORDER BY hash", (account,))
    return hashlib.sha256(bytes.fromhex(salt) + b"".join(row[0] for row in found)).hexdigest()


def all_accounts(db: sqlite3.Connection) -> list[Account]:
    """All accounts, by name."""
    found = db.execute("SELECT name, epsilon, delta, accountant, unit, benchmark, declared FROM accounts ORDER BY name")
    return [_account(row) for row in found.fetchall()]


def find(db: sqlite3.Connection, name: str) -> Account | None:
    """The account of that name, if there is one."""
    row = db.execute(
        "SELECT name, epsilon, delta, accountant, unit, benchmark, declared FROM accounts WHERE name = ?", (name,)
    ).fetchone()
    return None if row is None else _account(row)


def get(db: sqlite3.Connection, name: str) -> Account:
    """The account of that name.

    Raises:
        InputError: there is none.
    """
    known = find(db, name)
    if known is None:
        raise expected("a registered account", "see `pate ledger show`", data_id=name)
    return known


def linked(db: sqlite3.Connection, account: str) -> list[str]:
    """Other accounts that hold a privacy unit of this one, by name."""
    found = db.execute(
        "SELECT DISTINCT b.account FROM units a JOIN units b ON a.hash = b.hash "
        "WHERE a.account = ? AND b.account <> ? ORDER BY b.account",
        (account, account),
    )
    return [row[0] for row in found]


def _account(row: tuple[str, float, float, str, str, int, str]) -> Account:
    name, epsilon, delta, accountant, unit, benchmark, declared = row
    try:
        return Account(
            name=name,
            epsilon=epsilon,
            delta=delta,
            accountant=accountant,
            unit=unit,
            benchmark=bool(benchmark),
            declared=tuple(from_dict(event) for event in json.loads(declared)),
        )
    except (InputError, TypeError, ValueError) as error:
        raise LedgerError(
            "Expected accounts as they were registered, got an altered one; `pate ledger verify` names the row"
        ) from error
