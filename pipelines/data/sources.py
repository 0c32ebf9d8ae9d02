"""From the configuration to the data: the study and its partition."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from pate.data import Partition, Study, digits_study, partition
from pate.data.body import Split
from pate.data.columns import LabelRule
from pate.data.encoding import CategoricalColumns, Encoder, Missing, NumericColumns
from pate.data.files.images import ImageSource, Pixels, image_records, image_study
from pate.data.files.npz import NpzArrays, NpzFile, npz_records, npz_study
from pate.data.files.table import TableColumns, TableFile, table_records, table_study
from pate.data.files.table_file import FileFormat, Join
from pate.data.partition import SiteShare, site_shares
from pate.data.private_side import private_side
from pate.data.records import PrivateRecords
from pate.data.vision import vision_study
from pate.errors import PrivacyViolation, expected
from pate.public_sets import fingerprint
from pipelines.config.data import (
    DigitsData,
    Files,
    FilesData,
    FormatConfig,
    ImagesData,
    JoinConfig,
    LabelConfig,
    NpzData,
    TableData,
    VisionData,
)
from pipelines.config.experiment import Config
from pipelines.data.shipped_sets import folder_of


def load_study(config: Config) -> Study:
    """The data that the configuration names.

    Raises:
        InputError: one line with the configuration key and the remedy.
        RecordsRefused: private records that cannot be used.
        PrivacyViolation: private files as pool or evaluation set.
    """
    study = _study(config)
    if config.sites is not None and study.private is not None and study.benchmark is None:
        raise expected(
            "data.pool_files where sites is given",
            "a pool cannot be drawn from records that stay at their sites; name public files",
        )
    return study


def file_sites(config: Config) -> tuple[str, ...]:
    """The sites that hold the files of private records, in the order of the configuration."""
    files = config.data.private_files if isinstance(config.data, FilesData) else ()
    return tuple(dict.fromkeys(str(file.site) for file in files))


def shares(config: Config, study: Study) -> tuple[SiteShare, ...] | None:
    """The sites and their teachers, from public knowledge alone; ``None`` where the deal knows no sites.

    The names are those of ``partition.sites``, else those of ``data.private_files``; on a public benchmark those that
    its records bear.

    Raises:
        InputError: nothing public names the sites, or there are fewer teachers than sites.
    """
    if config.partition.by != "site":
        return None
    found = _shares(config, study)
    if config.sites is not None and config.sites.protects == "site" and len(found) != config.partition.teachers:
        raise expected(
            "one teacher for each hospital with sites.protects: site",
            "set partition.teachers to the number of hospitals",
            teachers=config.partition.teachers,
            hospitals=len(found),
        )
    return found


def _shares(config: Config, study: Study) -> tuple[SiteShare, ...]:
    teachers, declared = config.partition.teachers, config.partition.declared_sites() or None
    files = config.data.private_files if isinstance(config.data, FilesData) else ()
    column = getattr(config.data, "site", None) or getattr(config.data, "site_array", None)
    if files and all(file.site is not None for file in files) and column is None:
        return site_shares(file_sites(config), teachers=teachers, declared=declared)
    if declared is not None:
        return site_shares(config.partition.site_names(), teachers=teachers, declared=declared)
    if study.benchmark is not None and study.private is not None and study.private.sites_N is not None:
        return site_shares(np.unique(study.private.sites_N).tolist(), teachers=teachers)
    raise expected(
        "the sites in partition.sites, or a site for each of data.private_files, with partition.by: site",
        "name them: which sites there are must not follow from records",
    )


def load_records(config: Config, *, site: str, encoding: str | None, classes: tuple[str, ...]) -> PrivateRecords:
    """The records of one site, on a node of that site.

    Args:
        config: the experiment.
        site: the site.
        encoding: of the study, for tables.
        classes: of the study.

    Raises:
        InputError: as ``load_study``.
    """
    data = config.data
    if not isinstance(data, FilesData):
        raise expected("data in files", "declare them", source=data.source)
    own = data.model_copy(update={"private_files": tuple(file for file in data.private_files if file.site == site)})
    root = data.folder if data.set is None else folder_of(data.set)
    if isinstance(own, NpzData):
        return npz_records(_npz(own.private_files, root), arrays=npz_arrays(own), classes=classes)
    if isinstance(own, ImagesData):
        pixels = Pixels(**own.pixels.model_dump())
        return image_records(_images(own.private_files, root), pixels=pixels, classes=classes)
    if not isinstance(own, TableData) or encoding is None:
        raise expected("a table with the encoding of its study", "give it", source=data.source)
    encoder = Encoder.from_json(encoding)
    return table_records(_tables(own.private_files, own, root), columns=_columns(own), classes=classes, encoder=encoder)


def _study(config: Config) -> Study:
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
    return _from_files(data, data.private_files if not config.held_at_sites else ())


def deal(config: Config, study: Study) -> Partition:
    """The partition that the configuration asks for, of records that this process holds.

    Raises:
        InputError: the configuration cannot be followed.
        RecordsRefused: the records cannot be dealt as it says.
    """
    sites = shares(config, study)
    if config.partition.label_skew is not None and study.benchmark is None:
        raise expected(
            "no partition.label_skew on data that are not a public benchmark",
            "remove the key: it deals by labels, so that one record moves all others",
            label_skew=config.partition.label_skew,
        )
    with private_side():
        return partition(
            study.held_here,
            teachers=config.partition.teachers,
            by=config.partition.by,
            seed=config.seed,
            group_size=config.partition.group_size,
            sites=sites,
            label_skew=config.partition.label_skew,
            equal_records=equal_records(config, benchmark=study.benchmark is not None),
        )


def equal_records(config: Config, *, benchmark: bool) -> Literal["refuse", "different_units"]:
    """What equal records without ids are; on a public benchmark nobody is entered twice."""
    if benchmark or not isinstance(config.data, FilesData):
        return "different_units"
    return config.data.equal_records


def fingerprints(study: Study) -> dict[str, str]:
    """Fingerprints of the three sets; that of the private one is private, and taken at the sites where it is there."""
    return {
        "private": "held at the sites" if study.private is None else fingerprint_of(study.private),
        "pool": fingerprint(study.pool.inputs),
        "evaluation": fingerprint(study.evaluation.inputs, study.evaluation.labels_E),
    }


def fingerprint_with_positions(records: PrivateRecords) -> str:
    """Fingerprint of private records and of what deals them: without ids, their positions in the files. Private."""
    if records.units_N is not None:
        return fingerprint_of(records)
    return f"{fingerprint_of(records)} at {fingerprint(records.positions())}"


def fingerprint_of(records: PrivateRecords) -> str:
    """Fingerprint of private records, their units and sites. Private."""
    ids = [column for column in (records.units_N, records.sites_N) if column is not None]
    return fingerprint(records.features, records.labels_N, *ids)


def _from_files(data: NpzData | ImagesData | TableData, private: Files) -> Study:
    """The study of some files; without private ones, its public part."""
    root = data.folder if data.set is None else folder_of(data.set)
    if private:
        refuse_shared_files(data, root)
    split, sizes = Split(**data.split.model_dump()), (data.pool, data.evaluation)
    every = (private, data.pool_files, data.evaluation_files)
    if isinstance(data, NpzData):
        mine, others, held = (_npz(files, root) for files in every)
        return npz_study(
            task=data.task, classes=data.classes, private=mine, pool=others, evaluation=held,
            arrays=npz_arrays(data), split=split, sizes=sizes,
        )  # fmt: skip
    if isinstance(data, ImagesData):
        own, unlabelled, labelled = (_images(files, root) for files in every)
        return image_study(
            task=data.task, classes=data.classes, private=own, pool=unlabelled, evaluation=labelled,
            pixels=Pixels(**data.pixels.model_dump()), split=split, sizes=sizes,
        )  # fmt: skip
    tables, pool, evaluation = (_tables(files, data, root) for files in every)
    return table_study(
        task=data.task, private=tables, pool=pool, evaluation=evaluation, columns=_columns(data), split=split,
        sizes=sizes,
    )  # fmt: skip


def _npz(files: Files, root: Path) -> tuple[NpzFile, ...]:
    return tuple(NpzFile(path=root / file.path, prefix=file.prefix, site=file.site) for file in files)


def npz_arrays(data: NpzData) -> NpzArrays:
    """Names of the arrays, for their reader."""
    return NpzArrays(images=data.image_array, labels=data.label_array, unit=data.unit_array, site=data.site_array)


def _images(files: Files, root: Path) -> tuple[ImageSource, ...]:
    return tuple(ImageSource(path=root / file.path, site=file.site) for file in files)


def _tables(files: Files, data: TableData, root: Path) -> tuple[TableFile, ...]:
    return tuple(
        TableFile(
            path=root / file.path,
            format=file_format(file.format or data.format),
            site=file.site,
            join=tuple(_join(join, data, root) for join in (data.join if file.join is None else file.join)),
        )
        for file in files
    )


def _columns(data: TableData) -> TableColumns:
    return TableColumns(
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


def refuse_shared_files(data: FilesData, root: Path) -> None:
    """Refuse a file that is named as private and as public, also through links.

    Names are compared, never contents: whoever brings public files would otherwise learn what private ones hold.
    Several arrays of one archive of a shipped public set are not the same data. Joined tables may serve both sides.
    """
    private = {(file.prefix, _identity(root / file.path)): n for n, file in enumerate(data.private_files)}
    for name, files in (("pool_files", data.pool_files), ("evaluation_files", data.evaluation_files)):
        for number, file in enumerate(files):
            identity = _identity(root / file.path)
            same = [
                n
                for (prefix, own), n in private.items()
                if own == identity and (data.set is None or prefix == file.prefix)
            ]
            if identity is not None and same:
                raise PrivacyViolation(
                    f"Expected public files as data.{name}, got data.{name}[{number}] which is "
                    f"data.private_files[{same[0]}]; name a public file"
                )


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file or folder a name leads to: its device and its number there, also through links."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def file_format(section: FormatConfig) -> FileFormat:
    """How a table is written, for its reader."""
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
        format=file_format(section.format or data.format),
    )


def _label(section: LabelConfig) -> LabelRule:
    return LabelRule(**section.model_dump())
