"""Sanitised estimates: one for each campaign that was charged for one, final once written. In the caller's transaction.

The chain's row holds the two released noisy integers and nothing else about the votes.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Any

from pate.accounting.events import PrivacyEvent, SanitisedReleaseEvent, from_dict, leaves, to_dict
from pate.accounting.sanitised.release import SanitisedEstimate
from pate.errors import LedgerError
from pate.ledger import campaigns, chain
from pate.ledger.campaigns import Intent

KIND = "figure"
"""Kind of the chain's rows that hold an estimate; never changes, since rows are kept."""


def persist(db: sqlite3.Connection, intent: Intent, estimate: SanitisedEstimate) -> bool:
    """See ``PrivacyLedger.persist_estimate``."""
    known = campaigns.find(db, intent.id)
    if known is None or known.settled or find(db, known) is not None:
        return False
    charged = campaigns.charged_event(db, known.id)
    if charged is None or charged_release(charged) != estimate.release:
        raise LedgerError(
            "Expected the sanitised estimate that the campaign was charged for, got another; not released"
        )
    content = {
        "release": to_dict(estimate.release),
        "basis": estimate.basis,
        "cost_steps": estimate.cost_steps,
        "width_steps": estimate.width_steps,
    }
    chain.append(db, account=known.account, kind=KIND, body={"campaign": known.id, **content})
    return True


def find(db: sqlite3.Connection, intent: Intent) -> SanitisedEstimate | None:
    """Estimate that a campaign released, or ``None``."""
    for entry in chain.entries(db, intent.account, KIND):
        if entry.body["campaign"] == intent.id:
            return parse(entry.body)
    return None


def parse(body: dict[str, Any]) -> SanitisedEstimate:
    """The estimate in a row of the chain.

    Raises:
        LedgerError: it is none.
    """
    release = from_dict(body["release"])
    if not isinstance(release, SanitisedReleaseEvent):
        raise LedgerError("Expected the release of a sanitised estimate in the ledger, got another event")
    return SanitisedEstimate(
        release=release, cost_steps=body["cost_steps"], width_steps=body["width_steps"], basis=body["basis"]
    )


def charged_release(event: PrivacyEvent) -> SanitisedReleaseEvent | None:
    """The sanitised release among the charges of a campaign, or ``None``."""
    found = Counter({leaf: count for leaf, count in leaves(event).items() if isinstance(leaf, SanitisedReleaseEvent)})
    return next(iter(found)) if found.total() == 1 else None
