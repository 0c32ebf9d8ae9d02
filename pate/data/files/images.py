"""Images in folders (one folder per class) and in manifests (a table of ``path, label, unit, site``)."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from pate.arrays import IdArray
from pate.data.body import UNLABELLED, Body, Split, divide, require_one_spelling, rows_refused
from pate.data.columns import LabelRule, ids
from pate.data.files.table_file import FileFormat, read_table
from pate.data.origin import FILE_BITS, Origin, file_digest
from pate.data.pixels import to_inputs
from pate.data.private_side import private_side
from pate.data.records import FloatArray, PrivateRecords, Study
from pate.data.refusal import refused, require_file
from pate.data.study import records_of, study_of
from pate.errors import expected

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".pgm", ".ppm"})
COLUMNS = ("path", "label", "unit", "site")
POSITION = "(position)"
"""Column of a listing that holds each image's position."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """A folder of images or a manifest.

    Attributes:
        path: a folder with one folder per class (a pool may hold images without), or a CSV file with the columns
            ``path`` (relative to the file), ``label``, ``unit`` and ``site``, of which only the first is always needed.
        site: the site of all its images, unless a column gives it.
    """

    path: Path
    site: str | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """The shape that every image is converted to.

    Attributes:
        height: in pixels.
        width: in pixels.
        channels: 1 (grey) or 3 (colour).
    """

    height: int
    width: int
    channels: int

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1 or self.channels not in (1, 3):
            raise expected(
                "data.pixels with height and width >= 1 and 1 or 3 channels",
                "declare the size and channels to which images are converted",
                height=self.height,
                width=self.width,
                channels=self.channels,
            )


def image_study(
    *,
    task: str,
    classes: tuple[str, ...],
    private: tuple[ImageSource, ...],
    pool: tuple[ImageSource, ...],
    evaluation: tuple[ImageSource, ...],
    pixels: Pixels,
    split: Split,
    sizes: tuple[int, int],
) -> Study:
    """A study from images; the arguments mean what they mean in ``pate.data.files.table.table_study``."""
    named = (("private", private), ("pool", pool), ("evaluation", evaluation))
    if not private and not pool:
        raise expected("data.private_files", "name the folders or manifests of the private images")
    mine, *others = [
        None if not sources else _private(sources, classes) if name == "private" else _body(sources, classes, name)
        for name, sources in named
    ]
    parts = divide(mine, others[0], others[1], split=split, sizes=sizes, public=False)
    return study_of(
        parts,
        task=task,
        classes=classes,
        source=None,
        encode=lambda body, key: read_images(list(body.table()["path"]), pixels, key=key),
    )


def image_records(sources: tuple[ImageSource, ...], *, pixels: Pixels, classes: tuple[str, ...]) -> PrivateRecords:
    """The private images of some folders and manifests, for a study made elsewhere."""
    body = _private(sources, classes)
    return records_of(body, lambda body, key: read_images(list(body.table()["path"]), pixels, key=key))


def read_images(paths: list[str], pixels: Pixels, *, key: str) -> FloatArray:
    """Images in one shape. Shape ``[N, channels, height, width]``, float32 in [0, 1].

    Raises:
        InputError: files that are missing or no images; a count in public, the paths in the private detail.
    """
    from PIL import Image  # noqa: PLC0415 - only this loader needs it

    shape = (pixels.height, pixels.width) if pixels.channels == 1 else (pixels.height, pixels.width, 3)
    images = np.zeros((len(paths), *shape), dtype=np.uint8)
    broken_N = np.zeros(len(paths), dtype=bool)
    for number, path in enumerate(paths):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a warning may quote the file
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(path) as image:
                    plain = image.convert("L" if pixels.channels == 1 else "RGB")
            images[number] = np.asarray(plain.resize((pixels.width, pixels.height), Image.Resampling.BILINEAR))
        except Exception:  # a decoder's error may quote the file
            broken_N[number] = True
    if broken_N.any():
        raise rows_refused(
            "readable images",
            "restore the files, or remove them from the folder or manifest",
            key=key,
            bad_N=broken_N,
            found=paths,
        )
    return to_inputs(images, key=key)


def _private(sources: tuple[ImageSource, ...], classes: tuple[str, ...]) -> Body:
    """Load private images; faults raise ``RecordsRefused``, a missing folder or manifest names its key."""
    key = "data.private_files"
    for number, source in enumerate(sources):
        if not source.path.is_dir():
            require_file(source.path, key=f"{key}[{number}]")
    with private_side():
        body = require_one_spelling(_body(sources, classes, "private"), key)
        return replace(body, origin=_origin(sources, body))


def _origin(sources: tuple[ImageSource, ...], body: Body) -> Origin:
    """The origin of images: their content, and their position in the manifest or their name in the folder.

    The folder of a class is not part of the name, so that an image with another label keeps its position.
    """
    files = [Path(path) for path in body.table()["path"]]
    raw = tuple((file_digest(file) if file.is_file() else b"",) for file in files)
    manifests = [file_digest(source.path) for source in sources if source.path.is_file()]
    return Origin(positions_N=body.table()[POSITION].to_numpy(dtype=np.int64), raw=raw, files=tuple(manifests))


def _body(sources: tuple[ImageSource, ...], classes: tuple[str, ...], name: str) -> Body:
    key = f"data.{name}_files"
    tables = [_listing(source, f"{key}[{number}]") for number, source in enumerate(sources)]
    for number, table in enumerate(tables):
        before = sum(source.site == sources[number].site for source in sources[:number])
        table[POSITION] += before << FILE_BITS
    table = pd.concat(tables, ignore_index=True)
    labels_N = np.full(len(table), UNLABELLED, dtype=np.int64)
    if "label" in table.columns:
        labels_N = LabelRule(column="label", classes=classes).labels(table, classes, key=key)
    if name != "pool" and (labels_N == UNLABELLED).any():
        raise rows_refused(
            "a label for every image", "put it in a folder named after its class", key=key, bad_N=labels_N == UNLABELLED
        )
    return Body(rows=table, labels_N=labels_N, units_N=_ids(table, "unit", key), sites_N=_ids(table, "site", key))


def _listing(source: ImageSource, key: str) -> pd.DataFrame:
    """Paths with label, unit and site of each image."""
    if source.path.is_dir():
        table = _folder(source.path, key)
    else:
        table = read_table(source.path, FileFormat(), key=key)
        surplus = sorted(set(table.columns) - set(COLUMNS))
        if "path" not in table.columns or surplus:
            raise refused(
                f"columns out of {list(COLUMNS)} and at least path in {key}",
                "name the columns in the first line",
                detail=f"{source.path}, columns: {[str(name) for name in table.columns]}",
            )
        table[POSITION] = table.index
        without_N = table["path"].isna().to_numpy()
        if without_N.any():
            raise rows_refused("a path for every image", "fill it in, or remove the line", key=key, bad_N=without_N)
        table["path"] = [str(source.path.parent / path) for path in table["path"]]
    if source.site is not None and "site" not in table.columns:
        table["site"] = source.site
    return table


def _folder(root: Path, key: str) -> pd.DataFrame:
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise refused(f"images in {key}", "correct the path, or remove the empty site", detail=f"{root}: none")
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


def _ids(table: pd.DataFrame, name: str, key: str) -> IdArray | None:
    return ids(table, name, declared=f"data.{name}", key=key) if name in table.columns else None
