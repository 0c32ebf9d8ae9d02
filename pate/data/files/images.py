"""Images in folders (one folder per class) and in manifests (a table of ``path, label, unit, site``)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from pate.arrays import IdArray
from pate.data.body import UNLABELLED, Body, Split, divide, require_one_spelling, rows_refused
from pate.data.columns import LabelRule, ids
from pate.data.files.image_listing import POSITION, ImageSource, ManifestColumns, listing
from pate.data.files.image_reading import (
    SUFFIXES,
    OnDone,
    in_threads,
    read_images,
    read_picture,
    read_private_images,
)
from pate.data.files.picture import Pixels
from pate.data.origin import FILE_BITS, Origin, file_digest
from pate.data.private_side import private_side
from pate.data.records import PrivateRecords, Study
from pate.data.refusal import require_file
from pate.data.study import records_of, study_of
from pate.errors import expected

__all__ = [
    "SUFFIXES", "ImageSource", "ManifestColumns", "Pixels", "image_records", "image_study", "read_images",
    "read_picture",
]  # fmt: skip
SEVERAL = "|"
"""Stands between several findings of one image."""


def image_study(
    *,
    task: str,
    classes: tuple[str, ...],
    private: tuple[ImageSource, ...],
    pool: tuple[ImageSource, ...],
    evaluation: tuple[ImageSource, ...],
    pixels: Pixels,
    split: Split,
    sizes: tuple[int, int],
    on_done: OnDone | None = None,
) -> Study:
    """A study from images; the arguments mean what they mean in ``pate.data.files.table.table_study``.

    Args:
        on_done: receives the hundredths of the private images that were read.
    """
    _rule((*private, *pool, *evaluation), classes)
    named = (("private", private), ("pool", pool), ("evaluation", evaluation))
    if not private and not pool:
        raise expected("data.private_files", "name the folders or manifests of the private images")
    mine, *others = [
        None if not sources else _private(sources, classes) if name == "private" else _body(sources, classes, name)
        for name, sources in named
    ]
    parts = divide(mine, others[0], others[1], split=split, sizes=sizes, public=False)
    return study_of(
        parts,
        task=task,
        classes=classes,
        source=None,
        encode=lambda body, key: read_images(_paths(body), pixels, key=key),
        encode_private=lambda body, key: read_private_images(_paths(body), pixels, key=key, on_done=on_done),
    )


def image_records(sources: tuple[ImageSource, ...], *, pixels: Pixels, classes: tuple[str, ...]) -> PrivateRecords:
    """The private images of some folders and manifests, for a study made elsewhere."""
    _rule(sources, classes)
    body = _private(sources, classes)
    return records_of(body, lambda body, key: read_private_images(_paths(body), pixels, key=key))


def _paths(body: Body) -> list[str]:
    return list(body.table()["path"])


def _rule(sources: tuple[ImageSource, ...], classes: tuple[str, ...]) -> LabelRule:
    """Return the rule from labels to classes.

    Raises:
        InputError: a finding without a class for each answer.
    """
    findings = {source.columns.contains for source in sources if source.columns is not None} - {None}
    if not findings:
        return LabelRule(column="label", classes=classes)
    if len(classes) != 2 or len(findings) != 1:
        raise expected(
            "two data.classes with data.manifest.contains",
            "name the class of images without the finding, and that of images with it",
            classes=classes,
        )
    return LabelRule(column="label", contains=findings.pop(), names=(classes[0], classes[1]))


def _private(sources: tuple[ImageSource, ...], classes: tuple[str, ...]) -> Body:
    """Load private images; faults raise ``RecordsRefused``, a missing folder or manifest names its key."""
    key = "data.private_files"
    for number, source in enumerate(sources):
        if not source.path.is_dir():
            require_file(source.path, key=f"{key}[{number}]")
    with private_side():
        body = require_one_spelling(_body(sources, classes, "private"), key)
        return replace(body, origin=_origin(sources, body))


def _origin(sources: tuple[ImageSource, ...], body: Body) -> Origin:
    """The origin of images: their content, and their position in the manifest or their name in the folder.

    The folder of a class is not part of the name, so that an image with another label keeps its position.
    """
    raw = tuple(in_threads(_digests, _paths(body)))
    manifests = [file_digest(source.path) for source in sources if source.path.is_file()]
    return Origin(positions_N=body.table()[POSITION].to_numpy(dtype=np.int64), raw=raw, files=tuple(manifests))


def _digests(path: str) -> tuple[bytes]:
    file = Path(path)
    return (file_digest(file) if file.is_file() else b"",)


def _body(sources: tuple[ImageSource, ...], classes: tuple[str, ...], name: str) -> Body:
    key = f"data.{name}_files"
    needs = {"private": ("label", "unit", "site"), "evaluation": ("label",)}.get(name, ())
    tables = [listing(source, key=f"{key}[{number}]", needs=needs) for number, source in enumerate(sources)]
    for number, table in enumerate(tables):
        before = sum(source.site == sources[number].site for source in sources[:number])
        table[POSITION] += before << FILE_BITS
    table = pd.concat(tables, ignore_index=True)
    labels_N = np.full(len(table), UNLABELLED, dtype=np.int64)
    if "label" in table.columns:
        rule = _rule(sources, classes)
        if rule.contains is None:
            _require_one_finding(table["label"], classes, key)
        labels_N = rule.labels(table, classes, key=key)
    if name != "pool" and (labels_N == UNLABELLED).any():
        raise rows_refused(
            "a label for every image", "put it in a folder named after its class", key=key, bad_N=labels_N == UNLABELLED
        )
    private = name == "private"
    return Body(
        rows=table,
        labels_N=labels_N,
        units_N=_ids(table, "unit", key, private=private),
        sites_N=_ids(table, "site", key, private=private),
    )


def _require_one_finding(labels: pd.Series[str], classes: tuple[str, ...], key: str) -> None:
    several_N = (labels.str.contains(SEVERAL, regex=False, na=False) & ~labels.isin(classes)).to_numpy()
    if several_N.any():
        raise rows_refused(
            "one class for each image",
            f"labels such as A{SEVERAL}B are several findings and no class: declare the one of interest by "
            "data.manifest.contains, or leave those images out",
            key=key,
            bad_N=several_N,
            found=list(labels),
        )


def _ids(table: pd.DataFrame, name: str, key: str, *, private: bool) -> IdArray | None:
    """Return ids; of public images only where all have one."""
    if name not in table.columns or (not private and table[name].isna().any()):
        return None
    return ids(table, name, declared=f"data.{name}", key=key)
