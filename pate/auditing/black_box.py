"""Audit of the real aggregator: query it repeatedly on two neighbours and try to distinguish them.

The audit sees answers only. Its result is compared with the exact epsilon of that pair and the epsilon that the
accountant claims for any pair: a bound above the claim means that the code does not implement the accounted mechanism.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, final

import numpy as np

from pate.accounting import DEFAULT_ACCOUNTANT, data_independent_epsilon
from pate.aggregation import ConfidentGNMax, ExactNoise, NoisyMax
from pate.aggregation.release import release
from pate.arrays import IntArray
from pate.auditing.hockey_stick import epsilon_of_pair
from pate.auditing.lower_bound import epsilon_at_least
from pate.auditing.neighbours import Neighbours, opposite_moves
from pate.errors import expected
from pate.ledger import Account, PrivacyLedger
from pate.votes import VoteHistogram

CONFIDENCE = 1 - 1e-6
DELTA = 1e-2

Subject: TypeAlias = Callable[[IntArray], IntArray]
"""Audited function: counts ``[Q, C]`` to answers ``[Q]``."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Result of the audit of one pair.

    Attributes:
        mechanism: its description.
        pair: name of the pair of neighbours.
        samples: campaigns asked of each neighbour.
        queries: in one campaign.
        delta: of all three epsilons.
        confidence: of the lower bound.
        lower: lower confidence bound on epsilon from the answers, nats.
        exact: epsilon of this pair from the mechanism's law, nats.
        claim: the accountant's epsilon for any pair, nats.
        accountant: that computed the claim.
    """

    mechanism: str
    pair: str
    samples: int
    queries: int
    delta: float
    confidence: float
    lower: float
    exact: float
    claim: float
    accountant: str

    @property
    def broken(self) -> bool:
        """True if the lower bound exceeds the claim."""
        return self.lower > self.claim


def audit(
    mechanism: NoisyMax,
    pair: Neighbours,
    *,
    samples: int,
    delta: float = DELTA,
    confidence: float = CONFIDENCE,
    accountant: str = DEFAULT_ACCOUNTANT,
    subject: Subject | None = None,
) -> Finding:
    """Audit one mechanism on one pair.

    Args:
        mechanism: whose claim is audited.
        pair: the neighbours.
        samples: campaigns to ask of each.
        delta: failure probability of the epsilons.
        confidence: of the lower bound.
        accountant: that computes the claim.
        subject: the audited function; default: the mechanism behind ``release``.
    """
    if samples < 8:
        raise expected("samples >= 8", "a bound needs many", samples=samples)
    ask = through_the_door(mechanism, pair.teachers) if subject is None else subject
    queries, classes = pair.first_QC.shape
    drawn = [
        _outcomes(ask(np.tile(counts, (samples, 1))), queries, classes) for counts in (pair.first_QC, pair.second_QC)
    ]
    event = mechanism.worst_case_event(queries=queries, moved_votes=1)
    return Finding(
        mechanism=repr(mechanism),
        pair=pair.name,
        samples=samples,
        queries=queries,
        delta=delta,
        confidence=confidence,
        lower=epsilon_at_least(*drawn, outcomes=(classes + 1) ** queries, delta=delta, confidence=confidence),
        exact=epsilon_of_pair(mechanism, pair, delta),
        claim=data_independent_epsilon(event, delta, accountant).epsilon,
        accountant=accountant,
    )


def through_the_door(mechanism: NoisyMax, teachers: int) -> Subject:
    """The mechanism as in a run: behind the ledger, with noise from the operating system's entropy."""

    def ask(counts_QC: IntArray) -> IntArray:
        settings = {"epsilon": 1e12, "delta": 1e-5, "accountant": "gaussian", "unit": "nobody"}
        with tempfile.TemporaryDirectory() as folder, PrivacyLedger(Path(folder) / "ledger") as ledger:
            ledger.register(Account(name="audit", **settings))  # type: ignore[arg-type]
            answers = release(
                ledger,
                account="audit",
                task="audit",
                mechanism=mechanism,
                votes=VoteHistogram(counts_QC=counts_QC, teachers=teachers),
                query_keys=[number.to_bytes(8, "big") for number in range(len(counts_QC))],
                noise=ExactNoise(),
                moved_votes=1,
                batch_size=len(counts_QC),
            )
        return answers.value.labels_Q

    return ask


def pairs_for(mechanism: NoisyMax) -> list[Neighbours]:
    """Neighbours that test the argmax and, where there is one, the threshold test."""
    if not isinstance(mechanism, ConfidentGNMax):
        return [opposite_moves("argmax", top=50)]
    sure = int(mechanism.threshold + 8 * mechanism.sigma_threshold) + 2
    below = int(np.ceil(mechanism.threshold)) - 1
    return [opposite_moves("argmax", top=sure), opposite_moves("threshold", top=below)]


def _outcomes(answers: IntArray, queries: int, classes: int) -> IntArray:
    """Each campaign's answers as one number."""
    digits = answers.reshape(-1, queries) + 1
    numbers: IntArray = digits @ (classes + 1) ** np.arange(queries - 1, -1, -1)
    return numbers
