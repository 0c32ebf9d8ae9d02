"""The sanitised estimate of a campaign: charged with it, drawn once at its end, persisted before it is released.

The estimate is the data-dependent cost of the whole list that the campaign reserved, asked or not, so it depends on
the votes alone and not on the number of answers. Noise is integer noise on public grids.
"""

from __future__ import annotations

from collections.abc import Mapping

from pate.accounting.events import PrivacyEvent, SanitisedReleaseEvent
from pate.accounting.sanitised.gap_sensitivity import BASIS, gap_inputs
from pate.accounting.sanitised.release import SanitisedEstimate, sanitised_estimate, sanitiser_noise
from pate.aggregation.mechanisms import estimable_query
from pate.aggregation.noise import NoiseSource
from pate.errors import LedgerError
from pate.ledger import Intent, PrivacyLedger
from pate.votes import VoteHistogram


def draw_estimate(
    votes: VoteHistogram, *, answers: PrivacyEvent, sanitised: SanitisedReleaseEvent, noise: NoiseSource
) -> SanitisedEstimate:
    """One noisy estimate. It must not be observable before the ledger holds it.

    Args:
        votes: counts for every query of the list.
        answers: what the campaign's answers are charged for.
        sanitised: the release, fixed before votes existed.
        noise: source of noise.
    """
    cost, sensitivity = gap_inputs(votes, estimable_query(answers), sanitised, fixed_in_advance=True)
    scales = sanitiser_noise(sanitised, sensitivity)
    return sanitised_estimate(
        sanitised,
        cost=cost,
        smooth_sensitivity=sensitivity,
        cost_noise=int(noise.gaussian(scales.cost_sigma, 1)[0]),
        log_noise=int(noise.gaussian(scales.log_sigma, 1)[0]),
        basis=BASIS,
    )


def persist_estimate(
    ledger: PrivacyLedger,
    intent: Intent,
    *,
    votes: VoteHistogram,
    row_of: Mapping[bytes, int],
    answers: PrivacyEvent,
    sanitised: SanitisedReleaseEvent,
    noise: NoiseSource,
) -> None:
    """Draw and persist the estimate of a reserved campaign, unless that was done before.

    Args:
        ledger: holds the charge.
        intent: the campaign, not settled.
        votes: counts for each query; row ``row_of[q]`` belongs to the keyed hash ``q``.
        row_of: row of the votes on each reserved input.
        answers: what the campaign's answers are charged for.
        sanitised: the release that the campaign is charged for.
        noise: source of noise.
    """
    queries = ledger.reserved_queries(intent)
    now = ledger.intent(intent.id)
    if now is None or now.settled or ledger.estimate(intent.id) is not None:
        return  # in this order: a campaign that is still open has all its inputs
    if any(query not in row_of for query in queries):
        raise LedgerError("Expected votes for every reserved input, got fewer; resume with the run that reserved it")
    listed = VoteHistogram(counts_QC=votes.counts_QC[[row_of[query] for query in queries]], teachers=votes.teachers)
    estimate = draw_estimate(listed, answers=answers, sanitised=sanitised, noise=noise)
    ledger.persist_estimate(intent, estimate)  # False: another process was first, this draw is discarded unseen
