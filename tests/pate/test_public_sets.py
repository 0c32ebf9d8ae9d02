"""A public set is recognised by its bytes and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pate.errors import PrivacyViolation
from pate.public_sets import (
    SHIPPED,
    PublicSource,
    file_fingerprint,
    fingerprint,
    recognise,
    recognise_files,
    recognise_rows,
    rows_fingerprint,
)


def test_the_order_of_rows_matters_only_where_it_should() -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (20, 3, 3), dtype=np.uint8), rng.integers(0, 2, 20)
    order = rng.permutation(20)
    assert rows_fingerprint(images, labels) == rows_fingerprint(images[order], labels[order])
    assert rows_fingerprint(images, labels) != rows_fingerprint(images[order], labels)
    assert fingerprint(images, labels) != fingerprint(images[order], labels[order])
    assert rows_fingerprint(images[:-1], labels[:-1]) != rows_fingerprint(images, labels)


def test_unknown_data_are_not_recognised_and_have_no_proof(tmp_path: Path) -> None:
    mark = fingerprint(np.arange(3))
    assert recognise(np.arange(3)) is None
    assert recognise_rows(np.arange(3)) is None
    with pytest.raises(PrivacyViolation):
        PublicSource(name="mnist", fingerprint=mark)
    file = tmp_path / "a.csv"
    file.write_text("x\n1\n")
    assert recognise_files([file]) is None
    assert recognise_files([]) is None


def test_one_unknown_file_among_known_ones_is_no_public_set(data_dir: Path, tmp_path: Path) -> None:
    known = sorted((data_dir / "heart4").glob("processed.*.data"))
    source = recognise_files(known)
    assert source is not None
    assert source.name == "heart4"
    mine = tmp_path / "patients.data"
    mine.write_bytes(known[0].read_bytes() + b"\n")
    assert recognise_files([*known, mine]) is None
    assert recognise_files([*known, data_dir / "adult" / "adult.data"]) is None


def test_every_shipped_set_is_recognised(data_dir: Path) -> None:
    found = {name for name in SHIPPED.values() if name == "digits"}
    for name in ("pneumoniamnist", "breastmnist"):
        with np.load(data_dir / "medmnist" / f"{name}.npz") as file:
            source = recognise_rows(file["train_images"], file["train_labels"][:, 0].astype(np.int64))
        found |= {source.name} if source else set()
    with np.load(data_dir / "malaria" / "malaria_cells_28.npz") as file:
        source = recognise_rows(file["images"], file["labels"].astype(np.int64))
    found |= {source.name} if source else set()
    for name, folder in (("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")):
        images, labels = (
            np.frombuffer((data_dir / folder / "raw" / file).read_bytes(), np.uint8, offset=offset)
            for file, offset in (("train-images-idx3-ubyte", 16), ("train-labels-idx1-ubyte", 8))
        )
        source = recognise(images.reshape(-1, 28, 28), labels.astype(np.int64))
        found |= {name} if source and source.name == name else set()
    for folder in ("adult", "heart4", "eicu_demo"):
        names = {SHIPPED.get(file_fingerprint(path)) for path in (data_dir / folder).iterdir()}
        found |= {folder} & {str(name) for name in names}
    assert found == set(SHIPPED.values())
