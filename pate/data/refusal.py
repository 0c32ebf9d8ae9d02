"""Errors about files: the public line says what was declared, the private detail what was found.

Files may be private, so nothing that stands in one is in the public line: no value, no name of a column, array or
file, no count and no text of another library's error. Names and numbers of the configuration may be there.
"""

from __future__ import annotations

from pathlib import Path

from pate.errors import InputError, expected


def refused(what: str, remedy: str, *, detail: str, **declared: object) -> InputError:
    """An ``InputError`` that keeps what was found to itself.

    >>> str(refused("numbers in data.private_files[0]", "correct them", detail="row 3: 'x'"))
    'Expected numbers in data.private_files[0]; correct them'

    Args:
        what: what was expected, and in which part of the configuration.
        remedy: what to do.
        detail: what was found, for the private incident only.
        declared: values of the configuration.
    """
    error = expected(what, remedy, **declared)
    error.private_detail = detail
    return error


def no_file(path: Path, *, key: str) -> InputError:
    """The error for a path at which nothing can be read."""
    return InputError(
        f"Expected a file at {key}, got none; correct the path (relative ones start at the configuration's folder)",
        private_detail=str(path),
    )


def require_file(path: Path, *, key: str) -> None:
    """Refuse a path without a file; that one is there says nothing about what it holds."""
    if not path.is_file():
        raise no_file(path, key=key)
