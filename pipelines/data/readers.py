"""Settings of the file readers, from sections of the configuration."""

from __future__ import annotations

from pathlib import Path

from pate.data.categories import CategoricalColumns
from pate.data.columns import LabelRule
from pate.data.encoding import Missing, NumericColumns
from pate.data.files.file_format import FileFormat
from pate.data.files.images import ImageSource, ManifestColumns
from pate.data.files.npz import NpzArrays, NpzFile
from pate.data.files.table import TableColumns, TableFile
from pate.data.files.table_file import Join
from pipelines.config.data import Files, FormatConfig, ImagesData, JoinConfig, LabelConfig, NpzData, TableData


def npz_files(files: Files, root: Path) -> tuple[NpzFile, ...]:
    """Archives, for their reader."""
    return tuple(NpzFile(path=root / file.path, prefix=file.prefix, site=file.site) for file in files)


def npz_arrays(data: NpzData) -> NpzArrays:
    """Names of the arrays, for their reader."""
    return NpzArrays(images=data.image_array, labels=data.label_array, unit=data.unit_array, site=data.site_array)


def image_sources(files: Files, data: ImagesData, root: Path) -> tuple[ImageSource, ...]:
    """Folders and manifests of images, for their reader."""
    found = data.manifest
    columns = None
    if found is not None:
        folder = None if found.folder is None else root / found.folder
        columns = ManifestColumns(**found.model_dump(), folder=folder)
    return tuple(
        ImageSource(path=root / file.path, site=file.site, columns=columns, dicom_unit=data.dicom_unit)
        for file in files
    )


def table_files(files: Files, data: TableData, root: Path) -> tuple[TableFile, ...]:
    """Files of a table, for their reader."""
    return tuple(
        TableFile(
            path=root / file.path,
            format=file_format(file.format or data.format),
            site=file.site,
            join=tuple(_join(join, data, root) for join in (data.join if file.join is None else file.join)),
        )
        for file in files
    )


def table_columns(data: TableData) -> TableColumns:
    """Roles of a table's columns, for its reader."""
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
                most_frequent=group.most_frequent,
                prefix=group.prefix,
            )
            for group in data.features.categorical
        ),
    )


def file_format(section: FormatConfig) -> FileFormat:
    """Format of a table, for its reader."""
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
