"""Manifests with columns of other names, and folders that hold more than images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pate.data.body import Split
from pate.data.files.images import ImageSource, ManifestColumns, Pixels, image_study
from pate.data.records import Study
from pate.errors import InputError

NIH = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
"""First line of ChestX-ray14's own table: commas inside names, and one after the last."""
NIH_COLUMNS = ManifestColumns(path="Image Index", label="Finding Labels", unit="Patient ID")


def picture(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 8), dtype=np.uint8)).save(path)
    return path


def chest_x_rays(root: Path, findings: list[str], seed: int = 0) -> Path:
    """Write images and table as the archive holds them once it is unpacked: in several folders."""
    lines = [NIH]
    for number, finding in enumerate(findings):
        name = f"{number // 2 + 1:08d}_{number % 2:03d}.png"
        picture(root / f"images_{number % 3 + 1:03d}" / "images" / name, 100 * seed + number)
        lines.append(f"{name},{finding},{number % 2},{100 * seed + number // 2 + 1},58,M,PA,2682,2749,0.143,0.143,")
    (root / "Data_Entry_2017.csv").write_text("\n".join(lines) + "\n")
    return root / "Data_Entry_2017.csv"


def study(
    private: ImageSource, pool: ImageSource, evaluation: ImageSource, classes: tuple[str, ...] = ("well", "ill")
) -> Study:
    return image_study(
        task="t", classes=classes, private=(private,), pool=(pool,), evaluation=(evaluation,),
        pixels=Pixels(height=4, width=6, channels=1), split=Split(), sizes=(4, 4),
    )  # fmt: skip


def folders(root: Path) -> tuple[ImageSource, ImageSource]:
    """A pool, and an evaluation set of the classes well and ill."""
    for number in range(4):
        picture(root / "pool" / f"{number}.png", 50 + number)
        picture(root / "evaluation" / ["well", "ill"][number % 2] / f"{number}.png", 60 + number)
    return ImageSource(path=root / "pool"), ImageSource(path=root / "evaluation")


def test_the_table_of_chest_x_rays_is_read_as_it_is(tmp_path: Path) -> None:
    sources = [
        ImageSource(path=chest_x_rays(tmp_path / name, ["No Finding", "Mass"] * 4, seed), columns=NIH_COLUMNS)
        for seed, name in enumerate(("mine", "pool", "evaluation"))
    ]
    found = study(*sources, classes=("No Finding", "Mass"))
    assert found.private is not None
    assert found.private.labels_N.tolist() == [0, 1] * 4
    assert found.private.units_N is not None
    assert found.private.units_N.tolist() == [str(1 + number // 2) for number in range(8)]
    assert found.private.sites_N is None


def test_several_findings_of_one_image_are_no_class(tmp_path: Path, records_refused) -> None:
    private = ImageSource(
        path=chest_x_rays(tmp_path / "mine", ["well", "ill", "ill|old", "well|new"]), columns=NIH_COLUMNS
    )
    with records_refused(r"one class for each image.*2 of 4.*several findings and no class.*data\.manifest\.contains"):
        study(private, *folders(tmp_path))


def test_one_of_several_findings_can_be_the_class(tmp_path: Path) -> None:
    columns = ManifestColumns(path="Image Index", label="Finding Labels", unit="Patient ID", contains="Mass")
    findings = ["No Finding", "Mass", "Effusion|Mass", "Massive"] * 2
    sources = [
        ImageSource(path=chest_x_rays(tmp_path / name, findings, seed), columns=columns)
        for seed, name in enumerate(("mine", "pool", "evaluation"))
    ]
    found = study(*sources)
    assert found.private is not None
    assert found.private.labels_N.tolist() == [0, 1, 1, 0] * 2
    with pytest.raises(InputError, match=r"two data\.classes with data\.manifest\.contains"):
        study(*sources, classes=("a", "b", "c"))


def manifest(root: Path, header: str, lines: list[str]) -> Path:
    for number in range(len(lines)):
        picture(root / f"{number}.png", number)
    (root / "list.csv").write_text("\n".join([header, *lines]) + "\n")
    return root / "list.csv"


def test_columns_of_declared_manifests_are_those_of_their_usual_names_and_others_are_ignored(tmp_path: Path) -> None:
    path = manifest(tmp_path / "mine", "path,label,unit,site,age", ["0.png,ill,a,s,77", "1.png,well,b,s,88"])
    found = study(ImageSource(path=path, columns=ManifestColumns()), *folders(tmp_path))
    assert found.private is not None
    assert found.private.units_N is not None
    assert found.private.units_N.tolist() == ["a", "b"]
    assert set(found.private.sites_N if found.private.sites_N is not None else ()) == {"s"}


@pytest.mark.parametrize("role", ["path", "label", "unit", "site"])
def test_a_declared_column_that_is_not_there_is_refused_by_its_key(tmp_path: Path, role: str, records_refused) -> None:
    path = manifest(tmp_path / "mine", "path,label", ["0.png,ill", "1.png,well"])
    with records_refused(rf"column data\.manifest\.{role}='absent' in data\.private_files\[0\]"):
        study(ImageSource(path=path, columns=ManifestColumns(**{role: "absent"})), *folders(tmp_path))


def test_pools_need_no_more_than_paths(tmp_path: Path) -> None:
    path = manifest(tmp_path / "mine", "file,class,patient", ["0.png,ill,1", "1.png,well,2"])
    columns = ManifestColumns(path="file", label="class", unit="patient")
    pool = manifest(tmp_path / "public", "file", [f"{n}.png" for n in range(4)])
    _, evaluation = folders(tmp_path)
    found = study(ImageSource(path=path, columns=columns), ImageSource(path=pool, columns=columns), evaluation)
    assert len(found.pool) == 4


def test_paths_start_at_the_declared_folder(tmp_path: Path) -> None:
    manifest(tmp_path / "images", "path,label", ["0.png,ill", "1.png,well"]).rename(tmp_path / "list.csv")
    source = ImageSource(path=tmp_path / "list.csv", columns=ManifestColumns(folder=tmp_path / "images"))
    assert len(study(source, *folders(tmp_path)).held_here) == 2


def test_a_name_that_is_in_two_folders_is_refused(tmp_path: Path, records_refused) -> None:
    for folder in "ab":
        picture(tmp_path / "mine" / folder / "0.png", 1)
    (tmp_path / "mine" / "list.csv").write_text("path,label\n0.png,ill\n")
    with records_refused(r"paths that name one file each.*1 of 1.*write the folder before the name"):
        study(ImageSource(path=tmp_path / "mine" / "list.csv"), *folders(tmp_path))


def test_files_that_may_be_images_of_another_kind_are_never_left_out_in_silence(
    tmp_path: Path, records_refused
) -> None:
    public = folders(tmp_path)
    for number in range(4):
        picture(tmp_path / "mine" / ["well", "ill"][number % 2] / f"{number}.png", number)
    for name in ("README", "notes.txt", "well/list.csv", ".DS_Store", "ill/Thumbs.db", "ill/._0.png"):
        (tmp_path / "mine" / name).write_text("beside the images")
    assert len(study(ImageSource(path=tmp_path / "mine"), *public).held_here) == 4
    (tmp_path / "mine" / "ill" / "scan.nii").write_bytes(bytes(400))
    (tmp_path / "mine" / "ill" / "IM0001").write_bytes(bytes(400))
    with records_refused(r"(?s)images alone in data\.private_files\[0\].*2 beside 4 images: .*1 \.nii"):
        study(ImageSource(path=tmp_path / "mine"), *public)
