"""The account that pays for a campaign, opened and checked before any teacher is trained."""

from __future__ import annotations

import sys
from typing import TypedDict

from pate.accounting.events import SanitisedReleaseEvent
from pate.aggregation import ExactNoise, InsecureSeededNoise, NoiseSource, NoisyMax, require_affordable
from pate.data import Study, input_keys
from pate.errors import expected
from pate.ledger import Account, PrivacyLedger
from pate.values import Released
from pipelines.config.experiment import Config
from pipelines.config.relation import carries_ids
from pipelines.run.context import Run
from pipelines.storage.run_folder import simulated_account
from pipelines.teachers.holders import Holder, Units

NO_IDS = (
    "the configuration names no ids of privacy units (data.unit): each record of a person with several is protected "
    "separately, and an altered record is not recognised; name the column if there is one"
)
GIVEN_VOTES = (
    "the votes were made elsewhere: that one privacy unit's records can change at most partition.group_size of the "
    "votes on each query, and that no other account holds the same records, is your declaration"
)


def account(run: Run, asked: Released[list[int]], holder: Holder) -> None:
    """Register the private data, and refuse a campaign that exceeds their budget."""
    with run.home.ledger() as ledger:
        units = holder.units(ledger.key)
        opened = open_account(ledger, run.config, run.study, asked.value, units)
    run.progress.line("account", f"{opened.name}: budget epsilon {opened.epsilon:g} at delta {opened.delta:g}")


def account_of(config: Config, study: Study) -> Account:
    """The account that pays; on a public benchmark a simulated one for this configuration, seed and split."""
    benchmark = study.benchmark is not None
    return Account(
        name=simulated_account(config.data.data_id, config.run_id) if benchmark else config.data.data_id,
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
            "remove the key: predictable noise gives no protection",
            insecure_seeded_noise=seed,
        )
    return InsecureSeededNoise(seed)


def open_account(ledger: PrivacyLedger, config: Config, study: Study, queries: list[int], units: Units) -> Account:
    """Register the data, and refuse a campaign that the account cannot pay before any teacher is trained.

    Args:
        ledger: with the account.
        config: the experiment.
        study: its data.
        queries: positions of the queries in the pool.
        units: of the private records, here or at their sites.
    """
    account = account_of(config, study)
    ledger.register(account, units=() if account.benchmark else units.known_by)
    given = GIVEN_VOTES if config.votes_are_given else None
    no_ids = NO_IDS if carries_ids(config) is False and not account.benchmark else None
    for warning in (account.large_delta(config.partition.teachers), no_ids, given):
        if warning is not None:
            sys.stderr.write(f"pate: warning: {warning}\n")
    require_affordable(ledger, **request(config, study, queries))
    return account


class Request(TypedDict):
    """Arguments of ``pate.aggregation.release`` that do not depend on votes."""

    account: str
    task: str
    mechanism: NoisyMax
    query_keys: list[bytes]
    noise: NoiseSource
    moved_votes: int
    sanitised: SanitisedReleaseEvent | None


def request(config: Config, study: Study, queries: list[int]) -> Request:
    """The arguments of ``pate.aggregation.release`` that do not depend on votes."""
    return {
        "account": account_of(config, study).name,
        "task": study.task,
        "mechanism": config.labelling.mechanism.build(),
        "query_keys": input_keys(study.pool.inputs[queries]),
        "noise": noise_of(config, study),
        "moved_votes": config.partition.group_size,
        "sanitised": config.sanitised_release(),
    }
