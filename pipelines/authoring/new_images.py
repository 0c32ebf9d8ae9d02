"""A first configuration for the user's own images, from names of folders and columns, public images and counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pandas as pd

from pate.data.columns import canonical, findings
from pate.data.files.image_listing import COLUMNS, ImageSource, ManifestColumns, listing
from pate.errors import expected
from pipelines.authoring.first_campaign import BUDGET, FirstCampaign, first_campaign, of_whole_units
from pipelines.authoring.images_seen import SeenImages, look_at
from pipelines.authoring.yaml_text import RETENTION, SPLIT_BY_UNIT, commented, labelling, listed, quoted

_MOST_EVALUATED = 1000
_SHORT = 1 << 16


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStudyRequest:
    """The command line of the user.

    Attributes:
        name: of the study.
        private: folders and manifests of private images, one for each site.
        public: of public images.
        evaluation: of labelled public images.
        columns: names of the manifests' columns; ``None``: those of their roles.
        classes: names of the classes; empty: those of the public images.
        names: of the two classes, with ``columns.contains``.
    """

    name: str
    private: tuple[Path, ...]
    public: tuple[Path, ...]
    evaluation: tuple[Path, ...] = ()
    columns: ManifestColumns | None = None
    classes: tuple[str, ...] = ()
    names: tuple[str, str] = ("negative", "positive")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePlan:
    """Content of the configuration to write.

    Attributes:
        request: the command line.
        classes: names of the classes.
        seen: the form of the public images.
        first: sizes of the campaign.
        units: ``True`` if the private images have ids of units.
        by_unit: ``True`` if the public images are divided by units, which have several there.
        pool: public inputs.
        evaluation: evaluation records.
    """

    request: ImageStudyRequest
    classes: tuple[str, ...]
    seen: SeenImages
    first: FirstCampaign
    units: bool
    by_unit: bool
    pool: int
    evaluation: int

    def description(self) -> str:
        """Return a line about the public images."""
        form = self.seen.pixels
        kind = "grey" if form.channels == 1 else "in colour"
        return (
            f"{self.seen.looked_at} public images looked at: {kind}, "
            f"used as {form.width} x {form.height}; classes {', '.join(self.classes)}"
        )


def are_images(private: Sequence[Path], public: Sequence[Path]) -> bool:
    """Return ``True`` for folders, and for public tables whose columns are those of a manifest."""
    return any(path.is_dir() for path in private) or any(path.is_dir() or _is_manifest(path) for path in public)


def manifest_columns(
    *, path: str | None, label: str | None, unit: str | None, site: str | None, contains: str | None
) -> ManifestColumns | None:
    """Return the columns that were named; ``None`` if none was."""
    found = ManifestColumns(path=path, label=label, unit=unit, site=site, contains=contains)
    return None if found == ManifestColumns() else found


def _is_manifest(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            first = file.readline(_SHORT).decode("utf-8-sig", "replace")
    except OSError:
        return False
    names = {name.strip().strip('"') for name in first.split(",")}
    return "path" in names and names <= set(COLUMNS)


def plan_images(request: ImageStudyRequest) -> ImagePlan:
    """Look at the public images and choose sizes.

    Raises:
        InputError: unreadable files, a missing column, or no classes.
    """
    if not request.public:
        raise expected(
            "public images by --public",
            "name a folder or manifest: size, colours and range of values are never taken from private images",
        )
    own = [_listing(path, request, f"--from [{number}]") for number, path in enumerate(request.private)]
    pool = [_listing(path, request, f"--public [{number}]") for number, path in enumerate(request.public)]
    held = [_listing(path, request, f"--evaluation [{number}]") for number, path in enumerate(request.evaluation)]
    table, public = pd.concat(own, ignore_index=True), pd.concat(pool, ignore_index=True)
    labelled = pd.concat(held, ignore_index=True) if held else public
    classes = _classes(request, labelled)
    evaluation = len(labelled) if held else max(1, min(_MOST_EVALUATED, len(public) // 3))
    left = len(public) if held else len(public) - evaluation
    if left < 1:
        raise expected("two or more public images", "add some to --public", found=len(public))
    units = "unit" in table.columns  # one image without an id does not change the published file: it is refused later
    groups = int(table["unit"].nunique()) if units else len(table)
    of_a_unit = () if held else _of_a_unit(public)
    by_unit = max(of_a_unit, default=0) > 1
    left = of_whole_units(left, of_a_unit) if by_unit else left
    first = first_campaign(units=groups, left=groups, sites=len(own) if len(own) > 1 else 0, pool=left)
    seen = look_at(public["path"].tolist())
    return ImagePlan(
        request=request,
        classes=classes,
        seen=seen,
        first=first,
        units=units,
        by_unit=by_unit,
        pool=left,
        evaluation=evaluation,
    )


def _of_a_unit(public: pd.DataFrame) -> tuple[int, ...]:
    """Return the different numbers of public images with one unit, in order; none where an image has no unit."""
    if "unit" not in public.columns or public["unit"].isna().any():
        return ()
    return tuple(sorted({int(count) for count in canonical(public["unit"]).value_counts()}))


def _listing(path: Path, request: ImageStudyRequest, key: str) -> pd.DataFrame:
    needs = ("label", "unit", "site") if key.startswith("--from") else ()
    return listing(ImageSource(path=path, columns=request.columns), key=key, needs=needs)


def _classes(request: ImageStudyRequest, labelled: pd.DataFrame) -> tuple[str, ...]:
    """Return the names of the classes, declared or in public labels.

    Raises:
        InputError: there are none, or labels that list several findings.
    """
    if "label" not in labelled.columns or labelled["label"].isna().any():
        raise expected(
            "labelled public images",
            "put public images in one folder for each class, or name a manifest with labels by --evaluation: the "
            "student is judged on them",
        )
    values = sorted(set(canonical(labelled["label"])))
    if request.columns is not None and request.columns.contains is not None:
        if not any(request.columns.contains in findings(value) for value in values):
            raise expected(
                "a public label that lists the finding", "correct --contains", contains=request.columns.contains
            )
        return request.names
    if request.classes:
        return request.classes
    if any("|" in value for value in values):
        raise expected(
            "one class for each public image",
            "labels such as A|B list several findings and are no class: name the one of interest by --contains, or the "
            "classes by --classes",
        )
    if len(values) < 2:
        raise expected("two or more classes in the public labels", "name them by --classes", found=len(values))
    return tuple(values)


def images_yaml(found: ImagePlan) -> str:
    """Return the commented configuration."""
    request, first = found.request, found.first
    units = "units" if found.units else "images"
    sites = len(request.private) > 1
    proposed = f"proposed from the number of {units} you hold; this number becomes public with the file"
    network = f"input_mean: {found.seen.mean:g}, input_std: {found.seen.std:g}"
    return "\n".join(
        [
            f"# pate run {request.name}/{request.name}.yaml",
            "# Written by `pate new` from public images, names of columns and counts. The content becomes public with",
            "# the student, except the paths of files.",
            f"name: {request.name}",
            f"description: {quoted(f'Private labelling for {request.name}.')}",
            "data:",
            "  source: images",
            f"  data_id: {request.name}  # name of the private data; their budget is kept under it for ever",
            f"  task: {quoted(_task(request))}  # what is being labelled",
            f"  classes: {listed(found.classes)}  # {_about_classes(request)}",
            *_files(found),
            *_manifest(request),
            *_pixels(found.seen),
            "partition:",
            f"  # teachers: {proposed}",
            f"  teachers: {first.teachers}  # more teachers tolerate more noise, but each has fewer images",
            f"  by: {'site' if sites else 'unit' if found.units else 'random'}"
            "  # random, unit (ids known) or site (no teacher sees two sites)",
            "privacy:",
            f"  epsilon: {BUDGET:g}  # largest epsilon that may ever be spent on these data; fixed with the first run",
            f"  # delta: {proposed}",
            f"  delta: {first.delta:.0e}  # far below one over the number of {units}",
            RETENTION,
            f"  unit: {'patient' if found.units else 'image'}  # the unit that the guarantee protects, in a word",
            "teachers:",
            f"  model: {{kind: cnn, hidden: [8, 16], {network}}}  # mean and deviation of the public images",
            "  training: {epochs: 10, learning_rate: 0.005, batch_size: 32}",
            "  bundle_size: 10",
            *labelling(
                asked=first.asked,
                sigma=first.sigma,
                about_asked="each answer costs; `pate validate` prints the sum",
                about_sigma="noise on each count, in votes",
            ),
            "student:",
            "  learner: pseudo-label  # learns from the released labels and its pseudo-labels on the rest of the pool",
            "  spec:",
            f"    model: {{kind: cnn, hidden: [16, 32], {network}}}",
            "    train: {steps: 400, learning_rate: 0.002, weight_decay: 0.01}",
            "",
        ]
    )


def _task(request: ImageStudyRequest) -> str:
    if request.columns is None:
        return request.name
    return request.columns.contains or request.columns.label or request.name


def _about_classes(request: ImageStudyRequest) -> str:
    if request.columns is not None and request.columns.contains is not None:
        return "images without the finding, and with it"
    return "as you named them" if request.classes else "those of the public images"


def _files(found: ImagePlan) -> list[str]:
    request = found.request
    lines = ["  private_files:  # folders or manifests that teachers learn from; never leave"]
    for number, path in enumerate(request.private, start=1):
        site = f", site: site_{number}" if len(request.private) > 1 else ""
        lines.append(f"    - {{path: {quoted(str(path.absolute()))}{site}}}")
    lines.append(f"  pool_files: {listed(str(path.absolute()) for path in request.public)}  # public images")
    if request.evaluation:
        held = listed(str(path.absolute()) for path in request.evaluation)
        lines.append(f"  evaluation_files: {held}  # public images with labels")
    else:
        lines.append("  # evaluation_files: [...]  # public images with labels, to evaluate the student; without them,")
        lines.append("  # a part of pool_files is set aside for it, and its labels are used")
    if found.by_unit:
        lines.append(SPLIT_BY_UNIT)
    lines.append(f"  pool: {found.pool}  # size of the public pool")
    lines.append(f"  evaluation: {found.evaluation}  # labelled public images, used once, at the end")
    return lines


def _manifest(request: ImageStudyRequest) -> list[str]:
    if request.columns is None:
        return []
    names = {role: getattr(request.columns, role) for role in (*COLUMNS, "contains")}
    keys = ", ".join(f"{role}: {quoted(name)}" for role, name in names.items() if name is not None)
    return [commented(f"  manifest: {{{keys}}}", "names of columns; others are ignored")]


def _pixels(seen: SeenImages) -> list[str]:
    form = seen.pixels
    keys = [f"height: {form.height}", f"width: {form.width}", f"channels: {form.channels}"]
    about = []
    if form.bits is not None:
        keys.append(f"bits: {form.bits}")
        about = ["  # bits: the public images of more than 8 bits fit into these; brighter private images are refused"]
    if form.window is not None:
        keys.append(f"window: [{form.window[0]:g}, {form.window[1]:g}]")
        about = [
            "  # window: black and white of the public images of more than 8 bits; private values beyond are clipped"
        ]
    return [
        f"  pixels: {{{', '.join(keys)}}}  # every image is resized to this; 1 channel is grey, 3 are colours",
        *about,
    ]
