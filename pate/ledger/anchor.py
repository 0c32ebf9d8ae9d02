"""Anchor: the chain's length and head in a second file, which reveals a truncated chain or a restored older copy."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from pate.errors import LedgerError, expected
from pate.files import write_atomically

GENESIS = "0" * 64
"""The hash before the first row."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Length of a chain and the hash of its last row."""

    length: int
    head: str

    @classmethod
    def parse(cls, text: str) -> Anchor:
        """Read ``LENGTH:HEAD``, as ``str`` writes it and as a model version's tags hold it.

        Raises:
            InputError: it is not of that form.
        """
        length, _, head = text.partition(":")
        if not (length.isdecimal() and len(head) == len(GENESIS) and set(head) <= set("0123456789abcdef")):
            raise expected("an anchor as LENGTH:HEAD", "copy both from the model version's tags", anchor=text)
        return cls(length=int(length), head=head)

    def __str__(self) -> str:
        return f"{self.length}:{self.head}"


def read(path: Path) -> Anchor | None:
    """The anchor, or ``None`` where there is no file.

    Raises:
        LedgerError: the file is not an anchor.
    """
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text())
        return Anchor(length=int(content["length"]), head=str(content["head"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise LedgerError("Expected a ledger anchor with length and head, got another file; restore it") from error


def advance(path: Path, to: Anchor) -> None:
    """Move the anchor to a longer chain, atomically and never backwards; the caller holds the folder's lock."""
    now = read(path)
    if now is not None and now.length >= to.length:
        return
    for left in path.parent.glob(
        f".{path.name}.*.new"
    ):  # by a process that was killed: no other process holds the lock
        left.unlink()
    write_atomically(path, json.dumps({"length": to.length, "head": to.head}))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the ledger's folder: opening it and moving its anchor happen one process at a time."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
