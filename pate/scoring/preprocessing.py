"""Preprocessing of a student's raw inputs, as JSON; made from public data and the configuration alone.

Shape legend: ``N`` records, ``F`` features after encoding.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pate.data.body import rows_refused
from pate.data.columns import plain
from pate.data.encoding import ColumnEncoder
from pate.data.files.file_format import FileFormat
from pate.data.files.images import Pixels
from pate.data.files.parquet import as_text
from pate.data.files.table_file import interpret
from pate.data.records import FloatArray
from pate.errors import InputError, expected
from pate.scoring.pictures import Picture, read_pictures

VERSION = 1
ROWS = "the rows to score"
_REMEDY = "train again, or score with the version of pate that trained it"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TableInput:
    """Rows of a table, by column name.

    Attributes:
        style: the study's format of text; of its replacements only those of features.
        encoder: fitted on the public pool.
        joined: texts that mean a missing value in columns of joined tables of another format, by column.
    """

    style: FileFormat
    encoder: ColumnEncoder
    joined: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, style: FileFormat, encoder: ColumnEncoder, joined: Mapping[str, tuple[str, ...]] | None = None
    ) -> TableInput:
        """The input of a study whose files have this format."""
        swaps = {name: swap for name, swap in style.replace.items() if name in column_kinds(encoder)}
        missing = {name: texts for name, texts in (joined or {}).items() if name in column_kinds(encoder)}
        return cls(style=replace(style, replace=swaps), encoder=encoder, joined=missing)

    def columns(self) -> dict[str, str]:
        """Name of each column that is needed -> ``number`` or ``category``."""
        return column_kinds(self.encoder)

    def encode(self, rows: pd.DataFrame, *, key: str = ROWS, style: FileFormat | None = None) -> FloatArray:
        """Features, as in training. Shape ``[N, F]``; other columns are ignored.

        Args:
            rows: text as it stands in the study's files, or typed cells; missing ones as ``None``, NaN or as text that
                is declared to mean it.
            key: name of the rows, for errors.
            style: format of their text; default: the study's.

        Raises:
            InputError: a missing column, text where numbers are declared, or a missing or unknown value whose policy is
                to refuse it.
        """
        needed = list(self.columns())
        absent = [name for name in needed if name not in rows.columns]
        if absent:
            raise expected(
                f"the columns of the student in {key}",
                "add them, empty where unknown; those of joined tables stand in the same row",
                missing=absent,
            )
        own = rows.loc[:, needed]
        if own.shape[1] > len(needed):
            raise expected(f"each column once in {key}", "remove the copies", columns=sorted(set(own.columns)))
        form = style or self.style
        numeric = [name for name, kind in self.columns().items() if kind == "number"]
        text = _written(own.reset_index(drop=True), numeric, form.decimal)
        features_N = self.encoder.encode(self._interpreted(text, form, numeric, key), key=key)
        broken_N = _rows_with_any(~np.isfinite(features_N))
        if broken_N.any():
            raise rows_refused("numbers of single precision", "correct the largest", key=key, bad_N=broken_N)
        return features_N

    def _interpreted(self, text: pd.DataFrame, form: FileFormat, numeric: list[str], key: str) -> pd.DataFrame:
        """Missing values as NaN, and numbers with a decimal point, in each column by the format of its table."""
        parts = []
        for missing in dict.fromkeys([form.missing, *self.joined.values()]):
            own = [name for name in text.columns if self.joined.get(name, form.missing) == missing]
            if not own:
                continue
            swaps = {name: swap for name, swap in form.replace.items() if name in own}
            parts.append(interpret(text[own], replace(form, missing=missing, replace=swaps), key=key, numeric=numeric))
        return pd.concat(parts, axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        content = {"format": asdict(self.style), "encoder": json.loads(self.encoder.to_json())}
        return {**content, "joined": self.joined} if self.joined else content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> TableInput:
        """Read what ``to_dict`` wrote."""
        known = {each.name for each in fields(FileFormat)}
        style = {name: _tuples(value) for name, value in content["format"].items() if name in known}
        joined = {name: _tuples(texts) for name, texts in content.get("joined", {}).items()}
        encoder = ColumnEncoder.from_json(json.dumps(content["encoder"]))
        return cls(style=FileFormat(**style), encoder=encoder, joined=joined)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInput:
    """Encoded images, or arrays of bytes.

    Attributes:
        pixels: the shape that each is converted to.
    """

    pixels: Pixels

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return (self.pixels.channels, self.pixels.height, self.pixels.width)

    def encode(self, pictures: list[Picture], *, key: str = ROWS) -> FloatArray:
        """Images in the student's shape. Shape ``[N, channels, height, width]``, float32 in [0, 1]."""
        return read_pictures(pictures, self.pixels, key=key)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self.pixels)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ImageInput:
        """Read what ``to_dict`` wrote."""
        return cls(pixels=Pixels(**{name: _tuples(value) for name, value in content.items()}))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayInput:
    """Arrays as the study has them.

    Attributes:
        shape: of one record.
        bounds: least and largest number, or ``None`` for any finite one.
    """

    shape: tuple[int, ...]
    bounds: tuple[float, float] | None

    def encode(self, arrays: npt.NDArray[np.generic], *, key: str = ROWS) -> FloatArray:
        """The same numbers, checked. Shape ``[N, *shape]``, float32."""
        if not (np.issubdtype(arrays.dtype, np.floating) or np.issubdtype(arrays.dtype, np.integer)):
            raise expected(f"numbers in {key}", "convert them to float32", dtype=str(arrays.dtype))
        if arrays.shape[1:] != self.shape or arrays.ndim < 1:
            shape = ", ".join(map(str, self.shape))
            raise expected(f"arrays [N, {shape}] in {key}", "reshape them as in training", shape=arrays.shape)
        found: FloatArray = np.ascontiguousarray(arrays, dtype=np.float32)
        low, high = self.bounds or (-np.inf, np.inf)
        outside_N = _rows_with_any(~(np.isfinite(found) & (found >= low) & (found <= high)))
        if outside_N.any():
            what = "finite numbers" if self.bounds is None else f"numbers from {low:g} to {high:g}"
            raise rows_refused(what, "scale them as in training (bytes: divide by 255)", key=key, bad_N=outside_N)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ArrayInput:
        """Read what ``to_dict`` wrote."""
        return cls(**{name: _tuples(value) for name, value in content.items()})


