"""Private, public and evaluation data as different types; private data cannot become the others.

Shape legend: ``N`` private records, ``M`` inputs of the public pool, ``E`` evaluation records, ``...`` the shape
of one input (``[F]`` for tables, ``[channels, height, width]`` for images).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from pate.arrays import IdArray, IntArray
from pate.data.files.stored_images import StoredImages
from pate.data.ids import match_keys
from pate.data.origin import FILE_BITS, Origin
from pate.data.private_side import private_side
from pate.errors import PrivacyViolation, expected
from pate.public_sets import PublicSource
from pate.values import Redacted

FloatArray: TypeAlias = npt.NDArray[np.float32]


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PrivateRecords(Redacted):
    """Labelled records that must not leave the private side.

    Attributes:
        features: float32, one input per record; many images are held in a file. Shape ``[N, ...]``.
        labels_N: class indices. Shape ``[N]``.
        units_N: the privacy unit (patient) of each record, or ``None`` where records carry no ids.
        sites_N: the site (hospital) of each record, or ``None``.
        origin: of each record, or ``None`` where they were made here, in this order.
    """

    features: FloatArray | StoredImages
    labels_N: IntArray
    units_N: IdArray | None = None
    sites_N: IdArray | None = None
    origin: Origin | None = None

    def __post_init__(self) -> None:
        _require_features("private features", self.features, least=0)
        positions_N = None if self.origin is None else self.origin.positions_N
        columns = (
            ("labels", self.labels_N),
            ("units", self.units_N),
            ("sites", self.sites_N),
            ("positions", positions_N),
        )
        for name, column in columns:
            if column is not None and column.shape != (len(self.features),):
                raise expected(f"one of {name} per record", "check the columns", shape=column.shape)

    def __len__(self) -> int:
        return len(self.features)

    def positions(self) -> IntArray:
        """The position of each record in its file. Shape ``[N]``."""
        return np.arange(len(self), dtype=np.int64) if self.origin is None else self.origin.positions_N

    def take(self, index: IntArray) -> PrivateRecords:
        """The records at these positions, in this order."""
        return PrivateRecords(
            features=rows_of(self.features, index),
            labels_N=self.labels_N[index],
            units_N=None if self.units_N is None else self.units_N[index],
            sites_N=None if self.sites_N is None else self.sites_N[index],
            origin=None if self.origin is None else self.origin.take(index),
        )

    def identities(self, *, positions: bool = False) -> list[bytes]:
        """For each record the bytes that identify its privacy unit. Length N.

        Args:
            positions: ``True`` if each record without an id is its own unit; else equal records are one unit.
        """
        if self.units_N is not None:
            return [b"match:" + key.encode() for key in match_keys(self.units_N).tolist()]
        if positions:
            sites = [""] * len(self) if self.sites_N is None else self.sites_N.tolist()
            return [f"at:{site}:{row}".encode() for site, row in zip(sites, self.positions().tolist(), strict=True)]
        return self.content_keys() if self.origin is None else [digests[0] for digests in self.origin.raw]

    def name_of(self, row: int) -> str:
        """Return the name of a record's unit in an incident: its id, or the record's position. Private."""
        if self.units_N is not None:
            return str(self.units_N[row])
        file, position = divmod(int(self.positions()[row]), 1 << FILE_BITS)
        return f"row {position} of file {file}" + ("" if self.sites_N is None else f" at {self.sites_N[row]}")

    def known_by(self) -> Iterator[bytes]:
        """Yield keys that identify these records in another account: unit ids in any writing, records as they were
        read and as they were encoded, with their label and without it (the same patients with another label are the
        same patients), and files.
        """
        if self.units_N is not None:
            yield from (f"id:{unit}".encode() for unit in self.units_N)
            yield from (f"id:{unit}.0".encode() for unit in self.units_N if unit.isdecimal())  # as ledgers may hold it
            yield from self.identities()
        yield from self.content_keys()
        yield from (hashlib.sha256(b"features" + row.tobytes()).digest() for row in self.features)
        if self.origin is not None:
            yield from (digest for digests in self.origin.raw for digest in digests)
            yield from self.origin.files

    def content_keys(self) -> list[bytes]:
        """For each record a digest of its features and label: equal records have equal keys. Length N."""
        return [
            hashlib.sha256(row.tobytes() + int(label).to_bytes(8, "big")).digest()
            for row, label in zip(self.features, self.labels_N, strict=True)
        ]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PublicPool:
    """Unlabelled public inputs: the queries are chosen from them, and the student may see them.

    Attributes:
        inputs: shape ``[M, ...]``.
        positions_M: the position of each in its file, as ``Origin.positions_N``; ``None`` where unknown. Shape ``[M]``.
        paths: the file of each, where each has its own. Length M.
    """

    inputs: FloatArray
    positions_M: IntArray | None = None
    paths: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        _refuse_private("public pool", self.inputs)
        _require_features("pool inputs", self.inputs)
        for name, found in (("position", self.positions_M), ("path", self.paths)):
            if found is not None and len(found) != len(self.inputs):
                raise expected(f"one {name} per pool input", "check the source", found=len(found))

    def __len__(self) -> int:
        return len(self.inputs)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSet:
    """Labelled public records, used once, at the end.

    Attributes:
        inputs: float32. Shape ``[E, ...]``.
        labels_E: class indices. Shape ``[E]``.
        units_E: the unit of each record, where known, so that intervals respect it; or ``None``. Shape ``[E]``.
    """

    inputs: FloatArray
    labels_E: IntArray
    units_E: IdArray | None = None

    def __post_init__(self) -> None:
        _refuse_private("evaluation set", self.inputs)
        _refuse_private("evaluation set", self.labels_E)
        _require_features("evaluation inputs", self.inputs)
        if self.labels_E.shape != (len(self.inputs),):
            raise expected("one evaluation label per input", "check the columns", shape=self.labels_E.shape)
        if self.units_E is not None and self.units_E.shape != (len(self.inputs),):
            raise expected("one evaluation unit per input", "check the columns", shape=self.units_E.shape)

    def __len__(self) -> int:
        return len(self.inputs)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """True labels of a public benchmark, from which ``BenchmarkOnly`` metrics are computed.

    Attributes:
        source: proof that the "private" records are a public set.
        pool_labels_M: true labels of the pool. Shape ``[M]``.
    """

    source: PublicSource
    pool_labels_M: IntArray


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Data of one labelling campaign: private records, public pool, evaluation set.

    Attributes:
        task: the labelling task; answers are kept per account and task.
        classes: names of the classes, in index order.
        private: the records that teachers learn from; ``None`` where they stay at their sites.
        pool: the public inputs.
        evaluation: the labelled public records.
        benchmark: true labels, only where the data are on the shipped list of public sets.
        encoding: for tables: how columns became features, as JSON; made from the configuration and the public
            pool, so it may be published with the student, who needs it.
        public_units: keys of the units of the public files, whose private records are not used.
    """

    task: str
    classes: tuple[str, ...]
    private: PrivateRecords | None
    pool: PublicPool
    evaluation: EvaluationSet
    benchmark: Benchmark | None = None
    encoding: str | None = None
    public_units: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_classes("evaluation", self.evaluation.labels_E, len(self.classes))
        if self.evaluation.inputs.shape[1:] != self.input_shape:
            raise expected(
                f"evaluation inputs of shape {list(self.input_shape)}, as the pool's",
                "use one format",
                shape=self.evaluation.inputs.shape[1:],
            )
        if self.private is not None:
            require_fitting(self.private, self.input_shape, len(self.classes))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.pool.inputs.shape[1:])

    @property
    def held_here(self) -> PrivateRecords:
        """The private records, where this process has them.

        Raises:
            InputError: they stay at their sites.
        """
        if self.private is None:
            raise expected("private records in this process", "they stay at their sites")
        return self.private


