"""The privacy ledger: accounts with fixed budgets, charged before noise is drawn, never refunded.

The order is ``reserve`` (charge and intent, one transaction) -> draw -> ``persist`` (answers) -> release ->
``settle``. A process that dies anywhere leaves the charge standing. A draw that was not persisted was never
released, so the restart draws again under the same intent and the same charge; a persisted answer is final.
Rows hold events; an accountant named in the account turns their composition into epsilon.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from pate.accounting.accountants import data_independent_epsilon
from pate.accounting.curve import EpsilonBound, require_delta
from pate.accounting.events import Composed, PrivacyEvent, from_dict, to_dict
from pate.errors import BudgetExceeded, InputError, LedgerError, expected
from pate.ledger import chain, schema
from pate.ledger.keys import LedgerKey


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


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A charged campaign: which inputs it may ask and how many it may answer.

    Attributes:
        id: name of the campaign.
        account: who is charged.
        task: what is labelled.
        max_answered: the most answers other than refusals.
        settled: nothing more will be asked under it.
    """

    id: str
    account: str
    task: str
    max_answered: int
    settled: bool


@final
class PrivacyLedger:
    """The ledger in one folder (mode 0700): ``ledger.sqlite3``, ``key`` and ``anchor.json``.

    Safe for several processes: every change is one ``BEGIN IMMEDIATE`` transaction.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.key = LedgerKey(folder)
        self._anchor = folder / "anchor.json"
        with _storage():
            self._db = schema.connect(str(folder / "ledger.sqlite3"))

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def register(self, account: Account, units: Iterable[bytes] = ()) -> Account:
        """Open an account, or find the one that was opened under this name.

        Args:
            account: name, budget and unit. The first registration fixes all of them.
            units: keyed hashes of the privacy units and of the records (``key.units``). Accounts that share one
                are charged together. Not kept for benchmark accounts.

        Raises:
            InputError: the account exists with another budget, accountant, unit or benchmark mark.
        """
        with self._transaction():
            found = self._find(account.name)
            if found is not None and found != account:
                raise InputError(
                    f"Expected privacy settings as first registered for data_id={account.name!r} "
                    f"(epsilon={found.epsilon}, delta={found.delta}, accountant={found.accountant}, "
                    f"unit={found.unit}, benchmark={found.benchmark}), got epsilon={account.epsilon}, "
                    f"delta={account.delta}, accountant={account.accountant}, unit={account.unit}, "
                    f"benchmark={account.benchmark}; a budget is fixed once, use those settings"
                )
            if found is None:
                self._db.execute(
                    "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)",
                    (account.name, account.epsilon, account.delta, account.accountant, account.unit, account.benchmark),
                )
            added = 0 if account.benchmark else self._add_units(account.name, units)
            if found is None or added:
                self._append(account.name, "extend" if found else "register", self._registration(account))
        return account

    def reserve(
        self,
        account: str,
        *,
        campaign: str,
        task: str,
        event: PrivacyEvent,
        queries: Sequence[bytes],
        max_answered: int,
    ) -> Intent:
        """Charge a campaign and record its intent, in one transaction, before any noise is drawn.

        Args:
            account: who is charged; accounts sharing a privacy unit are held to their budgets too.
            campaign: its name; a campaign that was reserved before is found again and costs nothing more.
            task: what is labelled.
            event: the worst case of everything the campaign may release.
            queries: keyed hashes of the inputs it may ask, in order, none of them answered or reserved before.
            max_answered: the most answers other than refusals.

        Raises:
            BudgetExceeded: nothing was charged; the text says what is left and what was asked.
            InputError: an input belongs to another open campaign, or there is no such account.
        """
        with self._transaction():
            known = self._intent(campaign)
            if known is not None:
                return known
            self.require_within_budget(account, event)
            self._db.execute(
                "INSERT INTO intents (id, account, task, max_answered) VALUES (?, ?, ?, ?)",
                (campaign, account, task, max_answered),
            )
            try:
                self._db.executemany(
                    "INSERT INTO queries VALUES (?, ?, ?, ?, ?, NULL)",
                    [(account, task, query, campaign, position) for position, query in enumerate(queries)],
                )
            except sqlite3.IntegrityError as error:
                raise InputError(
                    f"Expected inputs of task={task!r} that no other open campaign has reserved, got at least one; "
                    "finish the other run first (`pate run` on its configuration resumes it)"
                ) from error
            body = {
                "campaign": campaign,
                "task": task,
                "event": to_dict(event),
                "queries": len(queries),
                "queries_sha256": hashlib.sha256(b"".join(queries)).hexdigest(),
                "max_answered": max_answered,
            }
            self._append(account, "reserve", body)
            return Intent(id=campaign, account=account, task=task, max_answered=max_answered, settled=False)

    def intent(self, campaign: str) -> Intent | None:
        """The campaign of that name, if it was reserved."""
        return self._intent(campaign)

    def open_queries(self, intent: Intent) -> list[bytes]:
        """The reserved inputs that have no answer yet, in order."""
        rows = self._db.execute(
            "SELECT query FROM queries WHERE intent = ? AND answer IS NULL ORDER BY position", (intent.id,)
        )
        return [row[0] for row in rows]

    def answered(self, intent: Intent) -> int:
        """How many answers other than refusals the campaign has."""
        row = self._db.execute("SELECT count(*) FROM queries WHERE intent = ? AND answer >= 0", (intent.id,))
        return int(row.fetchone()[0])

    def persist(self, intent: Intent, answers: Sequence[tuple[bytes, int]]) -> bool:
        """Write a batch of answers, all or none; they are final from then on.

        Args:
            intent: a reserved campaign.
            answers: keyed input hash and class index (-1: refused), the next open inputs in their order.

        Returns:
            False if another process answered them first: these draws must be thrown away unseen.

        Raises:
            LedgerError: more answers than the campaign was charged for.
        """
        with self._transaction():
            known = self._intent(intent.id)
            expected_next = self.open_queries(intent)[: len(answers)]
            if known is None or known.settled or expected_next != [query for query, _ in answers]:
                return False
            self._db.executemany(
                "UPDATE queries SET answer = ? WHERE account = ? AND task = ? AND query = ?",
                [(answer, intent.account, intent.task, query) for query, answer in answers],
            )
            if self.answered(intent) > intent.max_answered:
                raise LedgerError(f"Expected at most {intent.max_answered} answers, got more; nothing was released")
            digest = hashlib.sha256(json.dumps([[q.hex(), a] for q, a in answers]).encode()).hexdigest()
            self._append(
                intent.account, "answers", {"campaign": intent.id, "answers": len(answers), "answers_sha256": digest}
            )
        return True

    def settle(self, intent: Intent) -> None:
        """Close a campaign: inputs it never asked are free for others; nothing is refunded."""
        with self._transaction():
            known = self._intent(intent.id)
            if known is None or known.settled:
                return
            self._db.execute("DELETE FROM queries WHERE intent = ? AND answer IS NULL", (intent.id,))
            self._db.execute("UPDATE intents SET settled = 1 WHERE id = ?", (intent.id,))
            self._append(intent.account, "settle", {"campaign": intent.id, "answered": self.answered(intent)})

    def stored_answers(self, account: str, task: str, queries: Sequence[bytes]) -> list[int | None]:
        """For each keyed input hash its persisted answer, or ``None``."""
        statement = "SELECT answer FROM queries WHERE account = ? AND task = ? AND query = ?"
        rows = (self._db.execute(statement, (account, task, query)).fetchone() for query in queries)
        return [None if row is None else row[0] for row in rows]

    def accounts(self) -> list[Account]:
        """All accounts, by name."""
        rows = self._db.execute("SELECT * FROM accounts ORDER BY name").fetchall()
        return [_account(row) for row in rows]

    def account(self, name: str) -> Account:
        """The account of that name.

        Raises:
            InputError: there is none.
        """
        found = self._find(name)
        if found is None:
            raise expected("a registered account", "see `pate ledger show`", data_id=name)
        return found

    def linked(self, account: str) -> list[str]:
        """Other accounts that hold a privacy unit of this one, by name."""
        rows = self._db.execute(
            "SELECT DISTINCT b.account FROM units a JOIN units b ON a.hash = b.hash "
            "WHERE a.account = ? AND b.account <> ? ORDER BY b.account",
            (account, account),
        )
        return [row[0] for row in rows]

    def events(self, account: str) -> Composed:
        """Everything charged to an account: its own campaigns and those of accounts that share a unit."""
        names = {account, *self.linked(account)}
        rows = [entry for entry in chain.entries(self._db) if entry.kind == "reserve" and entry.account in names]
        return Composed(events=tuple(from_dict(entry.body["event"]) for entry in rows))

    def charged_event(self, campaign: str) -> PrivacyEvent | None:
        """What a campaign was charged for, or ``None`` if it never was."""
        for entry in chain.entries(self._db):
            if entry.kind == "reserve" and entry.body["campaign"] == campaign:
                return from_dict(entry.body["event"])
        return None

    def require_within_budget(self, account: str, event: PrivacyEvent) -> None:
        """Hold the account, and every account that shares a privacy unit with it, to their budgets.

        Raises:
            BudgetExceeded: what is left and what was asked.
        """
        self.account(account)
        for name in [account, *self.linked(account)]:
            known = self.account(name)
            before = self.events(name)
            after = _cost(Composed(events=(*before.events, event)), known)
            if after.epsilon > known.epsilon:
                now = _cost(before, known)
                raise BudgetExceeded(
                    f"Expected data_id={name!r} to stay within epsilon={known.epsilon:g} at delta={known.delta:g}, got "
                    f"{after.epsilon:.4f} with this campaign ({now.epsilon:.4f} is spent, by accountant "
                    f"{known.accountant}); ask fewer queries, use more noise, or publish what was already answered"
                )

    def spent(self, account: str) -> EpsilonBound:
        """The data-independent cost of everything charged so far, at the account's delta."""
        known = self.account(account)
        return _cost(self.events(account), known)

    def entries(self, account: str | None = None) -> list[chain.Entry]:
        """The chain's rows, or those of one account."""
        return list(chain.entries(self._db, account))

    def verify(self) -> chain.Entry | None:
        """Check every row against the chain and the anchor, and the answers against their digests.

        Raises:
            LedgerError: naming the first row that is not what was written.
        """
        with _storage():
            last = chain.verify(self._db, self._anchor)
            self._verify_answers()
        return last

    def _verify_answers(self) -> None:
        rows = self._db.execute(
            "SELECT intent, query, answer FROM queries WHERE answer IS NOT NULL ORDER BY intent, position"
        )
        stored: dict[str, list[tuple[bytes, int]]] = {}
        for intent, query, answer in rows:
            stored.setdefault(intent, []).append((query, answer))
        for entry in chain.entries(self._db):
            if entry.kind != "answers":
                continue
            pending = stored.get(entry.body["campaign"], [])
            batch, stored[entry.body["campaign"]] = pending[: entry.body["answers"]], pending[entry.body["answers"] :]
            digest = hashlib.sha256(json.dumps([[q.hex(), a] for q, a in batch]).encode()).hexdigest()
            if digest != entry.body["answers_sha256"]:
                raise LedgerError(
                    f"Expected the answers of ledger row {entry.seq} as written, got others; restore a backup"
                )
        if any(stored.values()):
            raise LedgerError("Expected every stored answer in the chain, got one without a row; restore a backup")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One writer at a time; all or nothing; the anchor follows the commit."""
        with _storage():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            last = self._db.execute("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
            if last is not None:
                chain.write_anchor(self._anchor, seq=last[0], digest=last[1])

    def _append(self, account: str, kind: str, body: dict[str, object]) -> None:
        chain.append(self._db, account=account, kind=kind, body=body)

    def _registration(self, account: Account) -> dict[str, object]:
        hashes = self._db.execute("SELECT hash FROM units WHERE account = ? ORDER BY hash", (account.name,))
        digest = hashlib.sha256(b"".join(row[0] for row in hashes)).hexdigest()
        settings: dict[str, object] = {name: getattr(account, name) for name in Account.__slots__ if name != "name"}
        return {**settings, "units_sha256": digest}

    def _add_units(self, account: str, units: Iterable[bytes]) -> int:
        before = self._db.total_changes
        self._db.executemany("INSERT OR IGNORE INTO units VALUES (?, ?)", [(unit, account) for unit in units])
        return self._db.total_changes - before

    def _find(self, name: str) -> Account | None:
        row = self._db.execute("SELECT * FROM accounts WHERE name = ?", (name,)).fetchone()
        return None if row is None else _account(row)

    def _intent(self, campaign: str) -> Intent | None:
        row = self._db.execute(
            "SELECT id, account, task, max_answered, settled FROM intents WHERE id = ?", (campaign,)
        ).fetchone()
        if row is None:
            return None
        return Intent(id=row[0], account=row[1], task=row[2], max_answered=row[3], settled=bool(row[4]))


@contextmanager
def _storage() -> Iterator[None]:
    """SQLite's and the disk's errors as one clear line; the open transaction is already rolled back."""
    try:
        yield
    except (sqlite3.DatabaseError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise LedgerError(
            f"Expected a readable and writable ledger, got {type(error).__name__} ({reason}); nothing was released; "
            "check the disk and the folder's permissions, then run again",
            private_detail=str(error),
        ) from error


def _cost(event: PrivacyEvent, account: Account) -> EpsilonBound:
    return data_independent_epsilon(event, account.delta, account.accountant)


def _account(row: tuple[str, float, float, str, str, int]) -> Account:
    name, epsilon, delta, accountant, unit, benchmark = row
    return Account(name=name, epsilon=epsilon, delta=delta, accountant=accountant, unit=unit, benchmark=bool(benchmark))
