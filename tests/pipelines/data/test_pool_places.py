"""The public file and row of an input of the pool."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pate.data.origin import FILE_BITS
from pipelines.config.experiment import Config, load
from pipelines.data.pool_places import place_in_pool
from pipelines.data.sources import load_study

HEAD = """
name: places
data:
  data_id: places
  task: ill
  pool: 6
  evaluation: 2
"""
TAIL = """
partition: {teachers: 2, by: random}
privacy: {epsilon: 1, delta: 1e-5}
teachers: {model: {kind: logistic}, training: {steps: 1}}
labelling: {max_asked: 2, mechanism: {kind: gnmax, sigma: 40}}
student: {learner: supervised, spec: {model: {kind: logistic}, train: {steps: 1}}}
"""


def config(folder: Path, data: str) -> Config:
    indented = "".join(f"  {line}\n" for line in data.strip().splitlines())
    (folder / "study.yaml").write_text(HEAD + indented + TAIL)
    return load(folder / "study.yaml")


def table(path: Path, first: int, rows: int, blank: int | None = None) -> None:
    lines = [f"{first + row},{'ab'[row % 2]}" for row in range(rows)]
    if blank is not None:
        lines.insert(blank, "")
    path.write_text("\n".join(["lab,ill", *lines]) + "\n")


FEATURES = """
label: {column: ill, classes: [a, b]}
features: {numeric: [{columns: [lab], scale: none}]}
"""


def test_rows_of_tables_are_numbered_in_their_file_with_blank_lines(tmp_path: Path) -> None:
    table(tmp_path / "private.csv", 0, 10)
    table(tmp_path / "one.csv", 100, 4, blank=2)
    table(tmp_path / "two.csv", 200, 4)
    table(tmp_path / "evaluation.csv", 300, 4)
    chosen = config(
        tmp_path,
        f"source: table\nprivate_files: [private.csv]\npool_files: [one.csv, {tmp_path}/two.csv]\n"
        f"evaluation_files: [evaluation.csv]\n{FEATURES}",
    )
    study = load_study(chosen)
    found = [place_in_pool(chosen, study, position) for position in range(6)]
    for place, (value,) in zip(found, study.pool.inputs.tolist(), strict=True):
        lines = (tmp_path / str(place["file"])).read_text().splitlines()[1:]
        assert lines[int(place["row"])].startswith(f"{value:g},")
    assert {str(place["file"]) for place in found} == {"one.csv", "two.csv"}, "no path from the root of the disk"


def test_folders_above_the_configuration_are_not_named(tmp_path: Path) -> None:
    study, beside = tmp_path / "hospital" / "study", tmp_path / "hospital" / "secret"
    for folder in (study / "public", beside):
        folder.mkdir(parents=True)
    table(study / "private.csv", 0, 10)
    table(study / "public" / "one.csv", 100, 3)
    table(beside / "two.csv", 200, 3)
    table(study / "evaluation.csv", 300, 4)
    chosen = config(
        study,
        "source: table\nprivate_files: [private.csv]\npool_files: [public/../public/one.csv, ../secret/two.csv]\n"
        f"evaluation_files: [evaluation.csv]\n{FEATURES}",
    )
    found = load_study(chosen)
    files = {place_in_pool(chosen, found, position)["file"] for position in range(len(found.pool))}
    assert files == {"public/one.csv", "two.csv"}


def test_nothing_is_named_where_the_pool_comes_from_private_files(tmp_path: Path) -> None:
    table(tmp_path / "private.csv", 0, 20)
    chosen = config(
        tmp_path,
        f"source: table\nprivate_files: [private.csv]\nsplit: {{records_may_be_published: true}}\n{FEATURES}",
    )
    study = load_study(chosen)
    assert [place_in_pool(chosen, study, position) for position in range(6)] == [{}] * 6


def test_images_are_named_by_their_path(tmp_path: Path) -> None:
    for part, count in (("private", 6), ("pool", 6), ("evaluation", 2)):
        for number in range(count):
            folder = tmp_path / part / "ab"[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            grey = np.full((4, 4), 10 * number + len(part), dtype=np.uint8)
            Image.fromarray(grey).save(folder / f"{number}.png")
    chosen = config(
        tmp_path,
        "source: images\nprivate_files: [private]\npool_files: [pool]\nevaluation_files: [evaluation]\n"
        "classes: [a, b]\npixels: {height: 4, width: 4, channels: 1}",
    )
    study = load_study(chosen)
    for position, image in enumerate(study.pool.inputs):
        place = place_in_pool(chosen, study, position)
        assert set(place) == {"file"}
        stored = np.asarray(Image.open(tmp_path / str(place["file"])))
        assert image.flat[0] == np.float32(stored.flat[0]) / np.float32(255)


@pytest.mark.parametrize("sites", ["", ", site: b"])
def test_rows_of_archives_are_numbered_in_their_file(sites: str, tmp_path: Path) -> None:
    for number, name in enumerate(("private", "one", "two", "evaluation")):
        images = (np.arange(4 * 4).reshape(4, 2, 2) + 50 * number).astype(np.uint8)
        np.savez(tmp_path / f"{name}.npz", images=images, labels=np.arange(4) % 2)
    chosen = config(
        tmp_path,
        "source: npz\nprivate_files: [private.npz]\nevaluation_files: [evaluation.npz]\nclasses: [a, b]\n"
        f"pool_files: [{{path: one.npz}}, {{path: two.npz{sites}}}]",
    )
    study = load_study(chosen)
    for position, image in enumerate(study.pool.inputs):
        place = place_in_pool(chosen, study, position)
        if sites:
            assert place == {}
            continue
        stored = np.load(tmp_path / str(place["file"]))["images"][int(place["row"])]
        np.testing.assert_array_equal(image[0], stored.astype(np.float32) / np.float32(255))
        assert int(place["row"]) < 1 << FILE_BITS
