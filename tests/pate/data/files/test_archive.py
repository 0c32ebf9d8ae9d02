"""Arrays of archives: in whatever way NumPy writes them, and as large as the memory."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from pate.data.files.archive import read_arrays
from pate.errors import InputError

NAMES = {"image": "train_images", "label": "train_labels"}
ROLES = {"image": "data.image_array", "label": "data.label_array"}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_as_they_were_saved(tmp_path: Path, save: object) -> None:
    images = np.asfortranarray(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    labels = np.zeros((2, 0), dtype=np.int16)
    save(tmp_path / "a.npz", train_images=images, train_labels=labels, other=np.array([{}]))  # type: ignore[operator]
    found = read_arrays(tmp_path / "a.npz", NAMES, key="k", role_keys=ROLES)
    assert (found["image"] == images).all()
    assert found["label"].shape == labels.shape
    assert list(found) == ["image", "label"]


def test_arrays_that_do_not_fit_the_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "a.npz", train_images=np.zeros((3, 4, 4), dtype=np.uint8), train_labels=np.zeros(3))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=500))
    with pytest.raises(InputError, match="arrays in k that fit the memory of this machine") as caught:
        read_arrays(tmp_path / "a.npz", NAMES, key="k", role_keys=ROLES)
    assert "72 bytes" in (caught.value.private_detail or "")


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, train_images=np.full((3, 4, 4), 7, dtype=np.uint8), train_labels=np.zeros(3))
    path.write_bytes(path.read_bytes().replace(bytes([7] * 48), bytes([7] * 47 + [8])))
    with pytest.raises(InputError, match="whole NumPy archive"):
        read_arrays(path, NAMES, key="k", role_keys=ROLES)


def test_an_absent_array_is_named_as_it_was_declared(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", train_images=np.zeros((3, 4, 4)), secret=np.zeros(3))
    with pytest.raises(InputError, match=r"'train_labels' in k; correct data\.label_array") as caught:
        read_arrays(tmp_path / "a.npz", NAMES, key="k", role_keys=ROLES)
    assert "secret" not in str(caught.value)
    assert "secret" in (caught.value.private_detail or "")
