"""The public sets of the shipped configurations: sources, checksums and licences.

A set is looked for in ``PATE_DATA_DIR`` (used as it is, never written to) and then in ``PATE_HOME/data``, where
``pate data fetch`` puts it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

from pate.errors import InputError, expected
from pate.files import file_hash
from pipelines.storage.home import Home, home

_UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases"
_EICU = "https://physionet.org/files/eicu-crd-demo/2.0.1"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedFile:
    """One file of a set.

    Attributes:
        name: relative to the set's folder.
        url: of the published file; ``None`` if it is published in another form only.
        sha256: of the file as it is used, unpacked; ``None`` where ``recognised`` decides.
        packed: ``True`` if the published file is compressed by gzip.
        recognised: whether the check is that of the arrays inside (``pate.public_sets.recognise_rows``): such a file's
            bytes depend on the program and the order of packing.
    """

    name: str
    url: str | None
    sha256: str | None
    packed: bool = False
    recognised: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedSet:
    """A public set.

    Attributes:
        name: as in ``pate data fetch NAME`` and ``data.set``.
        title: description.
        folder: below ``PATE_DATA_DIR`` or ``PATE_HOME/data``.
        licence: in short.
        files: to fetch and check.
        by_hand: instructions where it cannot be fetched.
    """

    name: str
    title: str
    folder: str
    licence: str
    files: tuple[ShippedFile, ...]
    by_hand: str | None = None


def _idx(base: str, kind: Literal["train", "t10k"], images: str, labels: str) -> tuple[ShippedFile, ...]:
    names = {f"{kind}-images-idx3-ubyte": images, f"{kind}-labels-idx1-ubyte": labels}
    return tuple(
        ShippedFile(name=f"raw/{name}", url=f"{base}/{name}.gz", sha256=digest, packed=True)
        for name, digest in names.items()
    )


def _plain(base: str, packed: bool, digests: dict[str, str]) -> tuple[ShippedFile, ...]:
    ending = ".gz" if packed else ""
    return tuple(
        ShippedFile(name=name, url=f"{base}/{name}{ending}", sha256=digest, packed=packed)
        for name, digest in digests.items()
    )


def _medmnist(name: str, title: str) -> ShippedSet:
    url = f"https://zenodo.org/records/10519652/files/{name}.npz"
    file = ShippedFile(name=f"{name}.npz", url=url, sha256=None, recognised=True)
    return ShippedSet(name=name, title=title, folder="medmnist", licence="CC BY 4.0", files=(file,))


_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
_FASHION = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion"

_ALL = (
    ShippedSet(
        name="mnist",
        title="handwritten digits, 28x28",
        folder="MNIST",
        licence="LeCun, Cortes, Burges; free for research",
        files=_idx(
            _MNIST,
            "train",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        )
        + _idx(
            _MNIST,
            "t10k",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    ShippedSet(
        name="fashion_mnist",
        title="pictures of clothes, 28x28",
        folder="FashionMNIST",
        licence="MIT (Zalando)",
        files=_idx(
            _FASHION,
            "train",
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        )
        + _idx(
            _FASHION,
            "t10k",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    _medmnist("pneumoniamnist", "chest X-rays of children, 28x28"),
    _medmnist("breastmnist", "breast ultrasound, 28x28"),
    ShippedSet(
        name="adult",
        title="census income",
        folder="adult",
        licence="CC BY 4.0 (UCI)",
        files=_plain(
            f"{_UCI}/adult",
            False,
            {
                "adult.data": "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
                "adult.test": "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
            },
        ),
    ),
    ShippedSet(
        name="heart4",
        title="heart disease at four hospitals",
        folder="heart4",
        licence="CC BY 4.0 (UCI)",
        files=_plain(
            f"{_UCI}/heart-disease",
            False,
            {
                "processed.cleveland.data": "a74b7efa387bc9d108d7d0115d831fe9b414b29ae7124f331b622b4efa0427c8",
                "processed.hungarian.data": "d1ad108f785768cd3d7e82dc522e6f5a61eea93cccfb3a46ee8076f73fc3d796",
                "processed.switzerland.data": "834a405ccf5b66ab4056bb77794adc8df0b7125186454c0a1d002d33c6c3b314",
                "processed.va.data": "e7c93d8d0d2acdadfa4c5e8de768e2191e7f618b952e29623f1f0d5949ff6b8f",
            },
        ),
    ),
    ShippedSet(
        name="eicu_demo",
        title="intensive-care stays at 186 hospitals (eICU demo 2.0.1)",
        folder="eicu_demo",
        licence="ODbL 1.0",
        files=_plain(
            _EICU,
            True,
            {
                "patient.csv": "be023b5641434ec24b2c2c0d635c5290e0e89f771a3117c2df7569fdb6d2c41e",
                "apacheApsVar.csv": "b83236006ed19041d1a691b3bbf32f84c91dad2346d004d33a21d3caa089961d",
                "apachePatientResult.csv": "c72af9ed79a18a070f9fbbef4644326da897739b1bdfc6c63b2c00e2dd41d77f",
            },
        ),
    ),
    ShippedSet(
        name="malaria",
        title="blood-smear cells of 200 patients, 28x28",
        folder="malaria",
        licence="US National Library of Medicine, public release",
        files=(ShippedFile(name="malaria_cells_28.npz", url=None, sha256=None, recognised=True),),
        by_hand="it is not published in this form: the NLM's cell_images.zip was resized to 28x28 and its patient "
        "mapping added; copy malaria_cells_28.npz to PATE_DATA_DIR/malaria, or list the original images in a manifest "
        "(path, label, unit) and use data.source: images",
    ),
)

SETS: dict[str, ShippedSet] = {found.name: found for found in _ALL}
"""Name -> set."""


def shipped_set(name: str, *, key: str = "NAME") -> ShippedSet:
    """The set of this name."""
    if name not in SETS:
        raise expected(f"{key} out of {sorted(SETS)}", "choose one of them", **{key.rsplit(".", 1)[-1]: name})
    return SETS[name]


def places() -> list[Path]:
    """Folders searched for sets, in order."""
    given = os.environ.get("PATE_DATA_DIR")
    return [*([Path(given).absolute()] if given else []), Home(home()).data_folder]


def find(name: str) -> Path | None:
    """The folder of a set of which every file is there, or ``None``."""
    wanted = shipped_set(name)
    for place in places():
        folder = place / wanted.folder
        if all((folder / file.name).is_file() for file in wanted.files):
            return folder
    return None


def folder_of(name: str) -> Path:
    """The folder of a set, its files checked.

    Raises:
        InputError: the set is missing, or a file is not as published.
    """
    folder = find(name)
    if folder is None:
        how = shipped_set(name).by_hand or f"fetch them by `pate data fetch {name}`"
        raise expected(f"the files of data.set={name!r} in PATE_DATA_DIR or PATE_HOME/data", how)
    for file in shipped_set(name).files:
        if file.sha256 is not None and file_hash(folder / file.name) != file.sha256:
            ours = folder.is_relative_to(Home(home()).data_folder)
            remedy = f"run `pate data fetch {name}`" if ours else "restore it in PATE_DATA_DIR, or unset PATE_DATA_DIR"
            raise InputError(f"Expected {file.name} of {name} as published, got another checksum; {remedy}")
    return folder
