"""Errors about files: the public line states what was declared, the private detail what was found.

Files may be private, so no content of one is in the public line: no value, no name of a column, array or
file, no count and no text of another library's error. Names and numbers of the configuration may be there.
"""

from __future__ import annotations

from pathlib import Path

from pate.errors import InputError, expected


def refused(what: str, remedy: str, *, detail: str, **declared: object) -> InputError:
    """An ``InputError`` whose public text leaves out what was found.

    >>> str(refused("numbers in data.private_files[0]", "correct them", detail="row 3: 'x'"))
    'Expected numbers in data.private_files[0]; correct them'

    Args:
        what: the expectation, and the configuration key that it concerns.
        remedy: the way out.
        detail: the finding, for the private incident only.
        declared: values of the configuration.
    """
    error = expected(what, remedy, **declared)
    error.private_detail = detail
    return error


def require_file(path: Path, *, key: str) -> None:
    """Refuse a path at which there is no file.

    Args:
        path: of a file that should exist.
        key: the configuration key that names it.

    Raises:
        InputError: there is none, or it cannot be looked at; the path is in the private detail.
    """
    try:
        found = path.is_file()
    except (OSError, ValueError):
        found = False
    if not found:
        raise refused(
            f"a file at {key}, got none",
            "correct the path (relative ones start at the configuration's folder)",
            detail=str(path),
        )
