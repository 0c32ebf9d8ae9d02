"""Raw inputs of a configuration's student, from the configuration and public data alone."""

from __future__ import annotations

from dataclasses import replace

from pate.data import Study
from pate.data.encoding import ColumnEncoder
from pate.data.files.file_format import FileFormat
from pate.data.files.images import Pixels
from pate.scoring.preprocessing import ArrayInput, ImageInput, Preprocessing, RawInput, TableInput
from pipelines.config.data import DigitsData, ImagesData, TableData, VisionData
from pipelines.config.experiment import Config
from pipelines.data.readers import file_format

UNIT = (0.0, 1.0)


def preprocessing_of(config: Config, study: Study) -> Preprocessing | None:
    """The preprocessing that travels with the student; ``None`` if its raw inputs cannot be described."""
    raw = _raw_input(config, study)
    return None if raw is None else Preprocessing(classes=study.classes, raw=raw)


def table_format(data: TableData) -> FileFormat | None:
    """Format of the study's public files; ``None`` if one text means different things in different columns.

    Formats of private files say how a hospital writes, and have no part in it.
    """
    public = next((file for file in (*data.pool_files, *data.evaluation_files)), None)
    style = file_format(data.format if public is None or public.format is None else public.format)
    joins = data.join if public is None or public.join is None else public.join
    for join in joins:
        other = style if join.format is None else file_format(join.format)
        if set(other.missing) != set(style.missing):
            return None
        style = replace(style, replace={**other.replace, **style.replace})
    return style


def _raw_input(config: Config, study: Study) -> RawInput | None:
    data = config.data
    if isinstance(data, TableData):
        style = table_format(data)
        if style is None or study.encoding is None:
            return None
        return TableInput.of(style, ColumnEncoder.from_json(study.encoding))
    if isinstance(data, ImagesData):
        return ImageInput(pixels=Pixels(**data.pixels.model_dump()))
    if isinstance(data, DigitsData | VisionData):
        return ArrayInput(shape=study.input_shape, bounds=UNIT)
    pool = study.pool.inputs
    inside = bool(pool.min() >= UNIT[0] and pool.max() <= UNIT[1])
    return ArrayInput(shape=study.input_shape, bounds=UNIT if inside else None)
