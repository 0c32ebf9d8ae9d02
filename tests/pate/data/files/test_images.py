"""Images in folders and manifests, and those that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pate.data.body import Split
from pate.data.files.images import ImageSource, Pixels, image_study
from pate.data.records import Study
from pate.errors import InputError

GREY = Pixels(height=4, width=6, channels=1)
CANARY = "CANARY-7731"


def picture(path: Path, seed: int, *, size: tuple[int, int] = (12, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def folder(root: Path, counts: dict[str, int], seed: int) -> ImageSource:
    for label, count in counts.items():
        for number in range(count):
            picture(root / label / f"{number}.png", seed * 1000 + len(label) * 100 + number)
    return ImageSource(path=root)


def manifest(root: Path, count: int, seed: int, *, header: str = "path,label,unit,site") -> ImageSource:
    lines = [header]
    for number in range(count):
        picture(root / f"{number}.png", seed * 1000 + number)
        values = {"path": f"{number}.png", "label": ["ill", "well"][number % 2], "unit": f"u{number // 2}", "site": "s"}
        lines.append(",".join(values[name] for name in header.split(",")))
    (root / "list.csv").write_text("\n".join(lines) + "\n")
    return ImageSource(path=root / "list.csv")


def study(private: ImageSource, folder_: Path, *, pixels: Pixels = GREY) -> Study:
    return image_study(
        task="t",
        classes=("well", "ill"),
        private=(private,),
        pool=(folder(folder_ / "pool", {"": 6}, 1),),
        evaluation=(folder(folder_ / "evaluation", {"ill": 2, "well": 2}, 2),),
        pixels=pixels,
        split=Split(),
        sizes=(6, 4),
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_folders_name_classes_and_images_take_one_form(tmp_path: Path, channels: int) -> None:
    found = study(
        folder(tmp_path / "mine", {"well": 3, "ill": 5}, 0),
        tmp_path,
        pixels=Pixels(height=4, width=6, channels=channels),  # type: ignore[arg-type]
    )
    assert found.input_shape == (channels, 4, 6)
    assert np.bincount(found.private.labels_N).tolist() == [3, 5]
    assert 0 <= found.private.features.min() < 0.5 < found.private.features.max() <= 1
    assert found.benchmark is None


def test_manifests_give_labels_units_and_sites(tmp_path: Path) -> None:
    found = study(manifest(tmp_path / "mine", 10, 0), tmp_path)
    assert found.private.labels_N.tolist() == [1, 0] * 5
    assert len(set(found.private.units_N)) == 5
    assert set(found.private.sites_N) == {"s"}


def test_unreadable_images_are_counted_and_named_in_the_private_detail_only(tmp_path: Path, records_refused) -> None:
    source = manifest(tmp_path / CANARY, 10, 0)
    (tmp_path / CANARY / "3.png").write_bytes(b"no image")
    (tmp_path / CANARY / "4.png").unlink()
    whole = (tmp_path / CANARY / "5.png").read_bytes()
    (tmp_path / CANARY / "5.png").write_bytes(whole[: len(whole) // 2])
    with records_refused(r"readable images in data\.private_files, got 3 of 10") as caught:
        study(source, tmp_path)
    detail = caught.value.private_detail or ""
    assert all(f"{number}.png" in detail for number in (3, 4, 5))
    assert "6.png" not in detail


def test_a_class_that_was_not_declared_is_refused_with_the_count_in_private(tmp_path: Path, records_refused) -> None:
    with records_refused(r"2 classes of the public label set.*4 of 7"):
        study(folder(tmp_path / "mine", {"well": 3, CANARY: 4}, 0), tmp_path)


def test_an_empty_site_is_refused_by_its_key(tmp_path: Path, records_refused) -> None:
    (tmp_path / "mine").mkdir()
    with records_refused(r"images in data\.private_files\[0\].*empty folder"):
        study(ImageSource(path=tmp_path / "mine"), tmp_path)


@pytest.mark.parametrize("header", ["label,unit", "path,label,diagnosis"])
def test_manifests_with_other_columns_are_refused(tmp_path: Path, header: str, records_refused) -> None:
    (tmp_path / "list.csv").write_text(f"{header}\n" + ",".join("x" for _ in header.split(",")) + "\n")
    with records_refused("columns out of"):
        study(ImageSource(path=tmp_path / "list.csv"), tmp_path)


def test_unlabelled_private_images_are_refused(tmp_path: Path, records_refused) -> None:
    with records_refused("a label for every image"):
        study(folder(tmp_path / "mine", {"": 4}, 0), tmp_path)


def test_a_form_must_be_possible() -> None:
    with pytest.raises(InputError, match="1 or 3 channels"):
        Pixels(height=4, width=4, channels=2)
