"""NumPy archives: shapes, splits, sites, and bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pate.data.body import Split
from pate.data.files.npz import NpzArrays, NpzFile, npz_study
from pate.data.records import Study
from pate.errors import InputError


def archive(path: Path, count: int, seed: int, *, prefix: str = "", channels: int = 0, **more: object) -> NpzFile:
    rng = np.random.default_rng(seed)
    shape = (count, 6, 5, channels) if channels else (count, 6, 5)
    arrays = {"images": rng.integers(0, 256, shape, dtype=np.uint8), "labels": rng.integers(0, 2, (count, 1))}
    np.savez(path, **{prefix + name: value for name, value in {**arrays, **more}.items()})  # type: ignore[arg-type]
    return NpzFile(path=path, prefix=prefix)


def study(*files: NpzFile, arrays: NpzArrays | None = None, **changes: object) -> Study:
    private, pool, evaluation = files
    settings: dict[str, object] = {"classes": ("a", "b"), "sizes": (8, 4), "split": Split()}
    return npz_study(
        task="t",
        private=(private,),
        pool=(pool,),
        evaluation=(evaluation,),
        arrays=arrays or NpzArrays(),
        **{**settings, **changes},  # type: ignore[arg-type]
    )


def three(folder: Path, **more: object) -> list[NpzFile]:
    return [archive(folder / f"{n}.npz", count, n, **more) for n, count in enumerate((12, 8, 4))]  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [0, 1, 3])
def test_images_become_channels_first_in_the_unit_interval(tmp_path: Path, channels: int) -> None:
    found = study(*three(tmp_path, channels=channels))
    assert found.input_shape == (max(1, channels), 6, 5)
    assert (len(found.private), len(found.pool), len(found.evaluation)) == (12, 8, 4)
    with np.load(tmp_path / "0.npz") as stored:
        first = stored["images"].reshape(12, 6, 5, -1)[3, 2, 4, 0]
    assert found.private.features[3, 0, 2, 4] == pytest.approx(first / 255)


def test_units_and_sites_come_from_arrays_or_from_the_file(tmp_path: Path) -> None:
    file = archive(tmp_path / "p.npz", 30, 0, patient=np.arange(30) // 3)
    found = npz_study(
        task="t",
        classes=("a", "b"),
        private=(NpzFile(path=file.path, site="north"),),
        pool=(),
        evaluation=(),
        arrays=NpzArrays(unit="patient"),
        split=Split(by="unit", records_may_be_published=True),
        sizes=(6, 3),
    )
    assert set(found.private.sites_N) == {"north"}
    assert len(set(found.private.units_N)) == 7
    assert found.evaluation.units_E is not None
    assert not set(found.evaluation.units_E) & set(found.private.units_N)


@pytest.mark.parametrize(
    ("more", "changes", "mentions"),
    [
        ({"labels": np.full(12, 7)}, {}, ["2 data.classes", "records_outside=12"]),
        ({"labels": np.zeros(12)}, {}, ["whole-number labels"]),
        ({"labels": np.zeros(3, dtype=int)}, {}, ["equal length"]),
        ({"images": np.zeros((12, 6), dtype=np.uint8)}, {}, ["images [N, height, width]"]),
        ({"images": np.zeros((12, 6, 5), dtype=np.int32)}, {}, ["bytes or floats"]),
        ({"images": np.full((12, 6, 5), np.nan)}, {}, ["finite", "records_broken=12"]),
        ({"images": np.array([{}], dtype=object)}, {}, ["without pickles"]),
        (
            {"who": np.array(["u"] * 11 + [""])},
            {"arrays": NpzArrays(unit="who")},
            ["an id in every record", "1 of 12"],
        ),
        ({}, {"arrays": NpzArrays(images="pictures")}, ["'pictures'", "data.private_files[0]"]),
    ],
)
def test_bad_archives_are_refused_by_key(
    tmp_path: Path, more: dict, changes: dict, mentions: list[str], records_refused
) -> None:
    files = [archive(tmp_path / "bad.npz", 12, 0, **more), *three(tmp_path)[1:]]
    with records_refused("") as caught:
        study(*files, **changes)
    assert all(piece in caught.value.private_detail for piece in mentions), caught.value.private_detail


def test_missing_and_truncated_archives_are_refused_without_their_path(tmp_path: Path, records_refused) -> None:
    files = three(tmp_path)
    content = files[0].path.read_bytes()
    files[0].path.write_bytes(content[: len(content) // 2])
    with records_refused(r"archive without pickles at data\.private_files\[0\]"):
        study(*files)
    files[0].path.unlink()
    with pytest.raises(InputError, match=r"a file at data\.private_files\[0\], got none") as caught:
        study(*files)
    assert str(tmp_path) not in str(caught.value)


def test_the_shipped_sets_are_benchmarks(data_dir: Path) -> None:
    path = data_dir / "medmnist" / "pneumoniamnist.npz"
    files = [NpzFile(path=path, prefix=prefix) for prefix in ("train_", "val_", "test_")]
    found = study(*files, sizes=(524, 624))
    assert found.benchmark is not None
    assert found.benchmark.source.name == "pneumoniamnist"
    assert len(found.benchmark.pool_labels_M) == 524
