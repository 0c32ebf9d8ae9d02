"""Keyed hashes of privacy units and of queries, which recognise equal inputs without storing them."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable
from pathlib import Path
from typing import final

from pate.errors import LedgerError
from pate.randomness import secret_key
from pate.values import Redacted

KEY_BYTES = 32


@final
class LedgerKey(Redacted):
    """The secret of one ledger, in the file ``key`` of its folder, readable by its owner alone."""

    __slots__ = ("_key",)

    def __init__(self, folder: Path) -> None:
        path = folder / "key"
        if not path.exists():
            _create(path)
        self._key = path.read_bytes()
        if len(self._key) != KEY_BYTES:
            raise LedgerError(
                f"Expected a ledger key of {KEY_BYTES} bytes, got {len(self._key)}; restore the ledger's key file "
                "from its backup",
                private_detail=str(path),
            )

    @property
    def digest(self) -> str:
        """Opaque identifier of the key, which does not reveal it."""
        (mark,) = _keyed(self._key, b"mark", [b""])
        return mark.hex()[:32]

    def units(self, keys: Iterable[bytes]) -> list[bytes]:
        """One hash for each privacy unit or record."""
        return hash_units(self._key, keys)

    def reveal(self) -> bytes:
        """The secret itself, for units that are hashed at their sites; see ``hash_units``."""
        return self._key

    def queries(self, keys: Iterable[bytes]) -> list[bytes]:
        """One hash for each public input."""
        return _keyed(self._key, b"query", keys)


def hash_units(secret: bytes, keys: Iterable[bytes]) -> list[bytes]:
    """As ``LedgerKey.units``, on another machine: one hash for each privacy unit or record."""
    return _keyed(secret, b"unit", keys)


def _keyed(secret: bytes, purpose: bytes, contents: Iterable[bytes]) -> list[bytes]:
    """HMAC-SHA256 of the purpose, a zero byte and each content."""
    begun = hmac.new(secret, purpose + b"\0", hashlib.sha256)  # the key is processed once for all
    found = []
    for content in contents:
        digest = begun.copy()
        digest.update(content)
        found.append(digest.digest())
    return found


def _create(path: Path) -> None:
    """Write a new key atomically, also when several processes start at once."""
    temporary = path.with_name(f"key.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret_key(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
