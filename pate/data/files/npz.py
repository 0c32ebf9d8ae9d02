"""Images and labels in NumPy archives, as in MedMNIST (Yang et al. 2023) or with declared array names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt

from pate.arrays import IdArray
from pate.data.body import Body, Split, divide, require_one_spelling
from pate.data.files.archive import read_arrays
from pate.data.ids import canonical_ids
from pate.data.origin import Origin, array_digests, file_digest, joined
from pate.data.pixels import to_inputs, to_labels
from pate.data.private_side import private_side
from pate.data.records import PrivateRecords, Study
from pate.data.refusal import refused, require_file
from pate.data.study import records_of, study_of
from pate.errors import expected
from pate.public_sets import PublicSource, recognise_rows


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NpzFile:
    """Arrays of one archive.

    Attributes:
        path: of the file.
        prefix: before the names of the arrays, such as ``train_``.
        site: the site of all its records, unless an array gives it.
    """

    path: Path
    prefix: str = ""
    site: str | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NpzArrays:
    """Names of the arrays, after the prefix; ``None`` where there is none."""

    images: str = "images"
    labels: str = "labels"
    unit: str | None = None
    site: str | None = None


def npz_study(
    *,
    task: str,
    classes: tuple[str, ...],
    private: tuple[NpzFile, ...],
    pool: tuple[NpzFile, ...],
    evaluation: tuple[NpzFile, ...],
    arrays: NpzArrays,
    split: Split,
    sizes: tuple[int, int],
) -> Study:
    """A study from archives; the arguments mean what they mean in ``pate.data.files.table.table_study``."""
    if not private and not pool:
        raise expected("data.private_files", "name the files of the private records")
    source, mine = _private(private, arrays, len(classes)) if private else (None, None)
    others = [
        _bodies(files, arrays, len(classes), f"data.{name}_files")[1] if files else None
        for name, files in (("pool", pool), ("evaluation", evaluation))
    ]
    parts = divide(mine, *others, split=split, sizes=sizes, public=source is not None)
    return study_of(parts, task=task, classes=classes, source=source, encode=lambda body, key: body.array())


def npz_records(files: tuple[NpzFile, ...], *, arrays: NpzArrays, classes: tuple[str, ...]) -> PrivateRecords:
    """The private records of some archives, for a study made elsewhere."""
    _, body = _private(files, arrays, len(classes))
    return records_of(body, lambda body, key: body.array())


def _private(files: tuple[NpzFile, ...], arrays: NpzArrays, classes: int) -> tuple[PublicSource | None, Body]:
    """Load private records; faults raise ``RecordsRefused``, a missing file names its key."""
    key = "data.private_files"
    for number, file in enumerate(files):
        require_file(file.path, key=f"{key}[{number}]")
    with private_side():
        source, body = _bodies(files, arrays, classes, key)
        return source, require_one_spelling(body, key)


def _bodies(files: tuple[NpzFile, ...], arrays: NpzArrays, classes: int, key: str) -> tuple[PublicSource | None, Body]:
    """All files as one body, and the public set that all of them belong to, if any."""
    loaded = [_load(file, arrays, classes, f"{key}[{number}]") for number, file in enumerate(files)]
    sources = [source for source, _ in loaded]
    same = all(source is not None and source == sources[0] for source in sources)
    bodies = [body for _, body in loaded]
    if len({body.array().shape[1:] for body in bodies}) > 1:
        raise expected(f"images of one shape in {key}", "resize them", shapes=len(bodies))
    units, sites = ([getattr(body, name) for body in bodies] for name in ("units_N", "sites_N"))
    return sources[0] if same else None, Body(
        rows=np.concatenate([body.array() for body in bodies]),
        labels_N=np.concatenate([body.labels_N for body in bodies]),
        units_N=None if any(ids is None for ids in units) else np.concatenate(units),
        sites_N=None if any(ids is None for ids in sites) else np.concatenate(sites),
        origin=joined([body.origin for body in bodies if body.origin is not None], [file.site for file in files]),
    )


def _load(file: NpzFile, arrays: NpzArrays, classes: int, key: str) -> tuple[PublicSource | None, Body]:
    declared = {"image": arrays.images, "label": arrays.labels, "unit": arrays.unit, "site": arrays.site}
    names = {role: file.prefix + name for role, name in declared.items() if name is not None}
    found = read_arrays(file.path, names, key=key, role_keys={role: f"data.{role}_array" for role in names})
    inputs = to_inputs(found["image"], key=f"{key}, {arrays.images}")
    labels_N = to_labels(found["label"], classes=classes, key=f"{key}, {arrays.labels}")
    if any(array.shape[:1] != inputs.shape[:1] for array in found.values()):
        lengths = {role: array.shape for role, array in found.items()}
        raise refused(f"arrays of equal length in {key}", "store one entry per image", detail=f"{key}: {lengths}")
    source = recognise_rows(found["image"], labels_N)
    sites_N = _ids(found.get("site"), f"{key}, {arrays.site}")
    if sites_N is None and file.site is not None:
        sites_N = np.repeat(canonical_ids([file.site], place=f"{key}.site"), len(inputs))
    origin = Origin(
        positions_N=np.arange(len(inputs), dtype=np.int64),
        raw=array_digests(found["image"], labels_N),
        files=(file_digest(file.path),),
    )
    units_N = _ids(found.get("unit"), f"{key}, {arrays.unit}")
    return source, Body(rows=inputs, labels_N=labels_N, units_N=units_N, sites_N=sites_N, origin=origin)


def _ids(values: npt.NDArray[np.generic] | None, place: str) -> IdArray | None:
    return None if values is None else canonical_ids(values, place=place)
