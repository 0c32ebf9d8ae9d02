"""The facts of the privacy report, from the campaign, public configuration and public files of runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import isnan
from typing import Any

import numpy as np

from pate.report import PrivacyReport
from pipelines.config.data import DigitsData, FilesData
from pipelines.config.experiment import Config
from pipelines.config.own_parts import own_student, own_teachers
from pipelines.config.relation import neighbours_of
from pipelines.data.shipped_sets import SETS
from pipelines.outcome.campaign import Campaign
from pipelines.outcome.metrics import alarms_of, student_facts
from pipelines.run.context import Run, versions
from pipelines.run.teachers import teachers_lost
from pipelines.storage.audit_file import read_audit
from pipelines.storage.code_commit import code_commit
from pipelines.storage.home import Home

PARTITION = {
    "random": "each privacy unit's records go to one teacher, at random",
    "unit": "each privacy unit's records go to one teacher",
    "site": "each privacy unit's records go to one teacher of its own site",
}


def _partition(config: Config) -> str:
    """The rule of assignment, and the machines that read the records."""
    if config.votes_are_given:
        return (
            f"votes were made outside pate; the operator declares that the records of one {config.privacy.unit} could "
            f"change at most {config.partition.group_size} of the votes on each query"
        )
    whole = config.sites is not None and config.sites.protects == "site"
    dealt = "each site is one privacy unit and one teacher" if whole else PARTITION[config.partition.by]
    return f"{dealt}; records are read on their site's machines alone" if config.held_at_sites else dealt


def report_of(run: Run, campaign: Campaign) -> PrivacyReport:
    """The report of a run whose labels were released and whose student was evaluated."""
    config = run.config
    comparable = comparable_runs(run.home, config)
    return PrivacyReport(
        run_id=config.run_id,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        configuration=config.digest(),
        description=config.description,
        task=run.study.task,
        classes=list(run.study.classes),
        data_id=config.data.data_id,
        benchmark=run.study.benchmark is not None,
        secure_noise=run.secure,
        unit=config.privacy.unit,
        neighbours=neighbours_of(config),
        moved_votes=config.partition.group_size,
        partition=_partition(config),
        retention_days=config.privacy.retention_days,
        mechanism=config.labelling.mechanism.model_dump(mode="json"),
        event=campaign.event,
        campaign=campaign.cost,
        charges=list(campaign.charges),
        total=campaign.total,
        budget=config.privacy.epsilon,
        ledger=campaign.ledger,
        teachers_enrolled=config.partition.teachers,
        teachers_lost=teachers_lost(run),
        pool=len(run.study.pool),
        asked=campaign.asked,
        answered=campaign.answered,
        refused=campaign.refused,
        batch_size=config.labelling.batch_size,
        spend=campaign.spend,
        student={"learner": config.student.learner, "network": config.student.model_kind, **own_student(config)},
        evaluation=_evaluation(run),
        comparable=comparable,
        public_data=[
            {**row, "origin": _origin(config, evaluation=row["name"] == run.evaluation_set)}
            for row in run.public_sets()
        ],
        tuning=_tuning(config, len(comparable)),
        audit=read_audit(run.home.path),
        versions=versions(),
        sanitised=campaign.sanitised,
        left=campaign.left,
        own_parts=own_teachers(config),
        alarms=alarms_of(student_facts_of(run)),
        declared={} if config.report is None else config.report.model_dump(mode="json", exclude_none=True),
        commit=code_commit(),
    )


def student_facts_of(run: Run) -> dict[str, Any]:
    """Accuracy by class and alarms of the student that was evaluated."""
    return student_facts(json.loads(run.folder.evaluation_file.read_text()), run.study.classes)


def comparable_runs(home: Home, config: Config) -> list[dict[str, Any]]:
    """Other finished runs of the same task on the same data, at the same delta and unit, with secure noise.

    Args:
        home: only public files of its runs are read.
        config: of the run that they are compared with.
    """
    wanted = _task(config.data.model_dump(mode="json"))
    found = []
    for folder in home.runs():
        if not folder.summary_file.exists():
            continue
        facts, settings = json.loads(folder.summary_file.read_text()), folder.settings()
        same = (facts["delta"], facts["unit"]) == (config.privacy.delta, config.privacy.unit)
        if same and facts["secure_noise"] and facts["run_id"] != config.run_id and _task(settings["data"]) == wanted:
            found.append(
                {
                    **{name: facts[name] for name in ("run_id", "epsilon", "delta", "accountant")},
                    "accuracy": facts["student_accuracy"],
                    "records": facts["evaluation_records"],
                }
            )
    return found


def _task(data: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(data.get(name) for name in ("source", "data_id", "task"))


def _evaluation(run: Run) -> dict[str, Any]:
    """Metrics on the public evaluation set; ``null`` for a class that does not occur there."""
    found = json.loads((run.folder.evaluation_file).read_text())
    counts = np.bincount(run.study.evaluation.labels_E, minlength=len(run.study.classes)).tolist()
    of_class = zip(run.study.classes, counts, found["class_accuracy"], strict=True)
    return {
        **{name: found[name] for name in ("count", "accuracy", "log_loss", "calibration", "intervals_over")},
        "figures": [
            {
                "name": name.replace("_", " ").replace("auroc", "AUROC"),
                **{key: figure[key] for key in ("value", "low", "high")},
            }
            for name, figure in found["metrics"].items()
            if isinstance(figure, dict)
        ],
        "classes": [
            {"class": name, "count": count, "right": None if isnan(right) else right} for name, count, right in of_class
        ],
    }


def _origin(config: Config, *, evaluation: bool) -> str:
    """The origin of a public set, as far as the configuration gives it; names of files are private."""
    data = config.data
    if isinstance(data, DigitsData):
        return "the handwritten digits that come with scikit-learn (UCI), public"
    if not isinstance(data, FilesData):
        return f"{SETS[data.source].title}; {SETS[data.source].licence}; files checked by SHA-256"
    of_set = "" if data.set is None else f"{SETS[data.set].title}; {SETS[data.set].licence}; "
    named = data.evaluation_files if evaluation else data.pool_files
    if named:
        return f"{of_set}files that the operator named as public"
    return (
        f"{of_set}drawn by {data.split.by} from the files of private records and excluded from training; the operator "
        "declared that these records may be published"
    )


def _tuning(config: Config, others: int) -> list[str]:
    said = [
        "Settings were fixed in the configuration before the first vote; its hash is given below.",
        "No private record was used to choose a setting: the software takes none for validation.",
        "The student saw public inputs and released labels only. The evaluation set was used once, at the end.",
    ]
    if config.features is not None:
        kind = "trained elsewhere" if config.features.kind == "backbone" else "made from the public pool alone"
        who = "Teachers see inputs" if config.teachers.see == "features" else "Inputs to ask were chosen"
        behind = " The student is a head on this encoder." if config.student.see == "features" else ""
        said.append(f"{who} through an encoder ({config.features.kind}) that was {kind}.{behind}")
    if others:
        said.append(
            f"{others} other finished runs of this task exist. Choosing the best of several runs by public accuracy "
            "overstates its accuracy; it costs no privacy beyond what was charged."
        )
    return said
