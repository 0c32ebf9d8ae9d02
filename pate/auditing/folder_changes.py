"""Changes of one image in folders of images, one folder for each class; a file is its own privacy unit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from io import BytesIO
from pathlib import Path
from typing import final

import numpy as np

from pate.auditing.record_changes import Files, Kind, pick
from pate.data.files.image_listing import image_files
from pate.data.origin import file_digest
from pate.values import Redacted


@final
class RawFolders(Redacted):
    """Folders of private images.

    Args:
        roots: each with one folder for each class.
        held: digests of the images that teachers learn from, where others were drawn for the public sets.
        grows: ``True`` if new images stay private; ``False`` where they may be drawn for the public sets.
    """

    def __init__(self, roots: Sequence[Path], held: Collection[bytes] | None = None, *, grows: bool = True) -> None:
        self._files: list[tuple[Path, Path]] = []
        for root in roots:
            found, _ = image_files(root)
            self._files += [(root, path) for path in found if held is None or file_digest(path) in held]
        self._grows = grows

    @property
    def units(self) -> int:
        """See ``RawRecords``."""
        return len(self._files)

    def changed(self, kind: Kind, unit: int, rng: np.random.Generator) -> Files | None:
        """See ``RawRecords``."""
        root, own = self._files[unit]
        content = own.read_bytes()
        other = self._files[int(rng.integers(len(self._files)))][1].read_bytes()
        if kind is Kind.RELABELLED:
            classes = sorted({path.relative_to(top).parts[0] for top, path in self._files if top == root})
            new = pick(rng, [name for name in classes if name != own.relative_to(root).parts[0]])
            return None if new is None else {own: None, root / new / Path(*own.relative_to(root).parts[1:]): content}
        if kind is Kind.UNLABELLED:
            return {own: None, root / own.name: content}
        if kind is Kind.UNKNOWN:
            return {own: None, root / "no such class" / own.name: content}
        if kind is Kind.ADDED and self._grows:
            return {own.with_name(f"added-{rng.integers(10**9)}{own.suffix}"): other}
        found = {Kind.WITHDRAWN: None, Kind.REPLACED: other, Kind.DOUBLED: other, Kind.EMPTIED: b""}
        if kind is Kind.ABSURD:
            return {own: pick(rng, [content[: len(content) // 2], b"no image", _dot()])}
        return {own: found[kind]} if kind in found and found[kind] != content else None


def _dot() -> bytes:
    """An image of one pixel."""
    from PIL import Image  # noqa: PLC0415 - only images need it

    written = BytesIO()
    Image.new("RGBA", (1, 1), (255, 0, 255, 0)).save(written, "PNG")
    return written.getvalue()
