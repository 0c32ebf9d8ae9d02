"""MNIST and Fashion-MNIST: the usual protocol and its rotations, read-only, as published or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pate.data.vision import vision_study
from pate.errors import InputError


def idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(head + array.astype(np.uint8).tobytes())


def other_files(root: Path, *, images: int = 20) -> None:
    for part in ("train", "t10k"):
        idx(root / "MNIST" / "raw" / f"{part}-images-idx3-ubyte", np.zeros((images, 28, 28)))
        idx(root / "MNIST" / "raw" / f"{part}-labels-idx1-ubyte", np.zeros(images))


def test_files_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    other_files(tmp_path)
    with pytest.raises(InputError, match=r"checksum differs.*pate data fetch mnist"):
        vision_study("mnist", tmp_path, rotation=0)


def test_missing_and_truncated_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"official files of fashion_mnist.*pate data fetch"):
        vision_study("fashion_mnist", tmp_path, rotation=0)
    other_files(tmp_path)
    cut = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    cut.write_bytes(cut.read_bytes()[:500])
    with pytest.raises(InputError, match="unreadable"):
        vision_study("mnist", tmp_path, rotation=0)


@pytest.mark.parametrize(("rotation", "private"), [(10, 60_000), (-1, 60_000), (0, 0), (0, 60_001)])
def test_rotations_and_sizes_out_of_range_are_refused(tmp_path: Path, rotation: int, private: int) -> None:
    with pytest.raises(InputError, match="Expected"):
        vision_study("mnist", tmp_path, rotation=rotation, private=private)


def test_the_rotations_hold_out_each_test_image_once(data_dir: Path) -> None:
    raw = (data_dir / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").read_bytes()[8:]
    truth = np.frombuffer(raw, dtype=np.uint8).astype(np.int64)
    first, last = (vision_study("mnist", data_dir, rotation=rotation, private=100) for rotation in (0, 9))
    assert (len(first.private), len(first.pool), len(first.evaluation)) == (100, 9000, 1000)
    assert first.input_shape == (1, 28, 28)
    assert np.array_equal(first.evaluation.labels_E, truth[9000:])
    assert np.array_equal(last.evaluation.labels_E, truth[:1000])
    assert first.benchmark is not None
    assert np.array_equal(first.benchmark.pool_labels_M, truth[:9000])
    assert np.array_equal(last.pool.inputs[:8000], first.pool.inputs[1000:])


def test_fashion_mnist_is_recognised(data_dir: Path) -> None:
    found = vision_study("fashion_mnist", data_dir, rotation=3, private=10)
    assert found.benchmark is not None
    assert found.benchmark.source.name == "fashion_mnist"
    assert len(found.classes) == 10
