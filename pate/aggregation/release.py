"""The only path from private votes to public answers.

It releases, after they were charged and persisted, the noisy argmax (or a refusal), once for each input, and the
sanitised estimate that a campaign may declare, once for each campaign. Answers are released in batches, so that the
time of a single query is not observable.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from pate.accounting.curve import EpsilonBound
from pate.accounting.events import PrivacyEvent, SanitisedReleaseEvent, kind_of
from pate.accounting.sanitised.gap_sensitivity import require_teachers
from pate.accounting.sanitised.release import SanitisedEstimate
from pate.aggregation.counts import NOT_ASKED, Counted
from pate.aggregation.mechanisms import REFUSED, NoisyMax, campaign_event
from pate.aggregation.noise import NoiseSource, is_secure
from pate.aggregation.sanitised import persist_estimate
from pate.arrays import IntArray
from pate.errors import LedgerError, PrivacyViolation, expected
from pate.ledger import Intent, PrivacyLedger
from pate.values import Released
from pate.votes import VoteHistogram

_INSECURE = "insecure:"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Answers(Counted):
    """Public result of a campaign.

    Attributes:
        labels_Q: for each query of the fixed list a class index, ``REFUSED`` or ``NOT_ASKED``. Shape ``[Q]``.
        event: charged for this campaign; ``None`` if every input had been answered before.
        total: cost of everything ever charged to the account, this campaign included, by the account's rule.
        secure: ``True`` if the noise came from operating-system entropy.
        estimate: the sanitised estimate that the campaign released; ``None`` if none was declared.
    """

    labels_Q: IntArray
    event: PrivacyEvent | None
    total: EpsilonBound
    secure: bool
    estimate: SanitisedEstimate | None = None


def release(
    ledger: PrivacyLedger,
    *,
    account: str,
    task: str,
    mechanism: NoisyMax,
    votes: VoteHistogram,
    query_keys: Sequence[bytes],
    noise: NoiseSource,
    moved_votes: int,
    sanitised: SanitisedReleaseEvent | None = None,
    batch_size: int = 1000,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Released[Answers]:
    """Answer a list of queries that was fixed before the first vote.

    Inputs that this account has answered for this task get the stored answer, free. The others are charged as
    one campaign, in full, before noise is drawn. Called again after a crash, it continues under the same charge.

    Args:
        ledger: keeps the charge and the answers.
        account: name of a registered account.
        task: the labelling task.
        mechanism: of the answers.
        votes: counts for each query. Shape ``[Q, C]``.
        query_keys: canonical bytes of each input, in order. Length ``Q``.
        noise: source of noise.
        moved_votes: votes that one privacy unit may move.
        sanitised: the noisy data-dependent estimate to release at the end, charged with the answers.
        batch_size: answers persisted and released together.
        on_progress: called with the number of queries of each finished batch.

    Raises:
        BudgetExceeded: the remaining budget is too small; nothing was charged or drawn.
        PrivacyViolation: the mechanism returned something other than class indices and refusals.
    """
    if batch_size < 1:
        raise expected("labelling.batch_size >= 1", "answers come out in batches", batch_size=batch_size)
    if len(query_keys) != len(votes):
        raise expected("votes for every query", "vote on the fixed list", queries=len(query_keys), votes=len(votes))
    if sanitised is not None:
        require_teachers(votes.teachers)
    task = _task(task, noise)
    hashes = ledger.key.queries(query_keys)
    row_of = {query: row for row, query in reversed(list(enumerate(hashes)))}
    campaign = _campaign_id(account, task, mechanism, hashes, moved_votes, noise, sanitised)
    intent = ledger.intent(campaign)
    if intent is None:
        fresh = _unanswered(ledger, account, task, hashes)
        if fresh:
            intent = ledger.reserve(
                account,
                campaign=campaign,
                task=task,
                event=campaign_event(mechanism, queries=len(fresh), moved_votes=moved_votes, sanitised=sanitised),
                queries=fresh,
                max_answered=mechanism.max_answers(len(fresh)),
            )
    if intent is not None and (intent.account, intent.task) != (account, task):
        raise LedgerError("Expected the campaign of this account and task, got one of another; name it otherwise")
    if intent is not None and not intent.settled:
        _answer(ledger, intent, mechanism, votes, row_of, noise, batch_size, on_progress)
        if sanitised is not None:
            answers = mechanism.worst_case_event(queries=len(hashes), moved_votes=moved_votes)
            persist_estimate(
                ledger, intent, votes=votes, row_of=row_of, answers=answers, sanitised=sanitised, noise=noise
            )
        ledger.settle(intent)
    return Released.through_the_door(_stored(ledger, account, task, hashes, campaign, noise))


def require_affordable(
    ledger: PrivacyLedger,
    *,
    account: str,
    task: str,
    mechanism: NoisyMax,
    query_keys: Sequence[bytes],
    noise: NoiseSource,
    moved_votes: int,
    sanitised: SanitisedReleaseEvent | None = None,
) -> None:
    """Check, before teachers are trained, that ``release`` would not be refused; takes the same arguments.

    Raises:
        BudgetExceeded: the remaining budget and the requested cost; nothing is charged either way.
    """
    task = _task(task, noise)
    hashes = ledger.key.queries(query_keys)
    if ledger.intent(_campaign_id(account, task, mechanism, hashes, moved_votes, noise, sanitised)) is None:
        fresh = _unanswered(ledger, account, task, hashes)
        if fresh:
            event = campaign_event(mechanism, queries=len(fresh), moved_votes=moved_votes, sanitised=sanitised)
            ledger.require_within_budget(account, event)


def _task(task: str, noise: NoiseSource) -> str:
    """Predictable answers are stored under another task: they never replace real ones."""
    if task.startswith(_INSECURE):
        raise expected(f"a task that does not begin with {_INSECURE!r}", "name it otherwise", task=task)
    return task if is_secure(noise) else _INSECURE + task


def _unanswered(ledger: PrivacyLedger, account: str, task: str, hashes: list[bytes]) -> list[bytes]:
    """The inputs without a stored answer, each once, in order."""
    distinct = list(dict.fromkeys(hashes))
    stored = ledger.stored_answers(account, task, distinct)
    return [query for query, answer in zip(distinct, stored, strict=True) if answer is None]


def _answer(
    ledger: PrivacyLedger,
    intent: Intent,
    mechanism: NoisyMax,
    votes: VoteHistogram,
    row_of: dict[bytes, int],
    noise: NoiseSource,
    batch_size: int,
    on_progress: Callable[[int], None],
) -> None:
    """Draw and persist batch after batch until every input is answered or the campaign's answers are used up."""
    while True:
        # In this order: if another process answers in between, the batch is stale and persisting it is refused.
        batch = ledger.open_queries(intent, batch_size)
        answers_left = intent.max_answered - ledger.answered(intent)
        if not batch or answers_left == 0:
            return
        if any(query not in row_of for query in batch):
            raise LedgerError(
                "Expected votes for every reserved input, got fewer; resume with the run that reserved it"
            )
        counts_QC = votes.counts_QC[[row_of[query] for query in batch]]
        drawn = mechanism.answer(counts_QC, noise, answers_left=answers_left)
        _require_answers(drawn, counts_QC, answers_left)
        pairs = [(query, int(answer)) for query, answer in zip(batch, drawn, strict=False)]
        if ledger.persist(intent, pairs):
            on_progress(len(pairs))
        else:
            again = ledger.intent(intent.id)
            if again is None or again.settled:
                return


