"""The files of image folders and manifests, with label, unit and site of each."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import numpy as np
import pandas as pd

from pate.data.body import DETAILS, rows_refused
from pate.data.files import dicom
from pate.data.files.file_format import FileFormat
from pate.data.files.image_reading import SUFFIXES, in_threads, is_dicom
from pate.data.files.table_file import read_table
from pate.data.origin import FILE_BITS
from pate.data.refusal import refused

COLUMNS = ("path", "label", "unit", "site")
POSITION = "(position)"
"""Column of a listing that holds each image's position."""
BESIDE = frozenset({
    ".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".html", ".htm", ".pdf", ".yaml", ".yml", ".ini",
    ".cfg", ".db", ".log", ".doc", ".docx", ".xls", ".xlsx", ".parquet", ".py", ".sh", ".bat", ".sha256", ".md5",
})  # fmt: skip
"""Suffixes of files that stand beside images and are none."""
_BESIDE_NAMES = frozenset(
    {"README", "LICENSE", "LICENCE", "COPYING", "CHANGELOG", "CITATION", "MANIFEST", dicom.DIRECTORY}
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestColumns:
    """Names of a manifest's columns; ``None``: the column of the attribute's own name, if there is one.

    Attributes:
        path: of the image.
        label: the class.
        unit: the privacy unit's id.
        site: the site.
        contains: a finding; labels that list it (``A|B``) are the second class, all others the first.
        folder: where relative paths start; ``None``: at the manifest.
    """

    path: str | None = None
    label: str | None = None
    unit: str | None = None
    site: str | None = None
    contains: str | None = None
    folder: Path | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """A folder of images or a manifest.

    Attributes:
        path: a folder with one folder per class (a pool may hold images without), or a table with the columns
            ``path`` (relative to the file), ``label``, ``unit`` and ``site``, of which only the first is always needed.
        site: the site of all its images, unless a column gives it.
        columns: other names of a manifest's columns; columns that are not named are then ignored.
        dicom_unit: ``patient``: the unit of a DICOM file is its PatientID, unless a manifest gives it.
    """

    path: Path
    site: str | None = None
    columns: ManifestColumns | None = None
    dicom_unit: Literal["patient", "image"] = "patient"


def image_files(root: Path) -> tuple[list[Path], list[Path]]:
    """Find the images below a folder, and the files that may be images in a form that is not read; both in order."""
    images, strange = [], []
    for path in sorted(root.rglob("*")):
        suffix = path.suffix.lower()
        if path.name.startswith("._") or path.name == dicom.DIRECTORY or not path.is_file():
            continue
        if suffix in SUFFIXES or is_dicom(path):
            images.append(path)
        elif not (path.name.startswith(".") or suffix in BESIDE or path.name in _BESIDE_NAMES):
            strange.append(path)
    return images, strange


def listing(source: ImageSource, *, key: str, needs: Sequence[str] = ()) -> pd.DataFrame:
    """List paths with position, and label, unit and site where known.

    Args:
        source: a folder or manifest.
        key: the configuration key, for errors.
        needs: the columns that must be there if the configuration names them.
    """
    table = _folder(source.path, key) if source.path.is_dir() else _manifest(source, key, needs)
    if source.dicom_unit == "patient" and "unit" not in table.columns:
        patients = _patients(table["path"].tolist())
        if patients is not None:
            table["unit"] = patients
    if source.site is not None and "site" not in table.columns:
        table["site"] = source.site
    return table


def _folder(root: Path, key: str) -> pd.DataFrame:
    files, strange = image_files(root)
    if strange:
        kinds = Counter(path.suffix.lower() or "(no suffix)" for path in strange)
        raise refused(
            f"images alone in {key}",
            "convert files of other kinds (PNG, JPEG, TIFF, DICOM and others are read), or move them elsewhere",
            detail=f"{root}: {len(strange)} beside {len(files)} images: "
            + ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
            + "".join(f"\n{path}" for path in strange[:DETAILS]),
        )
    if not files:
        raise refused(f"images in {key}", "correct the path, or leave the empty folder out", detail=f"{root}: none")
    direct = [path.parent == root for path in files]
    table = pd.DataFrame({"path": [str(path) for path in files]})
    if not all(direct):
        labels = [None if own else path.relative_to(root).parts[0] for path, own in zip(files, direct, strict=True)]
        table["label"] = pd.Series(labels, dtype="str")
    above = [root if own else root / path.relative_to(root).parts[0] for path, own in zip(files, direct, strict=True)]
    names = [path.relative_to(folder) for path, folder in zip(files, above, strict=True)]
    table[POSITION] = [_position(name.as_posix()) for name in names]
    return table


def _position(name: str) -> int:
    """Position of a file, from its name alone."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[: FILE_BITS // 8], "big")


def _manifest(source: ImageSource, key: str, needs: Sequence[str]) -> pd.DataFrame:
    found = read_table(source.path, FileFormat(), key=key)
    table = _renamed(found, source, key, needs)
    table[POSITION] = table.index
    without_N = table["path"].isna().to_numpy()
    if without_N.any():
        raise rows_refused("a path for every image", "fill it in, or remove the line", key=key, bad_N=without_N)
    columns = source.columns or ManifestColumns()
    table["path"] = whole_paths(table["path"].tolist(), columns.folder or source.path.parent, key=key)
    return table


def _renamed(found: pd.DataFrame, source: ImageSource, key: str, needs: Sequence[str]) -> pd.DataFrame:
    """Return the columns path, label, unit and site of a manifest, as far as they are there."""
    if source.columns is None:
        surplus = sorted(set(found.columns) - set(COLUMNS))
        if "path" not in found.columns or surplus:
            raise refused(
                f"columns out of {list(COLUMNS)} and at least path in {key}",
                "name the columns in the first line, or declare their names by data.manifest",
                detail=f"{source.path}, columns: {[str(name) for name in found.columns]}",
            )
        return found
    taken = {}
    for role in COLUMNS:
        declared = getattr(source.columns, role)
        name = declared or role
        if name in found.columns:
            taken[role] = found[name]
        elif role == "path" or (declared is not None and role in needs):
            raise refused(
                f"column data.manifest.{role}={name!r} in {key}",
                "correct the name",
                detail=f"{source.path}, columns: {[str(each) for each in found.columns]}",
            )
    return pd.DataFrame(taken)


def whole_paths(names: list[str], root: Path, *, key: str) -> list[str]:
    """Whole paths of the images of a manifest; a bare name that is not in the folder is looked for in those below it.

    Args:
        names: as the manifest has them.
        root: where relative ones start.
        key: the configuration key, for errors.

    Raises:
        InputError: a bare name that several folders have.
    """
    placed = [root / name for name in names]
    away = [row for row, path in enumerate(placed) if path.parent == root and not path.is_file()]
    if not away:
        return [str(path) for path in placed]
    wanted = {placed[row].name for row in away}
    below: dict[str, list[Path]] = {}
    for path in root.rglob("*"):
        if path.name in wanted and path.is_file():
            below.setdefault(path.name, []).append(path)
    double = np.zeros(len(placed), dtype=bool)
    for row in away:
        there = below.get(placed[row].name, [])
        double[row] = len(there) > 1
        placed[row] = there[0] if there else placed[row]
    if double.any():
        raise rows_refused(
            "paths that name one file each", "write the folder before the name", key=key, bad_N=double, found=names
        )
    return [str(path) for path in placed]


def _patients(paths: list[str]) -> pd.Series[str] | None:
    """Return the PatientID of each DICOM file, missing for other files; ``None`` if there is no DICOM file."""

    def patient(path: str) -> tuple[bool, str | None]:
        file = Path(path)
        return (True, dicom.patient_of(file)) if is_dicom(file) else (False, None)

    found = list(in_threads(patient, paths))
    return pd.Series([unit for _, unit in found], dtype="str") if any(there for there, _ in found) else None
