"""Images held in a file are the images held in memory."""

from __future__ import annotations

import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pate.data import partition
from pate.data.files import image_reading
from pate.data.files.images import ImageSource, Pixels, image_records
from pate.data.files.stored_images import StoredImages
from pate.data.records import PrivateRecords
from pate.errors import PrivacyViolation
from pipelines.data.fingerprints import fingerprint_of, fingerprint_with_positions
from pipelines.teachers.holders import HeldHere

Read = Callable[..., PrivateRecords]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images of 8 and of 16 bits."""
    for number in range(12):
        path = tmp_path / "mine" / ("ill", "well")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        grey = np.random.default_rng(number).integers(0, 256, (8, 10), dtype=np.uint8)
        Image.fromarray(grey if number % 3 else grey.astype(np.uint16) * 200).save(path)
    return tmp_path / "mine"


@pytest.fixture
def read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    def from_folder(*, stored: bool, channels: int = 1) -> PrivateRecords:
        monkeypatch.setattr(image_reading, "IN_MEMORY", 0 if stored else 2**30)
        pixels = Pixels(height=5, width=6, channels=channels, bits=16)
        return image_records((ImageSource(path=folder),), pixels=pixels, classes=("well", "ill"))

    return from_folder


@pytest.mark.parametrize("channels", [1, 3])
def test_a_file_holds_the_same_records(read: Read, channels: int) -> None:
    held, stored = read(stored=False, channels=channels), read(stored=True, channels=channels)
    assert isinstance(held.features, np.ndarray)
    assert isinstance(stored.features, StoredImages)
    assert stored.features.shape == held.features.shape == (12, channels, 5, 6)
    assert np.array_equal(np.asarray(stored.features), held.features)
    assert fingerprint_of(stored) == fingerprint_of(held)
    assert fingerprint_with_positions(stored) == fingerprint_with_positions(held), "also when asked again"
    assert stored.content_keys() == held.content_keys()
    assert list(stored.known_by()) == list(held.known_by())
    rows = np.array([7, 0, 3])
    assert np.array_equal(np.asarray(stored.take(rows).features), held.take(rows).features)
    assert fingerprint_of(stored.take(rows)) == fingerprint_of(held.take(rows))


def test_teachers_receive_the_same_records(read: Read) -> None:
    held, stored = read(stored=False), read(stored=True)
    parts = partition(held, teachers=3, by="random", seed=0)
    assert parts.manifest(stored) == parts.manifest(held)
    for (one, labels), (other, same) in zip(
        HeldHere(held, parts).source([0, 2]).load(),
        pickle.loads(pickle.dumps(HeldHere(stored, parts).source([0, 2]))).load(),
        strict=True,
    ):
        assert np.array_equal(one, other)
        assert one.dtype == other.dtype == np.float32
        assert np.array_equal(labels, same)


def test_the_file_has_no_name_and_is_the_owners_alone(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", None)
    features = read(stored=True).features
    assert isinstance(features, StoredImages)
    found = os.fstat(features._file.descriptor)
    assert found.st_dev == (tmp_path / "scratch").stat().st_dev
    assert found.st_nlink == 0
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert not list((tmp_path / "scratch").iterdir())
    assert found.st_size == 8 * 30 + 4 * 60, "one byte for each value, two in images of 16 bits"
    assert repr(features) == "<StoredImages: private>"
    with pytest.raises(PrivacyViolation):
        pickle.dumps(features)


def test_progress_is_told_in_hundredths(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of private images is not for the terminal."""
    monkeypatch.setattr(image_reading, "IN_MEMORY", 0)
    told: list[int] = []
    paths = [str(path) for path in sorted(folder.rglob("*.png"))]
    pixels = Pixels(height=5, width=6, channels=1, bits=16)
    image_reading.read_private_images(paths, pixels, key="data", on_done=told.append)
    assert sum(told) == 100
