"""From persisted votes to released labels: the account, the charge, the door, and the curve of the spend."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from pate.accounting import ComposedEvent, EpsilonBound, PrivacyEvent, data_independent_epsilon
from pate.aggregation import (
    NOT_ASKED,
    Answers,
    ExactNoise,
    InsecureSeededNoise,
    NoiseSource,
    release,
    require_affordable,
)
from pate.data import Study, input_keys
from pate.data.records import IntArray
from pate.errors import expected
from pate.files import write_atomically
from pate.ledger import Account, PrivacyLedger
from pate.values import Released
from pate.votes import VoteMatrix
from pipelines.config.experiment import Config
from pipelines.config.relation import carries_ids
from pipelines.run.progress import Progress
from pipelines.teachers.holders import Units

CURVE_POINTS = 10
NO_IDS = (
    "the configuration names no ids of privacy units (data.unit): a person with several records is protected for each "
    "alone, and is not known again where a record was altered; name the column if there is one"
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The released labels, by position in the pool.

    Attributes:
        queries_Q: positions of the inputs that were to be asked, in order. Shape ``[Q]``.
        labels_Q: a class index, -1 (refused) or -2 (not asked). Shape ``[Q]``.
    """

    queries_Q: IntArray
    labels_Q: IntArray

    def over_pool(self, size: int) -> IntArray:
        """A label or -1 for each input of the pool. Shape ``[M]``."""
        labels_M = np.full(size, -1, dtype=np.int64)
        labels_M[self.queries_Q] = np.maximum(self.labels_Q, -1)
        return labels_M


def account_of(config: Config, study: Study) -> Account:
    """The account that pays; on a public benchmark a simulated one for this configuration, seed and split."""
    benchmark = study.benchmark is not None
    return Account(
        name=f"{config.data.data_id}@{config.run_id}" if benchmark else config.data.data_id,
        epsilon=config.privacy.epsilon,
        delta=config.privacy.delta,
        accountant=config.privacy.accountant,
        unit=config.privacy.unit,
        benchmark=benchmark,
        declared=config.declared_campaigns(),
    )


def noise_of(config: Config, study: Study) -> NoiseSource:
    """Noise from operating-system entropy, unless a test on a public benchmark asks for predictable noise."""
    seed = config.labelling.insecure_seeded_noise
    if seed is None:
        return ExactNoise()
    if study.benchmark is None:
        raise expected(
            "no labelling.insecure_seeded_noise on data that are not a public benchmark",
            "remove the key: predictable noise protects nobody",
            insecure_seeded_noise=seed,
        )
    return InsecureSeededNoise(seed)


def open_account(ledger: PrivacyLedger, config: Config, study: Study, queries: list[int], units: Units) -> Account:
    """Register the data, and refuse a campaign that the account cannot pay before any teacher is trained.

    Args:
        ledger: where.
        config: the experiment.
        study: its data.
        queries: positions in the pool that are to be asked.
        units: of the private records, wherever these are.
    """
    account = account_of(config, study)
    ledger.register(account, units=() if account.benchmark else units.known_by)
    no_ids = NO_IDS if carries_ids(config) is False and not account.benchmark else None
    for warning in (account.large_delta(config.partition.teachers), no_ids):
        if warning is not None:
            sys.stderr.write(f"pate: warning: {warning}\n")
    require_affordable(ledger, **_request(config, study, queries))
    return account


def _request(config: Config, study: Study, queries: list[int]) -> dict[str, Any]:
    """What is asked of the door."""
    return {
        "account": account_of(config, study).name,
        "task": study.task,
        "mechanism": config.labelling.mechanism.build(),
        "query_keys": input_keys(study.pool.inputs[queries]),
        "noise": noise_of(config, study),
        "moved_votes": config.partition.group_size,
        "sanitised": config.sanitised_release(),
    }


def label(
    ledger: PrivacyLedger, config: Config, study: Study, votes: VoteMatrix, queries: list[int], progress: Progress
) -> Released[Answers]:
    """Charge the campaign and let its answers through the door; ``open_account`` has been called."""
    with progress.bar("labels", len(queries)) as on_progress:
        return release(
            ledger,
            votes=votes.histogram(),
            batch_size=config.labelling.batch_size,
            on_progress=on_progress,
            **_request(config, study, queries),
        )


def write_labels(
    path: Path, queries: Released[list[int]], answers: Released[Answers], classes: tuple[str, ...]
) -> None:
    """Keep the released labels, readable by people and programs."""
    labels = answers.value.labels_Q.tolist()
    rows = [
        {"input": position, "label": label, "class": classes[label] if label >= 0 else None}
        for position, label in zip(queries.value, labels, strict=True)
        if label != NOT_ASKED
    ]
    write_atomically(path, json.dumps({"refused": -1, "queries": queries.value, "answers": rows}, indent=1))


def read_labels(path: Path) -> Labels:
    """What ``write_labels`` kept."""
    content = json.loads(path.read_text())
    found = {row["input"]: row["label"] for row in content["answers"]}
    labels = [found.get(position, NOT_ASKED) for position in content["queries"]]
    return Labels(queries_Q=np.array(content["queries"], dtype=np.int64), labels_Q=np.array(labels, dtype=np.int64))


def cost_of(config: Config, answers: Released[Answers]) -> Released[EpsilonBound]:
    """What bounds the released labels: what was charged for them in full before the first answer.

    Where some inputs had been answered before, under campaigns with settings of their own, it is everything that was
    ever charged to the data.
    """
    content = answers.value
    return Released.public(config.campaign_epsilon() if content.event == config.campaign_event() else content.total)


def spend_curve(config: Config, answers: Released[Answers]) -> Released[list[dict[str, float]]]:
    """Epsilon against queries asked, data-independent.

    ``spent`` is ``cost_of`` in every row, since all of it is charged before the first query and nothing is refunded.
    ``planned`` is what a campaign of so many queries would cost, with its sanitised figure; the campaign itself costs
    more than its last ``planned`` if it ended before it had asked everything.

    Returns:
        Rows of ``asked``, ``answered``, ``planned`` and ``spent``, at most ``CURVE_POINTS``.
    """
    mechanism = config.labelling.mechanism.build()
    spent = cost_of(config, answers).value.epsilon
    given_Q = np.cumsum(answers.value.labels_Q >= 0)
    steps = np.unique(np.linspace(1, max(1, answers.value.asked), CURVE_POINTS).astype(int))
    rows = []
    for asked in steps.tolist():
        planned = mechanism.worst_case_event(queries=asked, moved_votes=config.partition.group_size)
        row = {"asked": asked, "answered": int(given_Q[asked - 1])}
        rows.append({**row, "planned": _epsilon(config, _with_figure(config, planned)), "spent": spent})
    return Released.public(rows)


def _with_figure(config: Config, event: PrivacyEvent) -> PrivacyEvent:
    release = config.sanitised_release()
    return event if release is None else ComposedEvent(events=(event, release))


def _epsilon(config: Config, event: PrivacyEvent) -> float:
    return data_independent_epsilon(event, config.privacy.delta, config.privacy.accountant).epsilon
