"""Descriptions of data sets and models for a tracker, and the names and keys that it accepts.

The limits are MLflow's (names of parameters and metrics, length of values), checked when a value is recorded, so that
a server accepts every recorded event.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from pate.errors import expected
from pate.files import bytes_hash

MAX_KEY = 250
MAX_TEXT = 5000
"""Longest value of a parameter or tag; MLflow would cut longer ones off."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_EXPERIMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-/ ]{0,199}")
_KEY = re.compile(r"[\w.\-:][\w.\- :]*(/[\w.\- :]+)*", re.ASCII)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCard:
    """A public data set that a run used: named and fingerprinted, not uploaded.

    Attributes:
        name: for example ``digits-pool``.
        fingerprint: ``pate.public_sets.fingerprint`` of its arrays, 32 hex digits.
        source: origin, in words or as a public URL.
        rows: number of records.
        context: its use: ``pool`` or ``evaluation``.
    """

    name: str
    fingerprint: str
    source: str
    rows: int
    context: str

    def __post_init__(self) -> None:
        if not (0 < len(self.name) <= MAX_KEY and 0 < len(self.fingerprint) <= 36):
            raise expected(
                "a name and a fingerprint of at most 36 characters", "use pate.public_sets.fingerprint", name=self.name
            )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """The registry's description of a student.

    Attributes:
        name: the registered model's name.
        epsilon: of the data-independent bound under which the labels were released.
        delta: of the same bound.
        privacy_unit: unit whose presence the bound hides, for example ``record`` or ``patient``.
        accountant: the name printed with the bound.
        benchmark: name of the shipped public set used in place of private data, or ``None``.
        insecure: the noise was seeded; such a model is never registered.
        ledger: length and last hash of the ledger's chain when the labels were released, as ``LENGTH:HEAD``.
        description: the model card in Markdown, as the registry shows it.
    """

    name: str
    epsilon: float
    delta: float
    privacy_unit: str
    accountant: str
    benchmark: str | None
    insecure: bool
    ledger: str | None = None
    description: str = ""

    def __post_init__(self) -> None:
        check_name("model", self.name)
        if len(self.description) > MAX_TEXT:
            raise expected(f"a model card of at most {MAX_TEXT} characters", "shorten it", length=len(self.description))
        if not (self.epsilon >= 0 and math.isfinite(self.epsilon) and 0 <= self.delta < 1):
            raise expected(
                "a finite epsilon >= 0 and 0 <= delta < 1",
                "a model without a bound is not registered",
                epsilon=self.epsilon,
                delta=self.delta,
            )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Registrable:
    """A student that passed every check.

    Attributes:
        run_id: the run that trained it.
        name: of the registered model.
        digest: SHA-256 of its archive.
        card: its card for the registry, as recorded.
    """

    run_id: str
    name: str
    digest: str
    card: Mapping[str, Any]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Metrics of a student on a public evaluation set.

    Attributes:
        dataset: name of the set, as its ``DatasetCard`` has it.
        fingerprint: of the set, likewise.
        metrics: by name.
    """

    dataset: str
    fingerprint: str
    metrics: Mapping[str, float]

    def __post_init__(self) -> None:
        for name, value in self.metrics.items():
            check_key(name)
            if not math.isfinite(value):
                raise expected("finite metrics", "leave out undefined ones", metric=name, value=value)


def check_name(kind: str, name: str) -> None:
    """Refuse a run, phase or model name that is invalid in a path, a tag or a search."""
    if not _NAME.fullmatch(name):
        raise expected(f"a {kind} name of up to 100 letters, digits, '_', '.' or '-'", "choose another", name=name)


def check_experiment(name: str) -> None:
    """Refuse a name of an experiment that is invalid in MLflow, in a page's address or in a search."""
    if not _EXPERIMENT.fullmatch(name) or name != name.strip():
        raise expected(
            "an experiment name of up to 200 letters, digits, '_', '.', '-', '/' or spaces", "choose another", name=name
        )


def check_key(key: str) -> None:
    """Refuse a key that MLflow would refuse."""
    dots = any(part in {"", ".", ".."} for part in key.split("/"))
    if dots or len(key) > MAX_KEY or not _KEY.fullmatch(key):
        raise expected(
            f"a key of up to {MAX_KEY} letters, digits, '_', '.', '-', ':', spaces or '/' between parts",
            "rename it",
            key=key,
        )


def to_texts(values: Mapping[str, Any], *, prefix: str = "") -> dict[str, str]:
    """Parameters or tags as text: nested mappings become dotted keys, lists JSON, ``None`` the text ``none``."""
    texts: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            texts |= to_texts(value, prefix=f"{prefix}{key}.")
        else:
            check_key(prefix + key)
            texts[prefix + key] = _text(prefix + key, value)
    return texts


def without_long(values: Mapping[str, Any], *, file: str) -> tuple[dict[str, Any], bool]:
    """Parameters in which every text that is too long names a file and a hash instead, and ``True`` if there is one.

    Args:
        values: parameters, which may be nested.
        file: of the run's public folder, with the whole values.
    """
    found: dict[str, Any] = {}
    shortened = False
    for key, value in values.items():
        if isinstance(value, Mapping):
            found[key], inside = without_long(value, file=file)
            shortened |= inside
        elif len(_written(value)) > MAX_TEXT:
            digest = bytes_hash(_written(value).encode())
            found[key], shortened = f"in {file}, {len(_written(value))} characters, SHA-256 {digest}", True
        else:
            found[key] = value
    return found, shortened


def _written(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return json.dumps(value, default=str)
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _text(key: str, value: Any) -> str:
    text = _written(value)
    if len(text) > MAX_TEXT:
        raise expected(f"at most {MAX_TEXT} characters", "record a file instead", key=key, length=len(text))
    return text