RawInput: TypeAlias = TableInput | ImageInput | ArrayInput
KINDS: dict[str, type[TableInput] | type[ImageInput] | type[ArrayInput]] = {
    "table": TableInput,
    "images": ImageInput,
    "arrays": ArrayInput,
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """Raw inputs of a student, and the names of its outputs.

    Attributes:
        classes: names, in the order of the scores.
        raw: the form of raw inputs.
    """

    classes: tuple[str, ...]
    raw: RawInput

    @property
    def kind(self) -> str:
        """``table``, ``images`` or ``arrays``."""
        return next(name for name, kind in KINDS.items() if isinstance(self.raw, kind))

    def to_json(self) -> str:
        """The whole as JSON."""
        content = {"version": VERSION, "classes": self.classes, "kind": self.kind, "input": self.raw.to_dict()}
        return json.dumps(content, indent=1)

    @staticmethod
    def from_json(text: str) -> Preprocessing:
        """Read what ``to_json`` wrote.

        Raises:
            InputError: it was written by another version, or by another program.
        """
        try:
            content = json.loads(text)
            if content["version"] == VERSION:
                raw = KINDS[content["kind"]].from_dict(content["input"])
                return Preprocessing(classes=tuple(content["classes"]), raw=raw)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise expected("the preprocessing of a student", _REMEDY) from error
        raise expected(f"the preprocessing of a student, version {VERSION}", _REMEDY, version=content["version"])


def column_kinds(encoder: ColumnEncoder) -> dict[str, str]:
    """Name of each column that an encoder reads -> ``number`` or ``category``."""
    numbers = {code.name: "number" for code in encoder.numeric}
    return numbers | {code.name: "category" for code in encoder.categorical}


def _rows_with_any(found: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """``True`` for each record of which anything is. Shape ``[N]``."""
    bad_N: npt.NDArray[np.bool_] = np.any(found.reshape(len(found), -1), axis=1, keepdims=True)[:, 0]
    return bad_N


def _written(rows: pd.DataFrame, numeric: list[str], decimal: str) -> pd.DataFrame:
    """Rows as text; numbers with the decimal sign of the study's files."""
    text = as_text(rows)
    if decimal != ".":
        for name in numeric:
            typed_N = ~rows[name].map(lambda cell: isinstance(cell, str)).to_numpy(dtype=bool)
            signed = text[name].map(lambda number: plain(number).replace(".", decimal), na_action="ignore")
            text[name] = text[name].mask(typed_N, signed)
    return text


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
