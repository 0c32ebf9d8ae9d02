"""Download a shipped public set into ``PATE_HOME/data``, atomically and with checksums.

A file gets its name only after its SHA-256 (or its content) was verified. An interrupted download leaves a hidden
``.part`` file in the same folder, which the next attempt resumes.
"""

from __future__ import annotations

import fcntl
import gzip
import http.client
import shutil
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from pate.errors import InputError, Unavailable, expected
from pate.files import file_hash, sync
from pate.public_sets import recognise_rows
from pipelines.data.shipped_sets import ShippedFile, ShippedSet, find, folder_of, shipped_set
from pipelines.storage.home import Home, home

CHUNK = 1 << 20
LARGEST = 1 << 30
"""Largest size of a download or an unpacked file, bytes; every shipped file is far smaller."""
TIMEOUT_S = 60.0

OnFile = Callable[[str, int], None]
"""Called with the name and the bytes of each file that is in place."""


def fetch(name: str, *, mirror: str | None = None, on_file: OnFile = lambda name, size: None) -> Path:
    """The folder of a set, downloaded if missing.

    Args:
        name: of the set.
        mirror: base URL that holds ``<folder>/<file>`` as published, instead of the publishers' own servers; the
            checksum decides in either case.
        on_file: called for each file.

    Raises:
        InputError: unknown set, one that cannot be downloaded, or content that is not the published one.
        Unavailable: no answer, or an interrupted download; the part received is kept for the next attempt.
    """
    wanted = shipped_set(name)
    there = find(name)
    if there is not None and not there.is_relative_to(Home(home()).data_folder):
        return folder_of(name)
    if there is None and wanted.by_hand is not None:
        raise InputError(f"Expected a set that can be downloaded, got {name}: {wanted.by_hand}")
    folder = Home(home()).data_folder / wanted.folder
    with _locked(folder):
        for file in wanted.files:
            target = folder / file.name
            if not (target.is_file() and is_published(target, file, name)):
                _fetch_file(target, file, wanted, mirror)
            on_file(file.name, target.stat().st_size)
    return folder


def is_published(path: Path, file: ShippedFile, name: str) -> bool:
    """Return ``True`` if a file is the published one."""
    if file.sha256 is not None:
        return file_hash(path) == file.sha256
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            keys = ("train_images", "train_labels") if "train_images" in arrays else ("images", "labels")
            images, labels = (arrays[key] for key in keys)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return False
    source = recognise_rows(images, labels.reshape(len(labels), -1)[:, 0].astype(np.int64))
    return source is not None and source.name == name


def _fetch_file(target: Path, file: ShippedFile, wanted: ShippedSet, mirror: str | None) -> None:
    url = file.url or ""
    if mirror is not None:
        url = f"{mirror.rstrip('/')}/{wanted.folder}/{file.name}{'.gz' if file.packed else ''}"
    if urlsplit(url).scheme not in ("http", "https"):
        raise expected("an http or https address as --mirror", "give the base URL of a server", mirror=mirror)
    target.parent.mkdir(parents=True, exist_ok=True)
    part, new = (target.with_name(f".{target.name}.{ending}") for ending in ("part", "new"))
    _download(url, part)
    try:
        _unpack(part, new, packed=file.packed)
        if not is_published(new, file, wanted.name):
            part.unlink()
            raise InputError(
                f"Expected {file.name} of {wanted.name} as published, got content with another checksum from "
                f"{urlsplit(url).hostname}; try again, or another --mirror"
            )
        sync(new)
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)
    part.unlink()


def _download(url: str, part: Path) -> None:
    """Download the rest of ``part``."""
    host = urlsplit(url).hostname
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "pate", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme was checked
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            resumed = answer.status == http.client.PARTIAL_CONTENT and _starts_at(answer, have)
            total = _copy(answer, part, start=have if resumed else 0)
    except urllib.error.HTTPError as error:
        if have and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()
            _download(url, part)
            return
        raise Unavailable(
            f"Expected {part.name[1:-5]} from {host}, got HTTP {error.code}; try again later, or use --mirror"
        ) from error
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise Unavailable(
            f"Expected {part.name[1:-5]} from {host}, got {type(error).__name__}; check the network and run the same "
            "command again: the download resumes; behind a firewall, use --mirror"
        ) from error
    if total is not None and part.stat().st_size != total:
        raise Unavailable(
            f"Expected {total} bytes of {part.name[1:-5]} from {host}, got {part.stat().st_size}: a truncated "
            "download; run the same command again, the download resumes"
        )


def _copy(answer: Any, part: Path, *, start: int) -> int | None:
    """Append to, or overwrite, the part; returns the full length that the server announced."""
    length = answer.headers.get("Content-Length")
    total = start + int(length) if length is not None and length.isdigit() else None
    written = start
    with part.open("r+b" if start else "wb") as file:
        file.seek(start)
        while chunk := answer.read(CHUNK):
            written += len(chunk)
            if written > LARGEST:
                raise expected("a file of the published size", "use another --mirror", bytes=written)
            file.write(chunk)
    return total


def _starts_at(answer: Any, have: int) -> bool:
    return str(answer.headers.get("Content-Range", "")).startswith(f"bytes {have}-")


def _unpack(part: Path, new: Path, *, packed: bool) -> None:
    if not packed:
        shutil.copyfile(part, new)
        return
    try:
        written = 0
        with gzip.open(part, "rb") as source, new.open("wb") as file:
            while chunk := source.read(CHUNK):
                written += len(chunk)
                if written > LARGEST:
                    raise expected("a file of the published size", "use another --mirror", bytes=written)
                file.write(chunk)
    except (OSError, EOFError, zlib.error) as error:
        part.unlink()
        raise InputError(
            f"Expected {part.name[1:-5]} compressed by gzip, got content that is not ({type(error).__name__}): a "
            "damaged download; run the same command again"
        ) from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One download of a set at a time; the others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
