"""Images and labels in NumPy archives, MedMNIST's way (Yang et al. 2023) or any with declared array names."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt

from pate.data.body import Body, Split, divide
from pate.data.pixels import to_inputs, to_labels
from pate.data.records import IdArray, PrivateRecords, Study
from pate.data.study import records_of, study_of
from pate.errors import InputError, expected
from pate.public_sets import PublicSource, recognise_rows


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NpzFile:
    """Arrays of one archive.

    Attributes:
        path: where it is.
        prefix: before the names of the arrays, such as ``train_``.
        site: the site that all its records belong to, where no array says so.
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
    """A study from archives; the arguments mean what they mean in ``pate.data.table.table_study``."""
    if not private and not pool:
        raise expected("data.private_files", "name the files of the private records")
    source, mine = _bodies(private, arrays, len(classes), "data.private_files") if private else (None, None)
    others = [
        _bodies(files, arrays, len(classes), f"data.{name}_files")[1] if files else None
        for name, files in (("pool", pool), ("evaluation", evaluation))
    ]
    parts = divide(mine, *others, split=split, sizes=sizes, public=source is not None)
    return study_of(parts, task=task, classes=classes, source=source, encode=lambda body, key: body.array())


def npz_records(files: tuple[NpzFile, ...], *, arrays: NpzArrays, classes: tuple[str, ...]) -> PrivateRecords:
    """The private records of some archives, where a study was made elsewhere."""
    _, body = _bodies(files, arrays, len(classes), "data.private_files")
    return records_of(body, lambda body, key: body.array())


def _bodies(files: tuple[NpzFile, ...], arrays: NpzArrays, classes: int, key: str) -> tuple[PublicSource | None, Body]:
    """All files as one body, and the public set that every one of them is, if they are."""
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
    )


def _load(file: NpzFile, arrays: NpzArrays, classes: int, key: str) -> tuple[PublicSource | None, Body]:
    if not file.path.is_file():
        raise InputError(
            f"Expected a file at {key}, got none; correct the path (relative ones start at the configuration's folder)",
            private_detail=str(file.path),
        )
    names = {"images": arrays.images, "labels": arrays.labels, "unit": arrays.unit, "site": arrays.site}
    found: dict[str, npt.NDArray[np.generic]] = {}
    try:
        with file.path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            for role, name in names.items():
                if name is None:
                    continue
                full = file.prefix + name
                if full not in archive:
                    raise expected(
                        f"an array {full!r} in {key}",
                        f"correct data.arrays.{role} or prefix",
                        arrays=len(archive.files),
                    )
                found[role] = archive[full]
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"Expected a NumPy archive without pickles at {key}, got an unreadable one ({type(error).__name__}); fetch "
            "or save it again",
            private_detail=f"{file.path}: {error}",
        ) from error
    inputs = to_inputs(found["images"], key=f"{key}, {names['images']}")
    labels_N = to_labels(found["labels"], classes=classes, key=f"{key}, {names['labels']}")
    if any(len(array) != len(inputs) for array in found.values()):
        raise expected(f"arrays of equal length in {key}", "store one entry per image", images=len(inputs))
    source = recognise_rows(found["images"], labels_N)
    sites_N = _ids(found.get("site"), key)
    if sites_N is None and file.site is not None:
        sites_N = np.full(len(inputs), file.site)
    return source, Body(rows=inputs, labels_N=labels_N, units_N=_ids(found.get("unit"), key), sites_N=sites_N)


def _ids(values: npt.NDArray[np.generic] | None, key: str) -> IdArray | None:
    if values is None:
        return None
    ids = values.astype(np.str_)
    empty = int(np.isin(ids, ["", "nan"]).sum())
    if empty:
        raise expected(f"an id for every image in {key}", "fill in the missing ids", missing=empty)
    return ids
