"""Keys about images: possible values, and nothing new in the content of old configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pate.errors import InputError
from pipelines.config.experiment import Config, load
from pipelines.data.readers import image_sources


def written(folder: Path, **data: Any) -> Path:
    content = {
        "name": "images",
        "data": {
            "source": "images", "data_id": "images", "task": "t", "classes": ["ill", "well"],
            "pixels": {"height": 8, "width": 8, "channels": 1},
            "private_files": ["private"], "pool_files": ["public"], "pool": 20, "evaluation": 10, **data,
        },
        "partition": {"teachers": 10},
        "privacy": {"epsilon": 8, "delta": 1e-5},
        "teachers": {"model": {"kind": "logistic"}, "training": {"steps": 5}},
        "labelling": {"max_asked": 5, "mechanism": {"kind": "gnmax", "sigma": 4}},
        "student": {"learner": "supervised", "spec": {"model": {"kind": "logistic"}, "train": {"steps": 5}}},
    }  # fmt: skip
    (folder / "images.yaml").write_text(yaml.safe_dump(content))
    return folder / "images.yaml"


def read(folder: Path, **data: Any) -> Config:
    return load(written(folder, **data))


def test_new_keys_at_their_defaults_are_not_in_the_content(tmp_path: Path) -> None:
    """The run id is that of the version before these keys."""
    found = read(tmp_path)
    assert found.content()["data"]["pixels"] == {"height": 8, "width": 8, "channels": 1}
    assert not {"manifest", "dicom_unit"} & set(found.content()["data"])
    assert found.run_id == "images-c131e2cf"


def test_ranges_and_columns_are_part_of_the_content_and_folders_are_not(tmp_path: Path) -> None:
    plain = read(tmp_path)
    pixels = {"height": 8, "width": 8, "channels": 1}
    ids = {plain.run_id}
    for change in (
        {"pixels": {**pixels, "bits": 12}},
        {"pixels": {**pixels, "window": [0, 4095]}},
        {"manifest": {"label": "finding"}},
        {"dicom_unit": "image"},
    ):
        ids.add(read(tmp_path, **change).run_id)
    assert len(ids) == 5
    here, there = (read(tmp_path, manifest={"label": "finding", "folder": place}) for place in ("here", "there"))
    assert here.run_id == there.run_id
    assert "here" not in str(here.content())
    (source,) = image_sources(here.data.private_files, here.data, tmp_path)
    assert source.columns is not None
    assert (source.columns.label, source.columns.folder) == ("finding", tmp_path / "here")


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        ({"bits": 8}, "data.pixels.bits=8"),
        ({"bits": 12.5}, "data.pixels.bits=12.5"),
        ({"window": [1, 1]}, "black below white"),
        ({"window": [0]}, "data.pixels.window"),
        ({"window": [0, 1], "bits": 12}, "data.pixels.bits or data.pixels.window"),
    ],
)
def test_an_impossible_range_is_one_line(tmp_path: Path, pixels: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, pixels={"height": 8, "width": 8, "channels": 1, **pixels})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
