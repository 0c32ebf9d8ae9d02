"""Refusal of a file that is named as private and as public."""

from __future__ import annotations

from pathlib import Path

from pate.errors import PrivacyViolation
from pipelines.config.data import FilesData


def refuse_shared_files(data: FilesData, root: Path) -> None:
    """Refuse a file that is named as private and as public, also through links.

    Names are compared, never contents, which would let the supplier of public files learn the content of private ones.
    Several arrays of one archive of a shipped public set are not the same data. Joined tables may serve both sides.
    """
    private = {(file.prefix, _identity(root / file.path)): n for n, file in enumerate(data.private_files)}
    for name, files in (("pool_files", data.pool_files), ("evaluation_files", data.evaluation_files)):
        for number, file in enumerate(files):
            identity = _identity(root / file.path)
            same = [
                n
                for (prefix, own), n in private.items()
                if own == identity and (data.set is None or prefix == file.prefix)
            ]
            if identity is not None and same:
                raise PrivacyViolation(
                    f"Expected public files as data.{name}, got data.{name}[{number}] which is "
                    f"data.private_files[{same[0]}]; name a public file"
                )


def _identity(path: Path) -> tuple[int, int] | None:
    """Identity of a file or folder, also through links: device and inode."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
