"""Raw inputs of a configuration's student, from the configuration and public data alone."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from pate.data import Study
from pate.data.encoding import ColumnEncoder
from pate.data.files.delimited import header_names
from pate.data.files.file_format import FileFormat
from pate.data.files.images import Pixels
from pate.scoring.preprocessing import ArrayInput, ImageInput, Preprocessing, RawInput, TableInput
from pipelines.config.data import DigitsData, ImagesData, TableData, VisionData
from pipelines.config.experiment import Config
from pipelines.data.readers import file_format
from pipelines.data.shipped_sets import folder_of

UNIT = (0.0, 1.0)


def preprocessing_of(config: Config, study: Study) -> Preprocessing | None:
    """The preprocessing that travels with the student; ``None`` if its raw inputs cannot be described."""
    raw = _raw_input(config, study)
    return None if raw is None else Preprocessing(classes=study.classes, raw=raw)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TextForms:
    """What texts mean in the study's public files.

    Attributes:
        style: format of the files, with the replacements of joined tables.
        joined: column of a joined table of another format -> texts that mean a missing value.
    """

    style: FileFormat
    joined: dict[str, tuple[str, ...]]


def text_forms(data: TableData) -> TextForms | None:
    """The forms of texts; ``None`` if a joined table of another format neither names its columns nor can be read.

    Formats of private files say how a hospital writes, and have no part in it.
    """
    public = next(iter((*data.pool_files, *data.evaluation_files)), None)
    style = file_format(data.format if public is None or public.format is None else public.format)
    joins = data.join if public is None or public.join is None else public.join
    root = data.folder if data.set is None else folder_of(data.set)
    joined: dict[str, tuple[str, ...]] = {}
    for join in joins:
        other = style if join.format is None else file_format(join.format)
        if set(other.missing) != set(style.missing):
            taken = join.take or _columns(root / join.path, other)
            if taken is None or (other.decimal, other.thousands) != (style.decimal, style.thousands):
                return None
            joined |= {name: other.missing for name in taken if name != join.column}
        style = replace(style, replace={**other.replace, **style.replace})
    return TextForms(style=style, joined=joined)


def _columns(path: Path, style: FileFormat) -> tuple[str, ...] | None:
    """Names of a table's columns, ``None`` where it is not here or is not text."""
    if style.columns is not None:
        return style.columns
    try:
        return header_names(path, style)
    except (OSError, ValueError, csv.Error):
        return None


def _raw_input(config: Config, study: Study) -> RawInput | None:
    data = config.data
    if isinstance(data, TableData):
        forms = text_forms(data)
        if forms is None or study.encoding is None:
            return None
        return TableInput.of(forms.style, ColumnEncoder.from_json(study.encoding), forms.joined)
    if isinstance(data, ImagesData):
        return ImageInput(pixels=Pixels(**data.pixels.model_dump()))
    if isinstance(data, DigitsData | VisionData):
        return ArrayInput(shape=study.input_shape, bounds=UNIT)
    pool = study.pool.inputs
    inside = bool(pool.min() >= UNIT[0] and pool.max() <= UNIT[1])
    return ArrayInput(shape=study.input_shape, bounds=UNIT if inside else None)
