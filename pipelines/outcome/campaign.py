"""The public outcome of a campaign: its labels, its charges and its cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np

from pate.accounting import EpsilonBound
from pate.accounting.events import PrivacyEvent, from_dict, to_dict
from pate.accounting.sanitised.release import SanitisedEpsilon
from pate.aggregation.counts import NOT_ASKED, Counted
from pate.arrays import IntArray
from pate.files import write_atomically
from pate.values import Released
from pipelines.config.experiment import Config

PlaceOf: TypeAlias = Callable[[int], dict[str, str | int]]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign(Counted):
    """Public output of the stage ``labels``.

    Attributes:
        queries_Q: positions of the queries in the pool, in order. Shape ``[Q]``.
        labels_Q: a class index, -1 (refused) or -2 (not asked). Shape ``[Q]``.
        event: the event that the labels were charged as.
        charges: every event that was ever charged to the account.
        spend: rows of the spend curve (``spend.spend_curve``).
        cost: bound on the labels (``spend.cost_of``).
        total: bound on everything ever charged to the account.
        ledger: head of the ledger's chain after the charge.
        sanitised: the noisy estimate of the data-dependent cost; ``None`` if none was declared.
        left: epsilon left in the account; ``None`` where its rule gives none.
    """

    queries_Q: IntArray
    labels_Q: IntArray
    event: PrivacyEvent
    charges: tuple[PrivacyEvent, ...]
    spend: list[dict[str, float]]
    cost: EpsilonBound
    total: EpsilonBound
    ledger: str
    sanitised: SanitisedEpsilon | None
    left: float | None

    def over_pool(self, size: int) -> IntArray:
        """A label or -1 for each input of the pool. Shape ``[M]``."""
        labels_M = np.full(size, -1, dtype=np.int64)
        labels_M[self.queries_Q] = np.maximum(self.labels_Q, -1)
        return labels_M

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON without the labels, which are a file of their own (``write_labels``)."""
        return {
            "asked": self.asked,
            "answered": self.answered,
            "refused": self.refused,
            "event": to_dict(self.event),
            "charges": [to_dict(event) for event in self.charges],
            "spend": self.spend,
            "cost": asdict(self.cost),
            "total": asdict(self.total),
            "left": self.left,
            "ledger": self.ledger,
            "sanitised": None if self.sanitised is None else asdict(self.sanitised),
        }

    @classmethod
    def from_dict(cls, note: Mapping[str, Any], labels: Path, config: Config) -> Campaign:
        """The campaign that ``to_dict`` and ``write_labels`` kept.

        Args:
            note: from ``to_dict``; those of older runs lack some keys.
            labels: the file of labels.
            config: gives the cost if the note lacks it.
        """
        queries_Q, labels_Q = read_labels(labels)
        sanitised = note.get("sanitised")
        return cls(
            queries_Q=queries_Q,
            labels_Q=labels_Q,
            event=from_dict(note["event"]),
            charges=tuple(from_dict(row) for row in note["charges"]),
            spend=note["spend"],
            cost=EpsilonBound(**note["cost"]) if "cost" in note else config.campaign_epsilon(),
            total=EpsilonBound(**note["total"]),
            ledger=note["ledger"],
            sanitised=None if sanitised is None else SanitisedEpsilon(**sanitised),
            left=note.get("left"),
        )


def write_labels(
    path: Path, campaign: Released[Campaign], classes: tuple[str, ...], places: PlaceOf = lambda _: {}
) -> None:
    """Save the released labels as text.

    Args:
        path: of the file.
        campaign: with the labels.
        classes: their names.
        places: from a position in the pool to the public file and row.
    """
    queries, labels = campaign.value.queries_Q.tolist(), campaign.value.labels_Q.tolist()
    rows = [
        {"input": position, **places(position), "label": label, "class": classes[label] if label >= 0 else None}
        for position, label in zip(queries, labels, strict=True)
        if label != NOT_ASKED
    ]
    write_atomically(path, json.dumps({"refused": -1, "queries": queries, "answers": rows}, indent=1))


def read_labels(path: Path) -> tuple[IntArray, IntArray]:
    """Queries and labels that ``write_labels`` kept, each of shape ``[Q]``."""
    content = json.loads(path.read_text())
    found = {row["input"]: row["label"] for row in content["answers"]}
    labels = [found.get(position, NOT_ASKED) for position in content["queries"]]
    return np.array(content["queries"], dtype=np.int64), np.array(labels, dtype=np.int64)
