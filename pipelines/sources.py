"""From the configuration to the data: the study and its partition."""

from __future__ import annotations

from pathlib import Path

from pate.data import Partition, Study, digits_study, partition
from pate.data.body import Split
from pate.data.columns import LabelRule
from pate.data.encoding import CategoricalColumns, Missing, NumericColumns
from pate.data.images import ImageSource, Pixels, image_study
from pate.data.npz import NpzArrays, NpzFile, npz_study
from pate.data.records import PrivateRecords
from pate.data.table import TableColumns, TableFile, table_study
from pate.data.table_file import FileFormat, Join
from pate.data.vision import vision_study
from pate.errors import PrivacyViolation
from pate.public_sets import fingerprint
from pipelines.config import Config
from pipelines.data_config import (
    DigitsData,
    FilesData,
    FormatConfig,
    ImagesData,
    JoinConfig,
    LabelConfig,
    NpzData,
    TableData,
    VisionData,
)
from pipelines.shipped_sets import folder_of
from pipelines.store import file_hash


def load_study(config: Config) -> Study:
    """The data that the configuration names.

    Raises:
        InputError: one line with the configuration key, a count and the remedy; rows, ids and paths are in the
            private detail.
        PrivacyViolation: private files as pool or evaluation set.
    """
    data = config.data
    if isinstance(data, DigitsData):
        return digits_study(
            private=data.private,
            pool=data.pool,
            evaluation=data.evaluation,
            hospitals=data.hospitals,
            skew=data.skew,
            seed=config.seed,
        )
    if isinstance(data, VisionData):
        root = folder_of(data.source).parent
        return vision_study(data.source, root, rotation=data.rotation, private=data.private)
    return _from_files(data)


def deal(config: Config, study: Study) -> Partition:
    """The partition that the configuration asks for."""
    return partition(
        study.held_here,
        teachers=config.partition.teachers,
        by=config.partition.by,
        seed=config.seed,
        group_size=config.partition.group_size,
        label_skew=config.partition.label_skew,
    )


def marks(study: Study) -> dict[str, str]:
    """Fingerprints of the three sets; that of the private one is private, and taken at the sites where it is there."""
    return {
        "private": "held at the sites" if study.private is None else fingerprint_of(study.private),
        "pool": fingerprint(study.pool.inputs),
        "evaluation": fingerprint(study.evaluation.inputs, study.evaluation.labels_E),
    }


def fingerprint_of(records: PrivateRecords) -> str:
    """Fingerprint of private records, their units and sites. Private."""
    ids = [column for column in (records.units_N, records.sites_N) if column is not None]
    return fingerprint(records.features, records.labels_N, *ids)


def _from_files(data: NpzData | ImagesData | TableData) -> Study:
    root = data.folder if data.set is None else folder_of(data.set)
    refuse_shared_files(data, root)
    split, sizes = Split(**data.split.model_dump()), (data.pool, data.evaluation)
    if isinstance(data, NpzData):
        arrays = NpzArrays(images=data.image_array, labels=data.label_array, unit=data.unit_array, site=data.site_array)
        private, pool, evaluation = (
            tuple(NpzFile(path=root / file.path, prefix=file.prefix, site=file.site) for file in files)
            for files in (data.private_files, data.pool_files, data.evaluation_files)
        )
        return npz_study(
            task=data.task, classes=data.classes, private=private, pool=pool, evaluation=evaluation,
            arrays=arrays, split=split, sizes=sizes,
        )  # fmt: skip
    if isinstance(data, ImagesData):
        mine, others, held = (
            tuple(ImageSource(path=root / file.path, site=file.site) for file in files)
            for files in (data.private_files, data.pool_files, data.evaluation_files)
        )
        return image_study(
            task=data.task, classes=data.classes, private=mine, pool=others, evaluation=held,
            pixels=Pixels(**data.pixels.model_dump()), split=split, sizes=sizes,
        )  # fmt: skip
    return _from_tables(data, root, split, sizes)


def _from_tables(data: TableData, root: Path, split: Split, sizes: tuple[int, int]) -> Study:
    private, pool, evaluation = (
        tuple(
            TableFile(
                path=root / file.path,
                format=_format(file.format or data.format),
                site=file.site,
                join=tuple(_join(join, data, root) for join in (data.join if file.join is None else file.join)),
            )
            for file in files
        )
        for files in (data.private_files, data.pool_files, data.evaluation_files)
    )
    columns = TableColumns(
        label=_label(data.label),
        unit=data.unit,
        site=data.site,
        numeric=tuple(
            NumericColumns(
                columns=group.columns,
                missing=None if group.missing is None else Missing(**group.missing.model_dump()),
                scale=group.scale,
                clip=group.clip,
            )
            for group in data.features.numeric
        ),
        categorical=tuple(
            CategoricalColumns(
                columns=group.columns,
                unknown=group.unknown,
                categories={row.column: row.values for row in group.categories},
                missing=group.missing,
            )
            for group in data.features.categorical
        ),
    )
    return table_study(
        task=data.task, private=private, pool=pool, evaluation=evaluation, columns=columns, split=split, sizes=sizes
    )


def refuse_shared_files(data: FilesData, root: Path) -> None:
    """Refuse a file that is named as private and as public, also through links and as a copy.

    Several arrays of one archive of a shipped public set are not the same data. Joined tables may serve both sides.
    """
    private = {(file.prefix, _identity(root / file.path)): n for n, file in enumerate(data.private_files)}
    for name, files in (("pool_files", data.pool_files), ("evaluation_files", data.evaluation_files)):
        for number, file in enumerate(files):
            mark = _identity(root / file.path)
            same = [
                n for (prefix, own), n in private.items() if own == mark and (data.set is None or prefix == file.prefix)
            ]
            if mark is not None and same:
                raise PrivacyViolation(
                    f"Expected public files as data.{name}, got data.{name}[{number}] with the content of "
                    f"data.private_files[{same[0]}]; name a public file"
                )


def _identity(path: Path) -> str | None:
    """What a file or folder is, whatever its name: its content's hash, or the folder's real path."""
    if path.is_file():
        return file_hash(path)
    return str(path.resolve()) if path.is_dir() else None


def _format(section: FormatConfig) -> FileFormat:
    replace: dict[str, dict[str, str]] = {}
    for row in section.replace:
        replace.setdefault(row.column, {})[row.text] = row.by
    return FileFormat(**{**section.model_dump(), "replace": replace})


def _join(section: JoinConfig, data: TableData, root: Path) -> Join:
    return Join(
        path=root / section.path,
        column=section.column,
        where={row.column: row.value for row in section.where},
        take=section.take,
        unmatched=section.unmatched,
        format=_format(section.format or data.format),
    )


def _label(section: LabelConfig) -> LabelRule:
    return LabelRule(**section.model_dump())
