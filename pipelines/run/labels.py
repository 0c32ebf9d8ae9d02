"""Stage ``labels``: the campaign is charged, noise is drawn, labels are released."""

from __future__ import annotations

import numpy as np

from pate.accounting.rounding import up
from pate.aggregation import Answers
from pate.aggregation.release import release
from pate.data import Study
from pate.ledger import PrivacyLedger
from pate.values import Released
from pate.votes import VoteMatrix
from pipelines.config.experiment import Config
from pipelines.data.pool_places import place_in_pool
from pipelines.outcome.campaign import Campaign, write_labels
from pipelines.outcome.spend import cost_of, spend_curve, track_spend
from pipelines.progress import Progress
from pipelines.run.account import account_of, request
from pipelines.run.context import Run
from pipelines.run.stages import Done


def labels(run: Run, votes: VoteMatrix, asked: Released[list[int]]) -> Released[Campaign]:
    """Charge the campaign and release its labels."""
    path = run.folder.labels_file

    def work() -> Done:
        with run.home.ledger() as ledger:
            answers = charge_and_answer(ledger, run.config, run.study, votes, asked.value, run.progress)
            campaign = _campaign(run, ledger, answers, asked)
        write_labels(path, campaign, run.study.classes, lambda position: place_in_pool(run.config, run.study, position))
        track_spend(run.tracker, run.config, answers)
        found = campaign.value
        line = (
            f"{found.asked} asked, {found.answered} answered, epsilon {up(found.cost.epsilon)} at delta "
            f"{found.cost.delta:g} ({found.cost.accountant})"
        )
        return Done(outputs=[path], note=found.to_dict(), line=line)

    return Released.public(Campaign.from_dict(run.stage("labels", work), path, run.config))


def charge_and_answer(
    ledger: PrivacyLedger, config: Config, study: Study, votes: VoteMatrix, queries: list[int], progress: Progress
) -> Released[Answers]:
    """Charge the campaign and release its answers; ``account.open_account`` has been called."""
    with progress.bar("labels", len(queries)) as on_progress:
        return release(
            ledger,
            votes=votes.histogram(),
            batch_size=config.labelling.batch_size,
            on_progress=on_progress,
            **request(config, study, queries),
        )


def _campaign(
    run: Run, ledger: PrivacyLedger, answers: Released[Answers], asked: Released[list[int]]
) -> Released[Campaign]:
    """The public outcome, from the answers and the ledger's public state."""
    content, name = answers.value, account_of(run.config, run.study).name
    charged = ledger.events(name)
    return Released.public(
        Campaign(
            queries_Q=np.array(asked.value, dtype=np.int64),
            labels_Q=content.labels_Q,
            event=content.event if content.event == run.config.campaign_event() else charged,
            charges=charged.events,
            spend=spend_curve(run.config, answers).value,
            cost=cost_of(run.config, answers).value,
            total=content.total,
            ledger=str(ledger.head()),
            sanitised=None if content.estimate is None else content.estimate.epsilon(content.total.delta),
            left=ledger.left(name),
        )
    )
