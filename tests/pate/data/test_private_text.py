"""Nothing that stands in a file is printed: it is in the private detail of the error, and there alone."""

from __future__ import annotations

import io
import traceback
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pate.data.columns import LabelRule, ids, numbers
from pate.data.files.images import ImageSource, Pixels, _body, read_images
from pate.data.files.npz import NpzArrays, NpzFile, _bodies
from pate.data.files.table_file import FileFormat, Join, join_tables, read_table
from pate.errors import InputError

CANARY = "CANARY-7731"
KEY = "data.private_files[0]"


def refused(act: Callable[[], object], *, detail: str = CANARY) -> InputError:
    """The error of what must be refused; its text, and those of its causes, do not hold the canary."""
    with pytest.raises(InputError) as caught:
        act()
    error = caught.value
    printed = "".join(traceback.format_exception(error))
    assert CANARY not in printed
    assert "\n" not in str(error)
    assert detail in (error.private_detail or ""), error.private_detail
    return error


def written(folder: Path, text: str | bytes, name: str = "private.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def id_column(path: Path) -> object:
    return ids(read_table(path, FileFormat(), key=KEY), "id", declared="data.unit", key=KEY)


def test_the_first_patient_of_a_file_without_a_header_is_not_printed(tmp_path: Path) -> None:
    refused(lambda: id_column(written(tmp_path, f"{CANARY},ill\nanother,well\n")))


def test_names_of_columns_are_not_printed_or_counted(tmp_path: Path) -> None:
    error = refused(lambda: id_column(written(tmp_path, f"{CANARY},a,b,c,d,e,f\n1,2,3,4,5,6,7\n")))
    assert "7" not in str(error)
    path = tmp_path / "private.parquet"
    pd.DataFrame({CANARY: [1], "b": [2]}).to_parquet(path)
    refused(lambda: id_column(path))
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=[CANARY, CANARY]), path)
    refused(lambda: id_column(path))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (f"id,b\n{CANARY},1\n1,2,{CANARY},4\n", f"{CANARY}.csv"),
        (f'id,b\n"{CANARY},1\n', f"{CANARY}.csv"),
        (f"id,b\n{CANARY},1\n".encode("utf-16"), f"{CANARY}.csv"),
        (b"\xff\xfe\xfd" + CANARY.encode(), f"{CANARY}.csv"),
        (CANARY, f"{CANARY}.parquet"),
        (b"PAR1" + CANARY.encode() + b"\x05\x00\x00\x00PAR1", f"{CANARY}.parquet"),
    ],
)
def test_broken_tables_are_refused_without_their_text_or_name(tmp_path: Path, content: str | bytes, name: str) -> None:
    error = refused(lambda: read_table(written(tmp_path, content, name), FileFormat(), key=KEY))
    assert "Error" not in str(error)


@pytest.mark.parametrize(
    "act",
    [
        lambda table: numbers(table["x"], name="x", key=KEY),
        lambda table: LabelRule(column="x", classes=("a", "b")).labels(table, ("a", "b"), key=KEY),
        lambda table: LabelRule(column="x", above=1.0).labels(table, ("a", "b"), key=KEY),
    ],
)
def test_values_are_not_printed(act: Callable[[pd.DataFrame], object]) -> None:
    refused(lambda: act(pd.DataFrame({"x": ["1", CANARY]}, dtype="str")))


def test_joins_print_no_names_and_no_ids(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["1", "2", CANARY.lower()], CANARY: ["a", "b", "c"]}, dtype="str")

    def join(text: str) -> Callable[[], object]:
        other = written(tmp_path, text, "other.csv")
        return lambda: join_tables(table, (Join(path=other, column="id"),), key=KEY)

    refused(join(f"id,{CANARY}\n1,2\n"))
    refused(join(f"id,y\n{CANARY},2\n{CANARY},3\n"))
    refused(join(f"id,y\n1,2\n{CANARY},3\n"), detail=CANARY.lower())
    refused(join("id,y\n9,2\n"), detail="none")
    refused(join(f"{CANARY},y\n9,2\n"))


def stored(folder: Path, **arrays: Any) -> NpzFile:
    whole = {"images": np.zeros((3, 2, 2), dtype=np.uint8), "labels": np.zeros(3, dtype=np.int64), **arrays}
    np.savez(folder / f"{CANARY}.npz", **{name: value for name, value in whole.items() if value is not None})
    return NpzFile(path=folder / f"{CANARY}.npz")


@pytest.mark.parametrize(
    "arrays",
    [
        {"images": None, CANARY: np.zeros(3)},
        {"who": np.array([CANARY, "b", ""])},
        {"who": np.array([CANARY, "b", None], dtype=object)},
        {"who": np.zeros(3, dtype=[(CANARY, "i4")])},
        {"who": np.array([f"{CANARY}{'x' * 500}", "b", "c"])},
        {"who": np.array([CANARY.encode() + b"\xff", b"b", b"c"])},
        {"who": np.array([CANARY, "b"])},
        {"who": np.array(CANARY)},
        {"labels": np.zeros(3, dtype=[(CANARY, "i4")])},
        {"images": np.zeros((3, 2, 2), dtype=[(CANARY, "u1")])},
    ],
)
def test_archives_print_no_names_and_no_ids(tmp_path: Path, arrays: dict[str, Any]) -> None:
    file = stored(tmp_path, **({"who": np.array(["a", "b", "c"])} | arrays))
    with pytest.raises(InputError) as caught:
        _bodies((file,), NpzArrays(unit="who"), 2, "data.private_files")
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert "\n" not in str(caught.value)
    assert caught.value.private_detail


