"""The shipped list of public data sets, by fingerprint.

Metrics such as label accuracy are functions of private votes and true labels. They may exist only where the "private"
records are in fact a public benchmark: ``BenchmarkOnly`` values are bound to a ``PublicSource``, and
a ``PublicSource`` exists only for data whose bytes are on this list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, final

import numpy as np
import numpy.typing as npt

from pate.errors import PrivacyViolation

SHIPPED: dict[str, str] = {
    # images and labels, in order
    "9412306fcce78e42a62b53b9d042f320": "digits",
    "7a20c28713f9dfe2c89b1c34d09b1699": "mnist",
    "525742b0fb098deccd38061811818b11": "mnist",
    "49ba6927a1b4ab67452b16d2ded08b7f": "fashion_mnist",
    "cd968d8e7a9fa55511721a8169f748f1": "fashion_mnist",
    # images and labels, in any order
    "e671e3eb7e4c7e26e165a5a8bf25ae1b": "pneumoniamnist",
    "37b7d04443054ee72342769889bb9ab0": "breastmnist",
    "a9f7f511e39c41554f6f95cac6539a70": "malaria",
    # files
    "5b00264637dbfec36bdeaab5676b0b30": "adult",  # adult.data
    "a2a9044bc167a35b2361efbabec64e89": "adult",  # adult.test
    "b83236006ed19041d1a691b3bbf32f84": "eicu_demo",  # apacheApsVar.csv
    "c72af9ed79a18a070f9fbbef4644326d": "eicu_demo",  # apachePatientResult.csv
    "98bf8ef7a7ff524c0fbca2ddefefed02": "eicu_demo",  # apachePredVar.csv
    "bde6a80b5887d1acc022a9a71b5b40e5": "eicu_demo",  # hospital.csv
    "be023b5641434ec24b2c2c0d635c5290": "eicu_demo",  # patient.csv
    "a74b7efa387bc9d108d7d0115d831fe9": "heart4",  # processed.cleveland.data
    "d1ad108f785768cd3d7e82dc522e6f5a": "heart4",  # processed.hungarian.data
    "834a405ccf5b66ab4056bb77794adc8d": "heart4",  # processed.switzerland.data
    "e7c93d8d0d2acdadfa4c5e8de768e219": "heart4",  # processed.va.data
}
"""Fingerprint -> name of the set."""

DIGITS = 32
"""Hex digits of a fingerprint: 128 bits."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PublicSource:
    """Proof that data are a public benchmark: name and fingerprint of its bytes."""

    name: str
    fingerprint: str

    def __post_init__(self) -> None:
        if SHIPPED.get(self.fingerprint) != self.name:
            raise PrivacyViolation(
                f"Expected a data set on the shipped list of public sets, got name={self.name!r}; "
                "benchmark metrics cannot be computed for other data"
            )


class Streamed(Protocol):
    """An array that is too large for memory."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        ...

    def hashed(self, digest: Any) -> Any:
        """Return a running SHA-256 after its little-endian float32 bytes."""
        ...


def fingerprint(*arrays: npt.NDArray[np.generic] | Streamed) -> str:
    """The first 128 bits, in hex, of SHA-256 over dtype, shape and little-endian bytes of each array."""
    digest = hashlib.sha256()
    for array in arrays:
        if not isinstance(array, np.ndarray):
            digest.update(f"<f4{array.shape}".encode())
            digest = array.hashed(digest)
            continue
        canonical = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{canonical.dtype.str}{canonical.shape}".encode())
        digest.update(canonical.tobytes())
    return digest.hexdigest()[:DIGITS]


def rows_fingerprint(*arrays: npt.NDArray[np.generic]) -> str:
    """The same over rows in any order: of the sorted digests of the rows ``(a[i], b[i], ...)``."""
    canonical = [np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")) for array in arrays]
    head = "rows" + "".join(f"{array.dtype.str}{array.shape}" for array in canonical)
    rows = sorted(
        hashlib.sha256(b"".join(row.tobytes() for row in aligned)).digest() for aligned in zip(*canonical, strict=True)
    )
    return hashlib.sha256(head.encode() + b"".join(rows)).hexdigest()[:DIGITS]


def file_fingerprint(path: Path) -> str:
    """The first 128 bits, in hex, of SHA-256 over a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]


def recognise(*arrays: npt.NDArray[np.generic]) -> PublicSource | None:
    """The public set with these arrays, or ``None``."""
    return _source(fingerprint(*arrays))


def recognise_rows(*arrays: npt.NDArray[np.generic]) -> PublicSource | None:
    """The public set with these rows, in any order, or ``None``."""
    return _source(rows_fingerprint(*arrays))


def recognise_files(paths: Iterable[Path]) -> PublicSource | None:
    """The public set that every one of these files belongs to, or ``None`` if any of them does not."""
    found = [_source(file_fingerprint(path)) for path in paths]
    first = found[0] if found else None
    if first is None or any(source is None or source.name != first.name for source in found):
        return None
    return first


def _source(found: str) -> PublicSource | None:
    name = SHIPPED.get(found)
    return None if name is None else PublicSource(name=name, fingerprint=found)
