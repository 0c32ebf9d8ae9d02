"""Facts of a privacy report: released values and public configuration alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from pate.accounting import EpsilonBound, PrivacyEvent
from pate.accounting.sanitised.release import SanitisedEpsilon
from pate.errors import PrivacyViolation, expected


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyReport:
    """Everything about the guarantee of one campaign.

    Attributes:
        run_id: the campaign.
        created: UTC time, ISO 8601.
        configuration: SHA-256 of the resolved configuration.
        description: purpose of the campaign, from its configuration.
        task: the labelling task.
        classes: names of the classes.
        data_id: the account of the private data.
        benchmark: the campaign is a simulation on a public data set.
        secure_noise: noise came from operating-system entropy.
        unit: the privacy unit in words.
        neighbours: the two data sets that the guarantee compares, in words.
        moved_votes: votes that one unit may move: the partitions that it may be in.
        partition: rule by which records were assigned to teachers, in words.
        retention_days: days that votes, weights and manifests are kept; ``None``: not declared.
        mechanism: the mechanism's name and public parameters.
        event: worst case of everything the campaign may release.
        campaign: its data-independent cost.
        charges: everything ever charged to the account until the labels were released, in order, this one included.
        total: joint cost of the charges.
        budget: the account's epsilon, fixed at registration.
        left: further epsilon that the account's rule allowed then; ``None``: the budget less the total.
        ledger: length and last hash of the ledger's chain when the labels were released, ``LENGTH:HEAD``.
        teachers_enrolled, teachers_lost: roster, and losses to infrastructure before it was frozen.
        pool, asked, answered, refused: public inputs, and outcomes of those asked.
        batch_size: answers released together.
        spend: rows of ``asked`` and ``answered`` as the campaign proceeded, with epsilon: ``spent``, the whole charge
            in every row, and ``planned``, the cost of a campaign of that many queries.
        student: public facts of the student, by name.
        evaluation: on the public evaluation set ``count``, ``accuracy``, ``log_loss``, ``calibration``, ``classes``,
            and ``figures`` with 95 % intervals over ``intervals_over``.
        comparable: finished runs of the same task: ``run_id``, ``epsilon``, ``delta``, ``accountant``, ``accuracy``,
            ``records``.
        public_data: the public sets: ``name``, ``records``, ``fingerprint``, ``origin``.
        tuning: tuned settings, and the data used.
        audit: findings of ``pate audit`` with ``created`` and ``pate``, if available.
        versions: software.
        own_parts: user-defined teacher code, the import path by its role; empty if pate's own is used.
        sanitised: the campaign's noisy data-dependent estimate, or ``None``; not a guarantee.
        alarms: released findings about the student that a reader must not overlook, one sentence each.
        declared: declarations of the organisation, by name: ``controller``, ``contact``, ``dpia``, ``delete_by``,
            ``largest_epsilon``, ``largest_delta`` and ``declared_units``; all of them optional.
        commit: git commit of the code; ``None`` if it was installed.
    """

    run_id: str
    created: str
    configuration: str
    description: str
    task: str
    classes: Sequence[str]
    data_id: str
    benchmark: bool
    secure_noise: bool
    unit: str
    neighbours: str
    moved_votes: int
    partition: str
    retention_days: int | None
    mechanism: Mapping[str, Any]
    event: PrivacyEvent
    campaign: EpsilonBound
    charges: Sequence[PrivacyEvent]
    total: EpsilonBound
    budget: float
    ledger: str
    teachers_enrolled: int
    teachers_lost: int
    pool: int
    asked: int
    answered: int
    refused: int
    batch_size: int
    spend: Sequence[Mapping[str, float]]
    student: Mapping[str, str]
    evaluation: Mapping[str, Any]
    comparable: Sequence[Mapping[str, Any]]
    public_data: Sequence[Mapping[str, Any]]
    tuning: Sequence[str]
    audit: Mapping[str, Any] | None
    versions: Mapping[str, str]
    sanitised: SanitisedEpsilon | None = None
    left: float | None = None
    own_parts: Mapping[str, str] = field(default_factory=dict)
    alarms: Sequence[str] = ()
    declared: Mapping[str, Any] = field(default_factory=dict)
    commit: str | None = None

    def __post_init__(self) -> None:
        for bound in (self.campaign, self.total):
            if bound.kind != "data-independent":
                raise PrivacyViolation(
                    f"Expected data-independent epsilons in the report, got a {bound.kind} one ({bound.accountant})"
                )
        if self.asked != self.answered + self.refused:
            raise expected("asked = answered + refused", "count again", asked=self.asked, answered=self.answered)
        if not self.charges:
            raise expected("at least one charge", "a campaign is charged before it is reported")