@pytest.mark.parametrize("change", [{"images": np.zeros((3, 2, 2, 7))}, {"labels": np.array([0, 1, 77])}])
def test_archives_print_no_sizes(tmp_path: Path, change: dict[str, Any]) -> None:
    file = stored(tmp_path, **change)
    error = refused(lambda: _bodies((file,), NpzArrays(), 2, "data.private_files"), detail="data.private_files[0]")
    assert "7" not in str(error)
    assert "records_outside" not in str(error)


def header(shape: tuple[int, ...], kind: str) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": kind, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def archive(folder: Path, content: bytes, *, compressed: bool = False, name: str = "images.npy") -> NpzFile:
    labels = io.BytesIO()
    np.save(labels, np.zeros(3, dtype=np.int64))
    with zipfile.ZipFile(folder / "lies.npz", "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as file:
        file.writestr("labels.npy", labels.getvalue())
        file.writestr(name, content)
    return NpzFile(path=folder / "lies.npz")


@pytest.mark.parametrize(
    "content",
    [
        header((10**7, 1000, 1000), "|u1") + b"few",
        header((10**30, 10**30, 10**30), "<f8"),
        header((10**12, 2, 2), "<U0"),
        header((3, 2, 2), "<U300000000"),
        header((-1, 2, 2), "|u1"),
        header((3, 2, 2), "|u1") + bytes(13),
        header((3, 2, 2), "|O") + b"cos\nsystem\n",
        b"\x93NUMPY\x09\x00" + bytes(100),
        b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + b"(" * 5000,
        b"\x93NUMPY\x01\x00\x88\x13" + b"(" * 5000,
        b"",
    ],
)
def test_headers_that_promise_more_than_the_file_are_refused(tmp_path: Path, content: bytes) -> None:
    for compressed in (False, True):
        file = archive(tmp_path, content, compressed=compressed)
        with pytest.raises(InputError, match=r"archive without pickles at data\.private_files\[0\]") as caught:
            _bodies((file,), NpzArrays(), 2, "data.private_files")
        assert "\n" not in str(caught.value)


def test_archives_that_swell_are_refused(tmp_path: Path) -> None:
    shape = (300, 1024, 1024)
    file = archive(tmp_path, header(shape, "|u1") + bytes(int(np.prod(shape))), compressed=True)
    assert file.path.stat().st_size < 2**20
    with pytest.raises(InputError, match=r"archive without pickles at data\.private_files\[0\]"):
        _bodies((file,), NpzArrays(), 2, "data.private_files")


def test_a_single_array_is_no_archive(tmp_path: Path) -> None:
    path = written(tmp_path, header((10**7, 1000, 1000), "|u1") + b"few", "images.npz")
    refused(lambda: _bodies((NpzFile(path=path),), NpzArrays(), 2, "data.private_files"), detail=str(path))


def test_manifests_without_a_header_print_no_patient(tmp_path: Path) -> None:
    for text in (f"1.png,ill,{CANARY},north\n2.png,well,other,north\n", f"path,{CANARY}\na,b\n"):
        path = written(tmp_path, text)
        refused(lambda path=path: _body((ImageSource(path=path),), ("ill", "well"), "private"))


def test_images_print_no_names_and_their_decoders_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / CANARY / "ill"
    folder.mkdir(parents=True)
    image = Image.new("L", (8, 8))
    for suffix in ("png", "tif", "gif", "jpg", "webp", "bmp", "ppm"):
        stream = io.BytesIO()
        image.save(stream, {"tif": "tiff", "jpg": "jpeg"}.get(suffix, suffix))
        content = stream.getvalue()
        for number, cut in enumerate((len(content) // 2, 20)):
            (folder / f"{CANARY}{number}.{suffix}").write_bytes(content[:cut] + CANARY.encode())
    paths = sorted(str(path) for path in folder.iterdir())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        refused(lambda: read_images(paths, Pixels(height=4, width=4, channels=1), key=KEY))
    assert CANARY not in "".join(capfd.readouterr())


def test_folders_print_no_names(tmp_path: Path) -> None:
    folder = tmp_path / "mine" / CANARY
    folder.mkdir(parents=True)
    refused(lambda: _body((ImageSource(path=folder),), ("ill", "well"), "private"))
    Image.new("L", (8, 8)).save(folder / "1.png")
    refused(lambda: _body((ImageSource(path=tmp_path / "mine"),), ("ill", "well"), "private"))
    (folder / "2.txt").write_text(f"path,label\n,{CANARY}\n")
    refused(lambda: _body((ImageSource(path=folder / "2.txt"),), ("ill", "well"), "private"), detail="row 0")