def _require_answers(drawn: IntArray, counts_QC: IntArray, answers_left: int) -> None:
    """Refuse anything but class indices and refusals, and more of them than were charged."""
    queries, classes = counts_QC.shape
    if not (isinstance(drawn, np.ndarray) and drawn.ndim == 1 and drawn.dtype == np.int64 and len(drawn) <= queries):
        raise PrivacyViolation("Expected one int64 class index or refusal for each query, got something else")
    if drawn.size and (drawn.min() < REFUSED or drawn.max() >= classes):
        raise PrivacyViolation("Expected class indices and refusals only, got another number")
    if int((drawn >= 0).sum()) > answers_left or len(drawn) == 0:
        raise PrivacyViolation("Expected at least one answer or refusal and no more answers than were charged")


def _stored(
    ledger: PrivacyLedger, account: str, task: str, hashes: list[bytes], campaign: str, noise: NoiseSource
) -> Answers:
    stored = ledger.stored_answers(account, task, hashes)
    labels_Q = np.array([NOT_ASKED if answer is None else answer for answer in stored], dtype=np.int64)
    return Answers(
        labels_Q=labels_Q,
        event=ledger.charged_event(campaign),
        total=ledger.spent(account),
        secure=is_secure(noise),
        estimate=ledger.estimate(campaign),
    )


def _campaign_id(
    account: str,
    task: str,
    mechanism: NoisyMax,
    hashes: list[bytes],
    moved_votes: int,
    noise: NoiseSource,
    sanitised: SanitisedReleaseEvent | None,
) -> str:
    """The name of a request, the same in every version and process, so that a restart finds its own charge."""
    bought = [] if sanitised is None else [repr(sanitised).replace(type(sanitised).__name__, kind_of(sanitised), 1)]
    head = json.dumps([account, task, repr(mechanism), moved_votes, is_secure(noise), *bought]).encode()
    return hashlib.sha256(head + b"".join(hashes)).hexdigest()[:32]
