"""A first configuration as a file with comments, from what ``new_study`` planned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pate.data.files.file_format import FileFormat
from pate.plain_text import printable
from pipelines.authoring import yaml_text
from pipelines.authoring.columns_seen import MANY
from pipelines.authoring.first_campaign import BUDGET
from pipelines.authoring.new_study import Plan
from pipelines.authoring.study_request import StudyRequest
from pipelines.authoring.yaml_text import commented, listed, quoted

_PROPOSED = "proposed from the number of {} you hold; this number becomes public with the file"


def to_yaml(found: Plan) -> str:
    """Return the commented configuration."""
    request = found.request
    units = "units" if request.unit else "records"
    return "\n".join(
        [
            f"# pate run {request.name}/{request.name}.yaml",
            "# Written by `pate new` from names of columns and counts. The content becomes public with the",
            "# student, except the paths of files.",
            f"name: {request.name}",
            f"description: {quoted(f'Private labelling for {request.name}.')}",
            "data:",
            "  source: table",
            f"  data_id: {request.name}  # name of the private data; their budget is kept under it for ever",
            f"  task: {quoted(request.label)}  # what is being labelled",
            *_files(found),
            *_format(found),
            *_label(found),
            *_ids(request),
            *_features(found),
            "partition:",
            f"  # teachers: {_PROPOSED.format(units)}",
            f"  teachers: {found.teachers}  # more teachers tolerate more noise, but each has fewer records",
            f"  by: {_by(found)}  # random, unit (ids declared) or site (no teacher sees two sites)",
            *_sites(found),
            "privacy:",
            f"  epsilon: {BUDGET:g}  # largest epsilon that may ever be spent on these data; fixed with the first run",
            f"  # delta: {_PROPOSED.format(units)}",
            f"  delta: {found.delta:.0e}  # far below one over the number of {units}",
            yaml_text.RETENTION,
            f"  unit: {'patient' if request.unit else 'record'}  # the unit that the guarantee protects, in a word",
            *yaml_text.teachers(balanced=found.balanced),
            *yaml_text.labelling(
                asked=found.asked,
                sigma=found.sigma,
                about_asked="each answer costs; `pate validate` prints the sum",
                about_sigma="noise on each count, in votes",
            ),
            *yaml_text.student(
                "learns from the released labels and its pseudo-labels on the rest of the pool", balanced=found.balanced
            ),
            "",
        ]
    )


def _files(found: Plan) -> list[str]:
    request = found.request
    several = len(request.private) > 1 and request.site is None
    lines = ["  private_files:  # what teachers learn from; never leaves"]
    for number, (path, form) in enumerate(zip(request.private, found.formats.private, strict=True), start=1):
        site = f", site: site_{number}" if several else ""
        own = "" if form == found.formats.usual else f", format: {{{', '.join(format_keys(form))}}}"
        lines.append(f"    - {{path: {quoted(str(path.absolute()))}{site}{own}}}")
        if own:
            lines.append("      # format: by the first line of this file; correct decimal and encoding where needed")
    if found.benchmark is not None and not request.public:
        lines += [
            f"  # These files are the public set {found.benchmark}: this is a simulation, in which records drawn at",
            "  # random become the pool and the evaluation set. With data of your own, name public files: pool_files.",
            f"  split: {{by: {'unit' if request.unit else 'record'}, seed: 0}}",
        ]
    else:
        pool = _listed_files(request.public, found.formats.public, found.formats.usual) or '["public.csv"]'
        lines.append(f"  pool_files: {pool}  # public records with the same columns; labels are not used")
        if request.evaluation:
            held = _listed_files(request.evaluation, found.formats.held, found.formats.usual)
            lines.append(f"  evaluation_files: {held}  # public records with labels")
        else:
            lines.append("  # evaluation_files: [...]  # public records with labels, to evaluate the student;")
            lines.append("  # without them, a part of pool_files is set aside for it, and its labels are used")
    if found.by_unit:
        lines.append(yaml_text.SPLIT_BY_UNIT)
    lines.append(f"  pool: {found.pool}  # size of the public pool")
    lines.append(f"  evaluation: {found.evaluation}  # labelled public records, used once, at the end")
    return lines


def _listed_files(paths: Sequence[Path], forms: Sequence[FileFormat], usual: FileFormat) -> str:
    """Return files as a list on one line; empty without files."""
    rows = [
        quoted(str(path.absolute()))
        if form == usual
        else f"{{path: {quoted(str(path.absolute()))}, format: {{{', '.join(format_keys(form))}}}}}"
        for path, form in zip(paths, forms, strict=True)
    ]
    return f"[{', '.join(rows)}]" if rows else ""


def format_keys(form: FileFormat) -> list[str]:
    """Return the keys of a format that are not at their defaults, as YAML."""
    keys = []
    if form.columns is not None:
        keys += ["header: false", f"columns: {listed(form.columns)}"]
    usual = FileFormat()
    for name in ("separator", "encoding", "decimal", "thousands", "sheet"):
        value = getattr(form, name)
        if value != getattr(usual, name):
            keys.append(f"{name}: {quoted(value)}")
    if form.missing:
        keys.append(f"missing: {listed(form.missing)}")
    swaps = [
        f"{{column: {quoted(name)}, text: {quoted(text)}, by: {quoted(by)}}}"
        for name, swap in form.replace.items()
        for text, by in swap.items()
    ]
    return [*keys, f"replace: [{', '.join(swaps)}]"] if swaps else keys


_ABOUT_FORMAT = {
    "missing": "texts that mean a missing value, in addition to an empty one",
    "replace": "limits of a measurement count as the limit itself; correct this where needed",
}


def _format(found: Plan) -> list[str]:
    keys = format_keys(found.formats.usual)
    lines = [commented(f"    {key}", _ABOUT_FORMAT.get(key.partition(":")[0], "")) for key in keys]
    said = f"recognised in public files: {printable(found.recognised)}" if found.recognised else ""
    return [commented("  format:", said), *lines] if lines else []


def _label(found: Plan) -> list[str]:
    request = found.request
    lines = ["  label:", f"    column: {quoted(request.label)}"]
    if request.positive:
        lines.append(
            f"    positive: {listed(request.positive)}  # values of the positive (second) class; all others: the first"
        )
    elif request.contains is not None:
        lines.append(f"    contains: {quoted(request.contains)}  # labels that list it are the positive (second) class")
    elif request.above is not None:
        lines.append(f"    above: {request.above:g}  # numbers above this are the positive (second) class")
    elif request.classes:
        lines.append(f"    classes: {listed(request.classes)}")
    else:
        lines.append("    classes: public  # those that occur in the public labels")
    if request.positive or request.contains is not None or request.above is not None:
        lines.append(f"    names: {listed(request.names)}")
    if found.labels_missing:
        lines.append("    missing: drop  # records without a label are left out; or refuse")
    else:
        lines.append("    missing: refuse  # or drop: leave out records without a label")
    return [*lines, *(f"    # {printable(note)}" for note in found.notes)]


def _ids(request: StudyRequest) -> list[str]:
    unit = (
        f"  unit: {quoted(request.unit)}  # all records of one of these are protected together"
        if request.unit
        else "  # unit: patient_id  # declare it where a patient has several records"
    )
    return [unit, f"  site: {quoted(request.site)}"] if request.site else [unit]


def _features(found: Plan) -> list[str]:
    told = any(one.said is not None for one in found.looks)
    lines = [
        f"  # Features, {'as you named them' if told else 'by inspection of public files'}. Statistics come from the",
        "  # public pool alone, never from private records. Correct the lists where needed.",
        "  features:",
    ]
    numeric, categorical, codes, out = (
        [one for one in found.looks if one.role == role] for role in ("numeric", "categorical", "codes", "left out")
    )
    if numeric:
        lines += [
            "    numeric:",
            f"      - columns: {listed(one.name for one in numeric)}",
            "        missing: {strategy: public_median, indicator: true}  # or {strategy: constant, value: 0}",
            "        clip: 4  # standard deviations of the pool",
        ]
    if categorical or codes:
        lines.append("    categorical:")
    if categorical:
        lines += [
            f"      - columns: {listed(one.name for one in categorical)}",
            "        unknown: ignore  # a category that the pool lacks: no feature is set; or refuse",
            "        missing: category  # missing is a category of its own; or ignore, or refuse",
        ]
    if codes:
        lines += [
            f"      - columns: {listed(one.name for one in codes)}",
            f"        most_frequent: {MANY}  # all other values share one feature; prefix: 3 shortens codes",
            "        missing: category",
        ]
    lines += [f"    # left out: {quoted(one.name)} ({printable(one.description())})" for one in out]
    return lines


def _by(found: Plan) -> str:
    return "site" if found.sites else ("unit" if found.request.unit else "random")


def _sites(found: Plan) -> list[str]:
    """Return a hint on keeping teachers within hospitals named by a column."""
    if found.request.site is None or found.sites:
        return []
    return ["  # with by: site, list the hospitals, which become public: sites: [{site: north, teachers: 30}, ...]"]
