"""The privacy ledger: accounts with fixed budgets, charged before noise is drawn, never refunded.

The order is ``reserve`` (charge and intent, one transaction) -> draw -> ``persist`` (answers) -> release ->
``settle``. If a process dies at any point, the charge remains. A draw that was not persisted was never
released, so the restart draws again under the same intent and the same charge; a persisted answer is final.
Rows hold events; the rule that an account's registration fixed turns them into epsilon.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, final

from pate.accounting.curve import EpsilonBound
from pate.accounting.events import ComposedEvent, PrivacyEvent
from pate.accounting.sanitised.release import SanitisedEstimate
from pate.ledger import accounts, anchor, budgets, campaigns, chain, estimates, export, verification
from pate.ledger.accounts import Account
from pate.ledger.anchor import Anchor
from pate.ledger.campaigns import Intent
from pate.ledger.storage import Storage, readable


@final
class PrivacyLedger:
    """The ledger in one folder (mode 0700): ``ledger.sqlite3``, ``key`` and ``anchor.json``.

    Every change is one ``BEGIN IMMEDIATE`` transaction, refused if the chain does not match the anchor.
    A context manager: the database is closed at its end.
    """

    def __init__(self, folder: Path) -> None:
        self._storage = Storage(folder)
        self._db = self._storage.db
        self.key = self._storage.key

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def register(self, account: Account, units: Iterable[bytes] = ()) -> Account:
        """Open an account, or find the one that was opened under this name.

        Args:
            account: name, budget, unit and declared campaigns. The first registration fixes all of them.
            units: keyed hashes of privacy units and records (``key.units``), kept but for benchmark accounts.
                Accounts that share one are charged together.

        Raises:
            InputError: the account exists with other settings, or declares more than its budget.
            RecordsRefused: further units were added while a campaign is open, and their budgets do not allow it.
        """
        with self._storage.transaction():
            if accounts.register(self._db, account, units):
                budgets.require_open_within_budget(self._db, account.name)
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
            account: that is charged; the budgets of accounts sharing a privacy unit are enforced too.
            campaign: its name; a campaign that was reserved before is found again at no further cost.
            task: the labelling task.
            event: the worst case of everything the campaign may release.
            queries: keyed hashes of the inputs it may ask, in order, none of them answered or reserved before.
            max_answered: the most answers other than refusals.

        Raises:
            BudgetExceeded: nothing was charged; the text states the remaining budget and the requested cost.
            InputError: an input belongs to another open campaign, the event pays for less than the campaign may
                release, or there is no such account.
            LedgerError: the campaign belongs to another account or task.
        """
        with self._storage.transaction():
            return campaigns.reserve(
                self._db,
                account,
                campaign=campaign,
                task=task,
                event=event,
                queries=queries,
                max_answered=max_answered,
            )

    def intent(self, campaign: str) -> Intent | None:
        """The campaign of that name, if it was reserved."""
        with readable():
            return campaigns.find(self._db, campaign)

    def open_queries(self, intent: Intent, limit: int = -1) -> list[bytes]:
        """The reserved inputs that have no answer yet, in order; at most ``limit`` of them, -1 for all."""
        with readable():
            return campaigns.open_queries(self._db, intent, limit)

    def reserved_queries(self, intent: Intent) -> list[bytes]:
        """All inputs that an open campaign reserved, answered or not, in order."""
        with readable():
            return campaigns.reserved_queries(self._db, intent)

    def answered(self, intent: Intent) -> int:
        """Number of answers other than refusals that the campaign has."""
        with readable():
            return campaigns.answered(self._db, intent)

    def persist(self, intent: Intent, answers: Sequence[tuple[bytes, int]]) -> bool:
        """Write a batch of answers, all or none; they are final from then on.

        Args:
            intent: a reserved campaign.
            answers: keyed input hash and class index (-1: refused), the next open inputs in their order.

        Returns:
            False if another process answered them first: these draws must be discarded unseen.

        Raises:
            LedgerError: more answers than the campaign was charged for.
        """
        with self._storage.transaction():
            return campaigns.persist(self._db, intent, answers)

    def persist_estimate(self, intent: Intent, estimate: SanitisedEstimate) -> bool:
        """Write the sanitised estimate of a campaign; final from then on, and the only one.

        Args:
            intent: a reserved campaign that is not settled.
            estimate: the noisy estimate, of the release that the campaign was charged for.

        Returns:
            False if another process wrote one first: this draw must be discarded unseen.

        Raises:
            LedgerError: the campaign was not charged for this release.
        """
        with self._storage.transaction():
            return estimates.persist(self._db, intent, estimate)

    def estimate(self, campaign: str) -> SanitisedEstimate | None:
        """The sanitised estimate that a campaign released, or ``None``."""
        with readable():
            known = campaigns.find(self._db, campaign)
            return None if known is None else estimates.find(self._db, known)

    def estimates(self, account: str) -> list[SanitisedEstimate]:
        """Every sanitised estimate that an account's campaigns released, in order."""
        with readable():
            return [estimates.parse(entry.body) for entry in chain.entries(self._db, account, estimates.KIND)]

    def settle(self, intent: Intent) -> None:
        """Close a campaign: inputs it never asked are free for others; nothing is refunded."""
        with self._storage.transaction():
            campaigns.settle(self._db, intent)

    def stored_answers(self, account: str, task: str, queries: Sequence[bytes]) -> list[int | None]:
        """For each keyed input hash its persisted answer, or ``None``."""
        with readable():
            return campaigns.stored_answers(self._db, account, task, queries)

    def accounts(self) -> list[Account]:
        """All accounts, by name."""
        with readable():
            return accounts.all_accounts(self._db)

    def account(self, name: str) -> Account:
        """The account of that name.

        Raises:
            InputError: there is none.
        """
        with readable():
            return accounts.get(self._db, name)

    def linked(self, account: str) -> list[str]:
        """Other accounts that hold a privacy unit of this one, by name."""
        with readable():
            return accounts.linked(self._db, account)

    def events(self, account: str) -> ComposedEvent:
        """Everything charged for an account's own campaigns."""
        with readable():
            return budgets.own(self._db, account)

    def charged_event(self, campaign: str) -> PrivacyEvent | None:
        """Event that a campaign was charged for, or ``None`` if it never was."""
        with readable():
            return campaigns.charged_event(self._db, campaign)

    def require_within_budget(self, account: str, event: PrivacyEvent) -> None:
        """Raise ``BudgetExceeded`` unless the account, and all that share a privacy unit with it, may be charged."""
        with readable():
            budgets.require_within_budget(self._db, account, event)

    def spent(self, account: str, *, linked: bool = False) -> EpsilonBound:
        """The data-independent cost of everything charged so far, at the account's delta.

        Args:
            account: its name.
            linked: with the charges of accounts that share a privacy unit, as for budgets; private, since it depends
                on the records.
        """
        with readable():
            return budgets.spent(self._db, account, linked=linked)

    def left(self, account: str, *, linked: bool = False) -> float:
        """Epsilon that the account's rule still allows, nats; see ``spent``."""
        with readable():
            return budgets.left(self._db, account, linked=linked)

    def record_purge(self, account: str, *, run: str, retention_days: float, removed: Sequence[str]) -> None:
        """Record in the chain the private artifacts of a run that are about to be removed."""
        body = {"run": run, "retention_days": retention_days, "removed": sorted(removed)}
        with self._storage.transaction():
            accounts.get(self._db, account)
            chain.append(self._db, account=account, kind="purge", body=body)

    def entries(self, account: str | None = None) -> list[chain.Entry]:
        """The chain's rows, or those of one account."""
        with readable():
            return list(chain.entries(self._db, account))

    def head(self) -> Anchor:
        """The chain's length and the hash of its last row, to be kept where it cannot be changed."""
        with readable():
            return chain.head(self._db)

    def export(self) -> Iterator[str]:
        """The chain as JSON lines; ``pate.ledger.export.verify_lines`` checks them without this ledger."""
        with readable():
            yield from export.lines(self._db)

    def verify(self, published: Anchor | None = None) -> chain.Entry | None:
        """Check every row against the chain and the anchor, and every table against the chain.

        Args:
            published: length and head as a model version's tags hold them; the chain must contain them.

        Raises:
            LedgerError: naming the first altered row.
        """
        with self._storage.snapshot():
            last = verification.verify(self._db)
            kept = anchor.read(self._storage.anchor)
            for known, source in ((kept, "anchor.json"), (published, "published")):
                if known is not None:
                    chain.require_contains(self._db, known, source)
        return last
