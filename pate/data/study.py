"""The last step of every loader: a study from its three sets."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from pate.data.body import UNLABELLED, Body, Parts, rows_refused
from pate.data.files.image_listing import POSITION
from pate.data.files.stored_images import StoredImages
from pate.data.ids import match_keys
from pate.data.private_side import private_side
from pate.data.records import Benchmark, EvaluationSet, FloatArray, PrivateRecords, PublicPool, Study
from pate.public_sets import PublicSource

Encode: TypeAlias = Callable[[Body, str], FloatArray]
"""(records, configuration key for errors) -> inputs ``[N, ...]``, float32."""
EncodePrivate: TypeAlias = Callable[[Body, str], FloatArray | StoredImages]


def study_of(
    parts: Parts,
    *,
    task: str,
    classes: tuple[str, ...],
    source: PublicSource | None,
    encode: Encode,
    encode_private: EncodePrivate | None = None,
    encoding: str | None = None,
) -> Study:
    """Encode the three sets and give each its type.

    Args:
        parts: the private, pool and evaluation records.
        task: the labelling task.
        classes: names of the classes.
        source: proof that the private records are a public benchmark, or ``None``.
        encode: from rows to inputs.
        encode_private: the same for private records; default: ``encode``.
        encoding: the encoder as JSON, for tables.

    Raises:
        InputError: an evaluation record without a label.
        RecordsRefused: private records that cannot be used.
    """
    _require_labels(parts.evaluation, "evaluation")
    known = source is not None and bool((parts.pool.labels_N != UNLABELLED).all())
    return Study(
        task=task,
        classes=classes,
        private=None
        if parts.private is None
        else without_units(records_of(parts.private, encode_private or encode), parts.public_units),
        pool=_pool(parts.pool, encode(parts.pool, "the pool")),
        evaluation=EvaluationSet(
            inputs=encode(parts.evaluation, "the evaluation set"),
            labels_E=parts.evaluation.labels_N,
            units_E=parts.evaluation.units_N,
        ),
        benchmark=Benchmark(source=source, pool_labels_M=parts.pool.labels_N) if source is not None and known else None,
        encoding=encoding,
        public_units=parts.public_units,
    )


def _pool(body: Body, inputs: FloatArray) -> PublicPool:
    """The pool with the places of its records in files."""
    if isinstance(body.rows, np.ndarray):
        return PublicPool(inputs=inputs, positions_M=None if body.origin is None else body.origin.positions_N)
    if POSITION in body.rows.columns:
        return PublicPool(inputs=inputs, paths=tuple(body.rows["path"]))
    return PublicPool(inputs=inputs, positions_M=body.rows.index.to_numpy(dtype=np.int64))


def records_of(body: Body, encode: EncodePrivate) -> PrivateRecords:
    """Private records, from those that were read.

    Raises:
        RecordsRefused: a record without a label, or one that cannot be encoded.
    """
    with private_side():
        _require_labels(body, "private")
        return PrivateRecords(
            features=encode(body, "data.private_files"),
            labels_N=body.labels_N,
            units_N=body.units_N,
            sites_N=body.sites_N,
            origin=body.origin,
        )


def without_units(records: PrivateRecords, keys: Collection[str]) -> PrivateRecords:
    """The records without those of some units; which they are is kept in their origin.

    Whether a record is used follows from its own id and from public ids.

    Args:
        records: as read.
        keys: of units, as ``match_keys`` gives them.
    """
    if records.units_N is None or records.origin is None or not keys:
        return records
    with private_side():
        shared_N = np.isin(match_keys(records.units_N), list(keys))
        if not shared_N.any():
            return records
        left_out = tuple(np.unique(records.units_N[shared_N]).tolist())
        whole = replace(records, origin=replace(records.origin, left_out=left_out))
        return whole.take(np.flatnonzero(~shared_N))


def _require_labels(body: Body, name: str) -> None:
    missing_N = body.labels_N == UNLABELLED
    if missing_N.any():
        raise rows_refused(
            "a label in every record", "fill in the missing labels", key=f"data, {name} part", bad_N=missing_N
        )
