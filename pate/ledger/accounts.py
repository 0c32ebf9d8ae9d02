"""Bodies of private data, what was charged to them, and the budgets that hold them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from pate.accounting.accountants import ACCOUNTANTS, data_independent_epsilon
from pate.accounting.curve import EpsilonBound, require_delta
from pate.accounting.events import Composed, PrivacyEvent, from_dict
from pate.accounting.rounding import down, up
from pate.errors import BudgetExceeded, InputError, LedgerError, expected
from pate.ledger import chain

LARGE_DELTA = (
    "privacy.delta is not below one over the number of privacy units: so large a failure probability allows a "
    "release to give somebody's record away; choose a much smaller one"
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A body of private data and the budget that its first registration fixed.

    Attributes:
        name: the declared ``data_id``.
        epsilon: the most that may ever be spent, by a data-independent accountant, nats.
        delta: at which failure probability.
        accountant: the data-independent accountant that enforces it.
        unit: the privacy unit in words (``patient``).
        benchmark: a simulated account on a public benchmark: it protects nobody and is linked to no other.
    """

    name: str
    epsilon: float
    delta: float
    accountant: str
    unit: str
    benchmark: bool = False

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

    def large_delta(self, units: int) -> str | None:
        """A warning, the same text whatever the number of units, or ``None`` where ``delta < 1 / units``."""
        return LARGE_DELTA if units * self.delta >= 1 else None


def register(db: sqlite3.Connection, account: Account, units: Iterable[bytes]) -> None:
    """See ``PrivacyLedger.register``; inside the caller's transaction."""
    known = find(db, account.name)
    if known is not None and known != account:
        raise InputError(
            f"Expected privacy settings as first registered for data_id={account.name!r} "
            f"(epsilon={known.epsilon}, delta={known.delta}, accountant={known.accountant}, "
            f"unit={known.unit}, benchmark={known.benchmark}), got epsilon={account.epsilon}, "
            f"delta={account.delta}, accountant={account.accountant}, unit={account.unit}, "
            f"benchmark={account.benchmark}; a budget is fixed once, use those settings"
        )
    if known is None:
        db.execute(
            "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)",
            (account.name, account.epsilon, account.delta, account.accountant, account.unit, account.benchmark),
        )
    before = db.total_changes
    if not account.benchmark:
        db.executemany("INSERT OR IGNORE INTO units VALUES (?, ?)", [(unit, account.name) for unit in units])
    if known is None or db.total_changes > before:
        settings = {name: getattr(account, name) for name in Account.__slots__ if name != "name"}
        body = {**settings, "units_sha256": units_digest(db, account.name)}
        chain.append(db, account=account.name, kind="extend" if known else "register", body=body)


def units_digest(db: sqlite3.Connection, account: str) -> str:
    """SHA-256 of the sorted unit hashes of an account."""
    found = db.execute("SELECT hash FROM units WHERE account = ? ORDER BY hash", (account,))
    return hashlib.sha256(b"".join(row[0] for row in found)).hexdigest()


def all_accounts(db: sqlite3.Connection) -> list[Account]:
    """All accounts, by name."""
    found = db.execute("SELECT name, epsilon, delta, accountant, unit, benchmark FROM accounts ORDER BY name")
    return [_account(row) for row in found.fetchall()]


def find(db: sqlite3.Connection, name: str) -> Account | None:
    """The account of that name, if there is one."""
    row = db.execute(
        "SELECT name, epsilon, delta, accountant, unit, benchmark FROM accounts WHERE name = ?", (name,)
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


def charged(db: sqlite3.Connection, account: str) -> Composed:
    """Everything charged to an account: its own campaigns and those of accounts that share a unit."""
    rows = [entry for name in (account, *linked(db, account)) for entry in chain.entries(db, name, "reserve")]
    rows.sort(key=lambda entry: entry.seq)
    return Composed(events=tuple(from_dict(entry.body["event"]) for entry in rows))


def spent(db: sqlite3.Connection, account: str) -> EpsilonBound:
    """The data-independent cost of everything charged, at the account's delta."""
    return _cost(charged(db, account), get(db, account))


def require_within_budget(db: sqlite3.Connection, account: str, event: PrivacyEvent) -> None:
    """Hold the account, and every account that shares a privacy unit with it, to their budgets.

    Raises:
        BudgetExceeded: what is left and what was asked.
    """
    get(db, account)
    for name in (account, *linked(db, account)):
        known, before = get(db, name), charged(db, name)
        after = _cost(Composed(events=(*before.events, event)), known).epsilon
        if not after <= known.epsilon:
            now, asked = _cost(before, known).epsilon, _cost(event, known).epsilon
            figures = (
                f"epsilon={known.epsilon:g} at delta={known.delta:g}, got {up(after, 4)} with this campaign, which "
                f"asks {up(asked, 4)} ({up(now, 4)} is spent, {down(max(0.0, known.epsilon - now), 4)} is left, "
                f"accountant {known.accountant})"
            )
            remedy = "ask fewer queries, use more noise, or publish what was already answered"
            if name == account:
                raise BudgetExceeded(f"Expected data_id={name!r} to stay within {figures}; {remedy}")
            raise BudgetExceeded(
                f"Expected every account that shares a privacy unit with data_id={account!r} to stay within its "
                f"budget, got one that would not; {remedy}",
                private_detail=f"data_id={name!r} must stay within {figures}",
            )


def _cost(event: PrivacyEvent, account: Account) -> EpsilonBound:
    return data_independent_epsilon(event, account.delta, account.accountant)


def _account(row: tuple[str, float, float, str, str, int]) -> Account:
    name, epsilon, delta, accountant, unit, benchmark = row
    try:
        return Account(
            name=name, epsilon=epsilon, delta=delta, accountant=accountant, unit=unit, benchmark=bool(benchmark)
        )
    except (InputError, TypeError) as error:
        raise LedgerError(
            "Expected accounts as they were registered, got an altered one; `pate ledger verify` names the row"
        ) from error
