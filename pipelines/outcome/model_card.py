"""The model card of a student in the registry, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pate.accounting import EpsilonBound
from pate.plain_text import markdown
from pate.report.first_page import on_average, worst_outcome
from pate.report.wording import up
from pate.report.words import GIVEN_VOTES, OWN_TEACHERS
from pate.student.export import ExportedSpec
from pipelines.config.experiment import Config
from pipelines.config.own_parts import own_student, own_teachers
from pipelines.config.relation import neighbours_of
from pipelines.outcome.metrics import CLASS_METRIC, alarms_of
from pipelines.tracking.cards import MAX_TEXT

_MOST_CLASSES = 32
_CUT = "\n\n(shortened)\n"


def card_text(
    config: Config,
    spec: ExportedSpec,
    *,
    classes: Sequence[str],
    cost: EpsilonBound,
    meaning: Mapping[str, Any],
    counts: Mapping[str, int],
    figures: Mapping[str, float],
    evaluation_records: int,
    student: Mapping[str, Any] = MappingProxyType({}),
    public_data: Sequence[Mapping[str, Any]],
    benchmark: str | None,
    secure: bool,
) -> str:
    """Write the card from public configuration and released values.

    Args:
        config: of the run.
        spec: of the exported student.
        classes: names, in the order of the student's outputs.
        cost: the campaign's bound.
        meaning: bounds on an attacker, as in the privacy report, for everything charged to the data.
        counts: ``asked``, ``answered`` and ``refused``.
        figures: the student's metrics on the evaluation set, by name.
        evaluation_records: size of that set.
        student: accuracy by class and alarms, from ``pipelines.outcome.metrics.student_facts``.
        public_data: rows of ``name``, ``records`` and ``fingerprint``.
        benchmark: the public set used in place of private data, or ``None``.
        secure: noise came from operating-system entropy.
    """
    name = registered_name(config)
    parts = [
        f"# {name}, run {config.run_id}",
        f"A classifier trained on {counts['answered']} labels that {config.partition.teachers} teachers, trained on "
        f"private records, voted on under differential privacy, and on public inputs. "
        f"{markdown(config.description)}".strip(),
        "## Privacy",
        _privacy(config, cost, meaning, counts, benchmark, secure),
        "## Model",
        _model(config, spec, classes),
        "## Data",
        _data(config, public_data),
        "## Evaluation",
        _evaluation(figures, evaluation_records, student),
        "## Limits",
        "The guarantee covers everything that the labels, and everything computed from them, reveal about one "
        f"{markdown(config.privacy.unit)}. It covers neither the correctness of the labels, nor fairness, nor "
        f"what is true of the population as a whole. {markdown(neighbours_of(config))} Inputs unlike the public pool "
        "were not tested.",
    ]
    text = "\n\n".join(parts) + "\n"
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - len(_CUT)] + _CUT


def _privacy(
    config: Config,
    cost: EpsilonBound,
    meaning: Mapping[str, Any],
    counts: Mapping[str, int],
    benchmark: str | None,
    secure: bool,
) -> str:
    unit = markdown(config.privacy.unit)
    lines = [
        f"- epsilon {up(cost.epsilon)} at delta {cost.delta:g} per {unit}, {cost.kind}, accountant "
        f"`{cost.accountant}`; budget of the data: {config.privacy.epsilon:g}",
        f"- meaning, for everything charged to the data: {on_average(unit, meaning)}",
        f"- worst single outcome: {worst_outcome(unit, meaning)}",
        f"- mechanism: {', '.join(f'{k} {v}' for k, v in config.labelling.mechanism.model_dump().items())}; "
        f"{counts['asked']} asked, {counts['answered']} answered, {counts['refused']} refused",
    ]
    lines += [
        f"- votes made elsewhere. {GIVEN_VOTES}"
        if role == "votes"
        else f"- user-defined {role}: {markdown(path)}. {OWN_TEACHERS}"
        for role, path in own_teachers(config).items()
    ]
    if not secure:
        lines.append("- **insecure, seeded noise: no guarantee**")
    if benchmark is not None:
        lines.append(f"- simulation: the public set `{benchmark}` was used in place of private records")
    return "\n".join(lines)


def _model(config: Config, spec: ExportedSpec, classes: Sequence[str]) -> str:
    shape = " x ".join(map(str, spec.input_shape))
    shown = ", ".join(map(markdown, classes[:_MOST_CLASSES])) + (", ..." if len(classes) > _MOST_CLASSES else "")
    score = "score (logit)" if spec.format == "pt2" else "probability"
    return "\n".join(
        [
            f"- {config.student.learner} student, model `{config.student.model_kind}`, "
            f"{spec.parameters:,} parameters, no pickle",
            f"- input: N x {shape} of {spec.input_dtype}, scaled as in training",
            *(f"- {role}: {markdown(part)}" for role, part in own_student(config).items()),
            f"- output: one {score} for each of {len(classes)} classes, in this order: {shown}",
        ]
    )


def _data(config: Config, public_data: Sequence[Mapping[str, Any]]) -> str:
    rows = [f"- private: `{config.data.data_id}`, in {config.partition.teachers} disjoint partitions"]
    rows += [f"- public: `{r['name']}`, {r['records']} records, fingerprint {r['fingerprint']}" for r in public_data]
    return "\n".join(rows)


def _evaluation(figures: Mapping[str, float], records: int, student: Mapping[str, Any]) -> str:
    """Alarms, metrics and accuracy by class; metrics of single classes are in the latter."""
    alarms = [f"- **ALARM: {markdown(alarm)}**" for alarm in alarms_of(student)]
    said = [*alarms, "", "Alarms are raised from the released labels and the public pool alone.", ""] if alarms else []
    head = [
        *said,
        f"On {records} labelled public records, used once, at the end:",
        "",
        "| metric | value |",
        "|---|---|",
    ]
    shown = {name: value for name, value in figures.items() if not name.startswith(CLASS_METRIC)}
    return "\n".join([*head, *(f"| {name} | {value:.4f} |" for name, value in shown.items()), *_by_class(student)])


def _by_class(student: Mapping[str, Any]) -> list[str]:
    rows = student.get("student_by_class", [])[:_MOST_CLASSES]
    if not rows:
        return []
    cells = [(own["class"], own["records"], own["accuracy"]) for own in rows]
    return [
        "",
        "| class | records | accuracy |",
        "|---|---|---|",
        *(f"| {markdown(name)} | {n} | {'' if right is None else f'{right:.1%}'} |" for name, n, right in cells),
    ]


def registered_name(config: Config) -> str:
    """The student's name in the model registry."""
    return config.tracking.registered_model or f"pate-{config.name}"
