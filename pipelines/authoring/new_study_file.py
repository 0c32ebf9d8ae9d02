"""A first configuration as a file with comments, from what ``new_study`` planned."""

from __future__ import annotations

import json

from pipelines.authoring import yaml_text
from pipelines.authoring.first_campaign import BUDGET
from pipelines.authoring.new_study import Plan, Wish
from pipelines.authoring.yaml_text import listed, quoted

_PROPOSED = "proposed from the number of {} you hold; this number becomes public with the file"


def to_yaml(found: Plan) -> str:
    """Return the commented configuration."""
    wish = found.wish
    units = "units" if wish.unit else "records"
    return "\n".join(
        [
            f"# pate run {wish.name}/{wish.name}.yaml",
            "# Written by `pate new` from names of columns and counts. The content becomes public with the",
            "# student, except the paths of files.",
            f"name: {wish.name}",
            f"description: {quoted(f'Private labelling for {wish.name}.')}",
            "data:",
            "  source: table",
            f"  data_id: {wish.name}  # name of the private data; their budget is kept under it for ever",
            f"  task: {quoted(wish.label)}  # what is being labelled",
            *_files(found),
            *_format(wish),
            *_label(wish),
            *_ids(wish),
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
            f"  unit: {'patient' if wish.unit else 'record'}  # the unit that the guarantee protects, in a word",
            *yaml_text.teachers(),
            *yaml_text.labelling(
                asked=found.asked,
                sigma=found.sigma,
                about_asked="each answer costs; `pate validate` prints the sum",
                about_sigma="noise on each count, in votes",
            ),
            *yaml_text.student("learns from the released labels and its pseudo-labels on the rest of the pool"),
            "",
        ]
    )


def _files(found: Plan) -> list[str]:
    wish = found.wish
    several = len(wish.private) > 1 and wish.site is None
    lines = ["  private_files:  # what teachers learn from; never leaves"]
    for number, path in enumerate(wish.private, start=1):
        site = f", site: site_{number}" if several else ""
        lines.append(f"    - {{path: {quoted(str(path.absolute()))}{site}}}")
    if found.benchmark is not None and not wish.public:
        lines += [
            f"  # These files are the public set {found.benchmark}: this is a simulation, in which records drawn at",
            "  # random become the pool and the evaluation set. With data of your own, name public files: pool_files.",
            f"  split: {{by: {'unit' if wish.unit else 'record'}, seed: 0}}",
        ]
    else:
        paths = [str(path.absolute()) for path in wish.public] or ["public.csv"]
        lines.append(f"  pool_files: {json.dumps(paths)}  # public records with the same columns")
        if wish.evaluation:
            held = json.dumps([str(path.absolute()) for path in wish.evaluation])
            lines.append(f"  evaluation_files: {held}  # public records with labels")
        else:
            lines.append("  # evaluation_files: [...]  # public records with labels; without, drawn from pool_files")
    lines.append(f"  pool: {found.pool}  # size of the public pool")
    lines.append(f"  evaluation: {found.evaluation}  # labelled public records, used once, at the end")
    return lines


def _format(wish: Wish) -> list[str]:
    parts = []
    if wish.columns:
        parts += ["    header: false", f"    columns: {listed(wish.columns)}"]
    if wish.separator != ",":
        parts.append(f"    separator: {quoted(wish.separator)}")
    if wish.missing:
        parts.append(
            f"    missing: {listed(wish.missing)}  # texts that mean a missing value, in addition to an empty one"
        )
    return ["  format:", *parts] if parts else []


def _label(wish: Wish) -> list[str]:
    lines = ["  label:", f"    column: {quoted(wish.label)}"]
    if wish.positive:
        lines.append(
            f"    positive: {listed(wish.positive)}  # values of the positive (second) class; all others: the first"
        )
    elif wish.above is not None:
        lines.append(f"    above: {wish.above:g}  # numbers above this are the positive (second) class")
    elif wish.classes:
        lines.append(f"    classes: {listed(wish.classes)}")
    else:
        lines.append("    classes: public  # those that occur in the public labels")
    if wish.positive or wish.above is not None:
        lines.append(f"    names: {listed(wish.names)}")
    lines.append("    missing: refuse  # or drop: leave out records without a label")
    return lines


def _ids(wish: Wish) -> list[str]:
    unit = (
        f"  unit: {quoted(wish.unit)}  # all records of one of these are protected together"
        if wish.unit
        else "  # unit: patient_id  # declare it where a patient has several records"
    )
    return [unit, f"  site: {quoted(wish.site)}"] if wish.site else [unit]


def _features(found: Plan) -> list[str]:
    told = any(one.said is not None for one in found.looks)
    lines = [
        f"  # Features, {'as you named them' if told else 'by inspection of public files'}. Statistics come from the",
        "  # public pool alone, never from private records. Correct the lists where needed.",
        "  features:",
    ]
    numeric, categorical, out = (
        [one for one in found.looks if one.role == role] for role in ("numeric", "categorical", "left out")
    )
    if numeric:
        lines += [
            "    numeric:",
            f"      - columns: {listed(one.name for one in numeric)}",
            "        missing: {strategy: public_median, indicator: true}  # or {strategy: constant, value: 0}",
            "        clip: 4  # standard deviations of the pool",
        ]
    if categorical:
        lines += [
            "    categorical:",
            f"      - columns: {listed(one.name for one in categorical)}",
            "        unknown: ignore  # a category that the pool lacks: no feature is set; or refuse",
            "        missing: category  # missing is a category of its own; or ignore, or refuse",
        ]
    lines += [f"    # left out: {quoted(one.name)} ({one.words()})" for one in out]
    return lines


def _by(found: Plan) -> str:
    return "site" if found.sites else ("unit" if found.wish.unit else "random")


def _sites(found: Plan) -> list[str]:
    """Return a hint on keeping teachers within hospitals named by a column."""
    if found.wish.site is None or found.sites:
        return []
    return ["  # with by: site, list the hospitals, which become public: sites: [{site: north, teachers: 30}, ...]"]
