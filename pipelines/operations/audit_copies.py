"""Private files copied for an audit, and the configuration that reads the copies; the originals are never written to.

A configuration on a public benchmark is given another account and may draw its pool from the private files, so changed
copies of a benchmark would be treated differently from the benchmark. It is therefore audited as if its records were
private: one record is left out of the copy, which is then no benchmark, and the owner's declarations (a drawn pool may
be published, names of sites, equal records) are filled in.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from pate.auditing.array_changes import RawArchive, RawArrays
from pate.auditing.folder_changes import RawFolders
from pate.auditing.raw_table import RawTable
from pate.auditing.record_changes import RawRecords
from pate.auditing.table_changes import Place, RawTables, Roles
from pate.data import Study
from pate.data.files.file_format import FileFormat
from pate.data.files.image_listing import whole_paths
from pate.data.files.npz import NpzFile
from pate.data.ids import canonical_ids
from pate.data.origin import FILE_BITS
from pate.errors import expected
from pate.values import Redacted
from pipelines.config.data import FileConfig, FilesData, ImagesData, JoinConfig, NpzData, TableData
from pipelines.config.experiment import Config
from pipelines.config.infrastructure import TrackingConfig
from pipelines.config.partition import SiteTeachersConfig
from pipelines.data.readers import file_format, npz_arrays
from pipelines.data.shipped_sets import folder_of
from pipelines.data.site_shares import shares
from pipelines.data.sources import load_study


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Copies(Redacted):
    """Copies of the private files that an audit may change.

    Attributes:
        config: the experiment, reading the copies.
        records: the private records in them.
        simulated: ``True`` if the records are those of a public benchmark, which the audit treats as private.
    """

    config: Config
    records: RawRecords
    simulated: bool


def copy_records(config: Config, folder: Path) -> Copies:
    """Copy the private files of a configuration.

    Args:
        config: the experiment.
        folder: an empty folder of mode 0700.

    Raises:
        InputError: the configuration cannot be audited in this way.
    """
    if config.sites is not None:
        raise expected(
            "a configuration without sites", "remove that section for the audit: the same rule assigns the records"
        )
    if config.partition.label_skew is not None:
        raise expected("a configuration without partition.label_skew", "remove it: it assigns by all labels at once")
    study = load_study(config)
    owned = _as_somebodys(config, study)
    data: FilesData
    if isinstance(owned.data, FilesData):
        data = _COPY[type(owned.data)](owned.data, folder, study.benchmark is not None)
    else:
        data = _exported(owned, study, folder)
    owned = owned.model_copy(update={"data": data})
    found = load_study(owned)
    if found.benchmark is not None:
        raise expected("copies that are no public benchmark", "audit other records", data_id=config.data.data_id)
    records = _RAW[type(data)](data, found)
    return Copies(config=owned, records=records, simulated=study.benchmark is not None)


def _as_somebodys(config: Config, study: Study) -> Config:
    """The configuration as the owner of such records would write it."""
    changes: dict[str, Any] = {"tracking": TrackingConfig()}
    if study.benchmark is None:
        return config.model_copy(update=changes)
    changes["labelling"] = config.labelling.model_copy(update={"insecure_seeded_noise": None})
    dealt = shares(config, study)
    if dealt is not None:
        sites = tuple(SiteTeachersConfig(site=share.site, teachers=share.teachers) for share in dealt)
        changes["partition"] = config.partition.model_copy(update={"sites": sites})
    if isinstance(config.data, FilesData):
        split = config.data.split.model_copy(update={"records_may_be_published": not config.data.pool_files})
        words = {"split": split, "equal_records": "different_units"}
        changes["data"] = config.data.model_copy(update=words)
    return config.model_copy(update=changes)


def _exported(config: Config, study: Study, folder: Path) -> NpzData:
    """Records without files of their own, as archives."""
    held = study.held_here
    parts: dict[str, dict[str, Any]] = {
        "private": {"images": held.features, "labels": held.labels_N},
        "pool": {"images": study.pool.inputs, "labels": np.zeros(len(study.pool), dtype=np.int64)},
        "evaluation": {"images": study.evaluation.inputs, "labels": study.evaluation.labels_E},
    }
    for name, arrays in parts.items():
        arrays["images"] = arrays["images"].transpose(0, 2, 3, 1)
        if held.sites_N is not None:
            arrays["site"] = held.sites_N if name == "private" else np.full(len(arrays["labels"]), "public")
        np.savez(folder / f"{name}.npz", **arrays)
    private, pool, evaluation = ((FileConfig(path=folder / f"{name}.npz"),) for name in parts)
    return NpzData(
        source="npz", data_id=config.data.data_id, task=study.task, classes=study.classes, private_files=private,
        pool_files=pool, evaluation_files=evaluation, pool=len(study.pool), evaluation=len(study.evaluation),
        site_array=None if held.sites_N is None else "site", equal_records="different_units",
    )  # fmt: skip


def _copy_tables(data: TableData, folder: Path, leave_one_out: bool) -> TableData:
    root = _root(data)
    copies: dict[Path, Path] = {}

    def copied(path: Path, style: FileFormat, leave_out: bool = False) -> Path:
        if path not in copies:
            copies[path] = folder / f"{len(copies)}{path.suffix}"
            table = RawTable.read(root / path, style)
            rows = table.rows if not leave_out else table.rows[: max(n for n, row in enumerate(table.rows) if any(row))]
            copies[path].write_bytes(table.content(rows))
        return copies[path]

    def joins(found: Sequence[JoinConfig]) -> tuple[JoinConfig, ...]:
        styles = [file_format(join.format or data.format) for join in found]
        return tuple(
            join.model_copy(update={"path": copied(join.path, style)})
            for join, style in zip(found, styles, strict=True)
        )

    private = [
        file.model_copy(
            update={
                "path": copied(file.path, file_format(file.format or data.format), leave_one_out and number == 0),
                "join": None if file.join is None else joins(file.join),
            }
        )
        for number, file in enumerate(data.private_files)
    ]
    return data.model_copy(update={**_public(data, root), "private_files": tuple(private), "join": joins(data.join)})


def _copy_archives(data: NpzData, folder: Path, leave_one_out: bool) -> NpzData:
    root, private = _root(data), []
    for number, file in enumerate(data.private_files):
        archive = RawArchive.read(_npz_file(file, root), npz_arrays(data))
        last = len(archive.arrays["labels"]) - (leave_one_out and number == 0)
        path = folder / f"{number}.npz"
        path.write_bytes(archive.content({role: array[:last] for role, array in archive.arrays.items()}))
        private.append(file.model_copy(update={"path": path}))
    return data.model_copy(update={**_public(data, root), "private_files": tuple(private)})


def _copy_images(data: ImagesData, folder: Path, leave_one_out: bool) -> ImagesData:
    root, private = _root(data), []
    for number, file in enumerate(data.private_files):
        path, source = folder / f"{number}{file.path.suffix}", root / file.path
        if source.is_dir():
            shutil.copytree(source, path)
        else:
            table = RawTable.read(source, FileFormat())
            column = table.columns.index(_manifest_column(data, "path"))
            declared = None if data.manifest is None else data.manifest.folder
            start = source.parent if declared is None else root / declared
            paths = whole_paths([str(row[column]) for row in table.rows], start, key="data.private_files")
            rows = [[paths[at] if n == column else c for n, c in enumerate(row)] for at, row in enumerate(table.rows)]
            path.write_bytes(table.content(rows))
        private.append(file.model_copy(update={"path": path}))
    return data.model_copy(update={**_public(data, root), "private_files": tuple(private)})


_COPY: dict[type, Callable[[Any, Path, bool], FilesData]] = {
    TableData: _copy_tables,
    NpzData: _copy_archives,
    ImagesData: _copy_images,
}


def _root(data: FilesData) -> Path:
    return data.folder if data.set is None else folder_of(data.set)


def _public(data: FilesData, root: Path) -> dict[str, Any]:
    """Public files in place, with their joined tables."""
    own = getattr(data, "join", ())

    def found(file: FileConfig) -> FileConfig:
        joins = own if file.join is None else file.join
        there = tuple(join.model_copy(update={"path": root / join.path}) for join in joins)
        return file.model_copy(update={"path": root / file.path, "join": there or file.join})

    names = ("pool_files", "evaluation_files")
    return {"set": None, **{name: tuple(found(file) for file in getattr(data, name)) for name in names}}


def _raw_tables(data: TableData, study: Study) -> RawTables:
    tables = [RawTable.read(file.path, file_format(file.format or data.format)) for file in data.private_files]
    joins = {join.path: join for file in data.private_files for join in (data.join if file.join is None else file.join)}
    numeric, categorical = data.features.numeric, data.features.categorical
    named = [*(group.columns for group in numeric), *(group.columns for group in categorical)]
    roles = Roles(
        label=data.label.column,
        unit=data.unit,
        site=data.site,
        sites=tuple(file.site for file in data.private_files),
        features=tuple(name for columns in named for name in columns),
        joined=tuple(join.column for join in joins.values()),
    )
    joined = [RawTable.read(path, file_format(join.format or data.format)) for path, join in joins.items()]
    return RawTables(tables, joined, roles, _held(data, study), grows=_grows(data))


def _raw_archives(data: NpzData, study: Study) -> RawArrays:
    archives = [RawArchive.read(_npz_file(file, Path()), npz_arrays(data)) for file in data.private_files]
    return RawArrays(archives, len(data.classes), _held(data, study), grows=_grows(data))


def _raw_images(data: ImagesData, study: Study) -> RawTables | RawFolders:
    paths = [file.path for file in data.private_files]
    if all(path.is_dir() for path in paths):
        if study.held_here.units_N is not None:
            raise expected(
                "folders of images without ids of patients", "list DICOM files in a manifest with a unit to audit them"
            )
        origin = study.held_here.origin
        held = None if data.pool_files or origin is None else {digests[0] for digests in origin.raw}
        return RawFolders(paths, held, grows=_grows(data))
    if any(path.is_dir() for path in paths):
        raise expected("folders of images or manifests as data.private_files", "audit them one after the other")
    tables = [RawTable.read(path, FileFormat()) for path in paths]
    path, label, *ids = (_manifest_column(data, role) for role in ("path", "label", "unit", "site"))
    unit, site = (name if all(name in table.columns for table in tables) else None for name in ids)
    sites = tuple(file.site for file in data.private_files)
    roles = Roles(label=label, unit=unit, site=site, sites=sites, features=(path,))
    return RawTables(tables, [], roles, _held(data, study), grows=_grows(data))


_RAW: dict[type, Callable[[Any, Study], RawRecords]] = {
    TableData: _raw_tables,
    NpzData: _raw_archives,
    ImagesData: _raw_images,
}


def _manifest_column(data: ImagesData, role: str) -> str:
    """Return the name of a column of manifests."""
    return (None if data.manifest is None else getattr(data.manifest, role)) or role


def _npz_file(file: FileConfig, root: Path) -> NpzFile:
    return NpzFile(path=root / file.path, prefix=file.prefix, site=file.site)


def _grows(data: FilesData) -> bool:
    """Return ``True`` if a new record stays private: nothing, or only whole sites, are drawn from private files."""
    return bool(data.pool_files) or data.split.by == "site"


def _held(data: FilesData, study: Study) -> Collection[Place] | None:
    """File and row of each record that stays private, where the public sets are drawn from the same files."""
    origin, sites_N = study.held_here.origin, study.held_here.sites_N
    if data.pool_files or origin is None:
        return None
    files = list(range(len(data.private_files)))
    own = [file.site for file in data.private_files]
    of_site: dict[str, list[int]] = {"": files}
    if sites_N is not None and all(site is not None for site in own):
        names = canonical_ids([str(site) for site in own]).tolist()
        of_site = {name: [n for n in files if names[n] == name] for name in names}
    names_N = sites_N.tolist() if sites_N is not None and "" not in of_site else [""] * len(study.held_here)
    places = zip(names_N, origin.positions_N.tolist(), strict=True)
    return {(of_site[name][place >> FILE_BITS], place % (1 << FILE_BITS)) for name, place in places}
