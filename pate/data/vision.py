"""MNIST (LeCun, Cortes, Burges) and Fashion-MNIST (Xiao et al. 2017), from the official files, through torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from pate.arrays import IntArray
from pate.data.pixels import to_inputs
from pate.data.records import Benchmark, EvaluationSet, PrivateRecords, PublicPool, Study
from pate.errors import InputError, expected
from pate.public_sets import recognise

VisionSet: TypeAlias = Literal["mnist", "fashion_mnist"]
TRAIN = 60_000
TEST = 10_000
BLOCK = 1_000
"""Evaluation records of one split."""

_CLASSES: dict[str, tuple[str, ...]] = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
    ),
}  # fmt: skip


def vision_study(name: VisionSet, root: Path, *, rotation: int, private: int = TRAIN) -> Study:
    """The usual protocol of the literature: the training images are private, the test images public.

    The ten blocks of 1,000 test images take turns as the evaluation set, the other 9,000 are the pool: rotation 0 takes
    the last block (the first 9,000 are the pool, as in Papernot et al. 2018), rotation 9 the first.

    Args:
        name: of the set.
        root: the folder that holds ``MNIST/raw`` or ``FashionMNIST/raw``; nothing is written to it.
        rotation: 0 to 9.
        private: number of training images that are used, from the first.

    Raises:
        InputError: files that are missing or are not those of the set.
    """
    if not 0 <= rotation < TEST // BLOCK:
        raise expected(f"0 <= data.rotation < {TEST // BLOCK}", "choose one of the ten splits", rotation=rotation)
    if not 1 <= private <= TRAIN:
        raise expected(f"1 <= data.private <= {TRAIN}", "the set holds no more", private=private)
    images, labels = _load(name, root, train=True)
    test_images, test_labels = _load(name, root, train=False)
    source = recognise(images, labels)
    if source is None or recognise(test_images, test_labels) is None:
        raise InputError(
            f"Expected the files of {name} as published, got others: a checksum differs; fetch them again by "
            f"`pate data fetch {name}`"
        )
    block_N = np.arange(TEST) // BLOCK
    held_N = block_N == TEST // BLOCK - 1 - rotation
    inputs = to_inputs(test_images, key=name)
    return Study(
        task=f"{name} class",
        classes=_CLASSES[name],
        private=PrivateRecords(features=to_inputs(images[:private], key=name), labels_N=labels[:private]),
        pool=PublicPool(inputs=inputs[~held_N]),
        evaluation=EvaluationSet(inputs=inputs[held_N], labels_E=test_labels[held_N]),
        benchmark=Benchmark(source=source, pool_labels_M=test_labels[~held_N]),
    )


def _load(
    name: VisionSet, root: Path, *, train: bool
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], IntArray]:
    from pate import torchvision_cpu  # noqa: PLC0415 - takes seconds to import; only this loader needs it

    kind = "MNIST" if name == "mnist" else "FashionMNIST"
    try:
        loaded = getattr(torchvision_cpu.torchvision.datasets, kind)(root, train=train, download=False)
    except (RuntimeError, OSError, ValueError, IndexError, EOFError) as error:
        raise InputError(
            f"Expected the official files of {name} in PATE_DATA_DIR or PATE_HOME/data, got none or unreadable ones; "
            f"fetch them by `pate data fetch {name}`",
            private_detail=f"{root}: {error}",
        ) from error
    return loaded.data.numpy(), loaded.targets.numpy().astype(np.int64)