def require_fitting(records: PrivateRecords, input_shape: tuple[int, ...], classes: int) -> None:
    """Refuse records that are not of the pool's shape, or of other classes.

    Raises:
        RecordsRefused: they are not.
    """
    with private_side():
        require_classes("private", records.labels_N, classes)
        if records.features.shape[1:] != input_shape:
            raise expected(f"private inputs of shape {list(input_shape)}, as the pool's", "use one format")


def require_classes(name: str, labels_N: IntArray, classes: int) -> None:
    """Refuse labels outside ``0..classes-1``; the message counts them and names none."""
    outside = int(((labels_N < 0) | (labels_N >= classes)).sum())
    if outside:
        raise expected(
            f"{name} labels within the {classes} declared classes",
            "correct the labels or declare the missing classes",
            records_outside=outside,
        )


def input_keys(inputs: FloatArray) -> list[bytes]:
    """The canonical bytes of each public input: shape, then little-endian float32. A query's identity."""
    canonical = np.ascontiguousarray(inputs, dtype="<f4")
    head = str(canonical.shape[1:]).encode()
    return [head + row.tobytes() for row in canonical]


def rows_of(features: FloatArray | StoredImages, index: IntArray) -> FloatArray | StoredImages:
    """Inputs at these positions, where the others are held."""
    return features.take(index) if isinstance(features, StoredImages) else features[index]


def _require_features(name: str, features: FloatArray | StoredImages, least: int = 1) -> None:
    if features.ndim < 2 or len(features) < least:
        raise expected(f"at least one record of {name}", "check the source", shape=features.shape)
    if features.dtype != np.float32:
        raise expected(f"{name} as float32", "convert them", dtype=str(features.dtype))
    if isinstance(features, StoredImages):  # whole numbers
        return
    broken = int((~np.isfinite(features).all(axis=tuple(range(1, features.ndim)))).sum())
    if broken:
        raise expected(f"finite {name}", "declare how missing values are filled", records_broken=broken)


def _refuse_private(place: str, value: Any) -> None:
    if isinstance(value, Redacted):
        raise PrivacyViolation(f"Expected public data as {place}, got private-tagged {type(value).__name__}")
