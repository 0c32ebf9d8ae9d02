"""A run on images that are held in a file votes as one on images in memory, and a fault is one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pate.data.files import image_reading
from pipelines.cli.app import run
from pipelines.config.experiment import load
from pipelines.data.sources import load_study
from pipelines.progress import Quiet
from pipelines.run.label_and_train import votes_before_charge

CANARY = "CANARY-7731"


def pictures(root: Path, count: int, seed: int, *, deep: bool = False) -> Path:
    rng = np.random.default_rng(seed)
    for number in range(count):
        label = ("ill", "well")[number % 2]
        grey = np.clip(rng.normal(150 if label == "ill" else 90, 30, (12, 12)), 0, 255)
        path = root / label / f"{CANARY}-{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((grey * 16).astype(np.uint16) if deep else grey.astype(np.uint8)).save(path)
    return root


def study(folder: Path, **pixels: object) -> Path:
    content = {
        "name": "images",
        "data": {
            "source": "images", "data_id": "images", "task": "t", "classes": ["ill", "well"],
            "pixels": {"height": 8, "width": 8, "channels": 1, **pixels},
            "private_files": ["private"], "pool_files": ["public"], "pool": 20, "evaluation": 10,
        },
        "partition": {"teachers": 10},
        "privacy": {"epsilon": 8, "delta": 1e-5},
        "teachers": {"model": {"kind": "logistic"}, "training": {"steps": 5}, "bundle_size": 5},
        "labelling": {"max_asked": 5, "mechanism": {"kind": "gnmax", "sigma": 4}},
        "student": {"learner": "supervised", "spec": {"model": {"kind": "logistic"}, "train": {"steps": 5}}},
    }  # fmt: skip
    (folder / "images.yaml").write_text(yaml.safe_dump(content))
    return folder / "images.yaml"


@pytest.mark.slow
def test_votes_are_the_same_wherever_images_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path / "private", 60, 0)
    pictures(tmp_path / "public", 30, 1)
    config = load(study(tmp_path))
    found = []
    for place in (0, 2**30):
        monkeypatch.setattr(image_reading, "IN_MEMORY", place)
        votes = votes_before_charge(config, base=tmp_path / f"home-{place}", progress=Quiet())
        found.append(votes.histogram().counts_QC)
    assert np.array_equal(*found)


def test_private_images_without_a_range_are_refused_in_the_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    pictures(tmp_path / "private", 12, 0, deep=True)
    pictures(tmp_path / "public", 30, 1)
    assert run(["run", str(study(tmp_path)), "--quiet"]) == 2
    said = capsys.readouterr()
    assert "bits" not in said.out + said.err
    assert "12" not in said.err.split("incident")[0]
    (incident,) = (tmp_path / "home").rglob("incidents/*")
    assert "12 of 12: more than 8 bits without a range; declare data.pixels.bits" in incident.read_text()
    assert CANARY in incident.read_text()


NIH = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
"""First line of ChestX-ray14's own table: commas inside names, and one after the last."""


def test_the_shipped_study_of_images_reads_a_table_of_chest_x_rays_as_it_is(tmp_path: Path) -> None:
    for place, count, first in (("hospital", 30, 0), ("public", 20, 100)):
        lines = [NIH]
        for number in range(count):
            patient, name = first + number // 2, f"{first + number // 2:08d}_{number % 2:03d}.png"
            (tmp_path / place / f"images_00{number % 3}" / "images").mkdir(parents=True, exist_ok=True)
            grey = np.random.default_rng(first + number).integers(0, 256, (90, 80), dtype=np.uint8)
            Image.fromarray(grey).save(tmp_path / place / f"images_00{number % 3}" / "images" / name)
            finding = ("No Finding", "Effusion", "Mass|Effusion")[number % 3]
            lines.append(f"{name},{finding},0,{patient},58,M,PA,2682,2749,0.143,0.143,")
        (tmp_path / place / "Data_Entry_2017.csv").write_text("\n".join(lines) + "\n")
    shipped = Path(__file__).parents[3] / "configs" / "chest_xrays.yaml"
    text = shipped.read_text().replace("pool: 3000", "pool: 12").replace("evaluation: 1000", "evaluation: 8")
    (tmp_path / "mine.yaml").write_text(text.replace("max_asked: 200", "max_asked: 10"))
    study = load_study(load(tmp_path / "mine.yaml"))
    assert study.input_shape == (1, 64, 64)
    assert study.held_here.labels_N.tolist() == [0, 1, 1] * 10
    assert len(set(study.held_here.units_N.tolist())) == 15
