"""Votes from files: histograms and matrices as ``.npy``, ``.csv`` or ``.parquet``, and those of a run. Private."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pate.accounting.events import (
    ConfidentGNMaxEvent,
    GNMaxEvent,
    LNMaxEvent,
    SanitisedReleaseEvent,
    one_query,
)
from pate.errors import InputError, expected
from pate.npy_file import load_npy
from pate.votes import VoteHistogram, VoteMatrix
from pipelines.config.labelling import LabellingConfig
from pipelines.config.partition import PartitionConfig
from pipelines.config.privacy import SanitisedConfig
from pipelines.storage.run_folder import RunFolder


def read_numbers(path: Path, what: str) -> npt.NDArray[np.float64]:
    """A two-dimensional table of numbers.

    Args:
        path: ``.npy`` (no pickle), ``.csv`` (with or without a header) or ``.parquet``.
        what: its name in errors.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    readers = {".npy": load_npy, ".csv": _csv, ".parquet": pd.read_parquet}
    if path.suffix not in readers:
        raise expected(f"{what} as .npy, .csv or .parquet", "convert the file", suffix=path.suffix)
    try:
        table = np.asarray(readers[path.suffix](path), dtype=np.float64)
    except OSError as error:
        raise InputError(f"Expected {what}, got {error.strerror or 'an unreadable file'}; check the path") from error
    except (ValueError, TypeError) as error:
        raise expected(f"{what} with numbers alone", "remove other columns", file=path.name) from error
    except (MemoryError, OverflowError, RecursionError) as error:
        raise expected(f"{what} that fit in memory", "give fewer", file=path.name) from error
    if table.ndim != 2 or table.size == 0:
        raise expected(f"{what} of two dimensions", "one row per query or teacher", shape=table.shape)
    return table


def votes_of_run(folder: RunFolder) -> tuple[VoteHistogram, GNMaxEvent | LNMaxEvent | ConfidentGNMaxEvent]:
    """The histograms of a run's queries and what each query released.

    Raises:
        InputError: the run has not evaluated its student yet.
    """
    try:
        note = folder.stages.note("votes")
        classes = len(json.loads(folder.evaluation_file.read_text())["class_accuracy"])
        config = folder.settings()
    except OSError as error:
        raise expected("a finished run", "finish it with `pate run`", run=folder.run_id) from error
    histogram = VoteMatrix.load(folder.votes_file, classes, note["sha256"]).histogram()
    return histogram, _one_release(config, len(histogram))


def release_of_run(folder: RunFolder) -> SanitisedReleaseEvent | None:
    """The declared sanitised estimate of a run, or ``None``."""
    bought = folder.settings()["privacy"].get("sanitised")
    return None if bought is None else SanitisedConfig.model_validate(bought).build()


def _one_release(config: dict[str, Any], asked: int) -> GNMaxEvent | LNMaxEvent | ConfidentGNMaxEvent:
    """Event of one query of a recorded configuration; of all queries for Confident-GNMax."""
    mechanism = LabellingConfig.model_validate(config["labelling"]).mechanism.build()
    moved = PartitionConfig.model_validate(config["partition"]).group_size
    return one_query(mechanism.worst_case_event(queries=asked, moved_votes=moved))


def _csv(path: Path) -> pd.DataFrame:
    """A first line with a word in it is a header."""
    with path.open(encoding="utf-8") as file:
        first = file.readline().strip().split(",")
    header = 0 if any(not _is_number(cell) for cell in first) else None
    return pd.read_csv(path, header=header)


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True
