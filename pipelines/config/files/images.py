"""Sections of a configuration about images: their form, and the columns of manifests."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from pate.data.files.picture import LEAST_BITS, MOST_BITS, Pixels
from pipelines.config.fields import Count, Section, Text


class PixelsConfig(Section):
    """The shape that every image is converted to."""

    height: Count
    width: Count
    channels: Literal[1, 3]
    bits: int | None = Field(
        None, ge=LEAST_BITS, le=MOST_BITS, strict=True,
        description="of whole numbers in files deeper than 8 bits: 12 for values up to 4095; larger ones are refused",
    )  # fmt: skip
    window: tuple[float, float] | None = Field(
        None, description="black and white of files deeper than 8 bits, in rescaled units for DICOM; others are clipped"
    )

    later: ClassVar[frozenset[str]] = frozenset({"bits", "window"})

    @model_validator(mode="after")
    def _range_is_possible(self) -> PixelsConfig:
        Pixels(**self.model_dump())
        return self


class ManifestConfig(Section):
    """Names of the columns of manifests; other columns are ignored."""

    path: Text | None = Field(None, description="of the image; default: path")
    label: Text | None = Field(None, description="of the class; default: label")
    unit: Text | None = Field(None, description="of the privacy unit's id; default: unit, if there is one")
    site: Text | None = Field(None, description="of the site; default: site, if there is one")
    contains: Text | None = Field(
        None, description="finding; images whose label lists it, such as A|B, are of the second class, others the first"
    )
    folder: Path | None = Field(None, exclude=True, description="where relative paths start; default: at the manifest")
