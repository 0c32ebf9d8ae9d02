"""The sanitised figure of a campaign: charged with it, drawn once at its end, written down before it is shown.

The figure is the data-dependent cost of the whole list that the campaign reserved, asked or not, so it depends on the
votes alone and not on where the answers ended. Noise is integer noise on public grids.
"""

from __future__ import annotations

from collections.abc import Mapping

from pate.accounting.events import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    PrivacyEvent,
    RepeatedEvent,
    SanitisedReleaseEvent,
    kind_of,
)
from pate.accounting.sanitised.gap_sensitivity import BASIS, gap_inputs, largest_cost
from pate.accounting.sanitised.release import SanitisedFigure, require_finite, sanitised_figure, sanitiser_noise
from pate.aggregation.mechanisms import IntArray, NoisyMax
from pate.aggregation.noise import LARGEST_SCALE, NoiseSource
from pate.errors import LedgerError, expected
from pate.ledger import Intent, PrivacyLedger
from pate.votes import VoteHistogram


def whole_event(
    mechanism: NoisyMax, *, queries: int, moved_votes: int, sanitised: SanitisedReleaseEvent | None = None
) -> PrivacyEvent:
    """Everything that a campaign may release: its answers and, if it buys one, its figure.

    Raises:
        InputError: a figure that this campaign cannot have, found from public parameters alone.
    """
    answers = mechanism.worst_case_event(queries=queries, moved_votes=moved_votes)
    if sanitised is None:
        return answers
    require_possible(answers, sanitised, queries=queries)
    return ComposedEvent(events=(answers, sanitised))


def require_possible(answers: PrivacyEvent, sanitised: SanitisedReleaseEvent, *, queries: int) -> None:
    """Find out before votes exist whether a figure can be drawn, whatever they will be.

    Raises:
        InputError: no smooth sensitivity is known, no finite cost, or noise beyond what can be drawn.
    """
    each = _each_query(answers)
    if each.moved_votes > 1:
        raise expected(
            "one vote moved by one privacy unit with privacy.sanitised",
            "set partition.group_size: 1 or remove privacy.sanitised",
            moved_votes=each.moved_votes,
        )
    require_finite(sanitised)
    widest = sanitiser_noise(sanitised, queries * largest_cost(each, sanitised.order))
    if max(widest.figure_sigma, widest.log_sigma) > LARGEST_SCALE:
        raise expected(
            "noise of a sanitised figure that can be drawn, at most 2^50 steps of its grids",
            "lower privacy.sanitised.sigma_ss or tau_s",
            sigma_ss=sanitised.sigma_ss,
            tau_s=sanitised.tau_s,
        )


def draw_figure(
    counts_QC: IntArray, *, teachers: int, answers: PrivacyEvent, sanitised: SanitisedReleaseEvent, noise: NoiseSource
) -> SanitisedFigure:
    """One noisy figure. Nothing of it may be seen before the ledger holds it.

    Args:
        counts_QC: votes on every query of the list. Shape ``[Q, C]``. Private.
        teachers: the roster's size.
        answers: what the campaign's answers are charged for.
        sanitised: the release, fixed before votes existed.
        noise: where noise is drawn.
    """
    votes = VoteHistogram(counts_QC=counts_QC, teachers=teachers)
    cost, sensitivity = private_inputs(votes, answers, sanitised)
    scales = sanitiser_noise(sanitised, sensitivity)
    return sanitised_figure(
        sanitised,
        cost=cost,
        smooth_sensitivity=sensitivity,
        figure_noise=int(noise.gaussian(scales.figure_sigma, 1)[0]),
        log_noise=int(noise.gaussian(scales.log_sigma, 1)[0]),
        basis=BASIS,
    )


def private_inputs(
    votes: VoteHistogram, answers: PrivacyEvent, sanitised: SanitisedReleaseEvent
) -> tuple[float, float]:
    """``(cost, smooth sensitivity)`` of the list at the release's order, nats. Private, both."""
    return gap_inputs(votes, _each_query(answers), sanitised, fixed_in_advance=True)


def persist_figure(
    ledger: PrivacyLedger,
    intent: Intent,
    *,
    votes: VoteHistogram,
    row_of: Mapping[bytes, int],
    answers: PrivacyEvent,
    sanitised: SanitisedReleaseEvent,
    noise: NoiseSource,
) -> None:
    """Draw the figure of a reserved campaign and write it down, unless that was done before.

    Args:
        ledger: holds the charge.
        intent: the campaign, not settled.
        votes: counts for each query; row ``row_of[q]`` belongs to the keyed hash ``q``.
        row_of: where the votes on each reserved input stand.
        answers: what the campaign's answers are charged for.
        sanitised: the release that the campaign is charged for.
        noise: where noise is drawn.
    """
    queries = ledger.reserved_queries(intent)
    now = ledger.intent(intent.id)
    if now is None or now.settled or ledger.figure(intent.id) is not None:
        return  # in this order: a campaign that is still open has all its inputs
    if any(query not in row_of for query in queries):
        raise LedgerError("Expected votes for every reserved input, got fewer; resume with the run that reserved it")
    counts_QC = votes.counts_QC[[row_of[query] for query in queries]]
    figure = draw_figure(counts_QC, teachers=votes.teachers, answers=answers, sanitised=sanitised, noise=noise)
    ledger.persist_figure(intent, figure)  # False: another process was first, this draw is thrown away unseen


def _each_query(answers: PrivacyEvent) -> GNMaxEvent | ConfidentGNMaxEvent:
    """What one query of the campaign releases."""
    each = answers.event if isinstance(answers, RepeatedEvent) else answers
    if not isinstance(each, GNMaxEvent | ConfidentGNMaxEvent):
        raise expected(
            "gnmax or confident-gnmax with privacy.sanitised",
            "no smooth sensitivity is known for another mechanism; remove privacy.sanitised",
            mechanism=kind_of(each),
        )
    return each
