"""From configurations to data, as a user meets it: the real sets, and bad input in one line."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from pate.errors import InputError, PrivacyViolation, RecordsRefused
from pipelines.cli.app import run
from pipelines.config.experiment import Config, load
from pipelines.data.fingerprints import fingerprint_with_positions, fingerprints
from pipelines.data.sources import deal, load_study
from pipelines.run.context import require_same_records
from pipelines.storage.run_folder import RunFolder

CONFIGS = Path(__file__).parents[3] / "configs"
SMOKE = yaml.safe_load((CONFIGS / "smoke.yaml").read_text())
CANARY = "CANARY-7731"

DATA = {
    "source": "table",
    "data_id": "mine",
    "task": "outcome",
    "private_files": ["private/patients.csv"],
    "pool_files": ["public.csv"],
    "pool": 60,
    "evaluation": 30,
    "label": {"column": "outcome", "classes": ["well", "ill"]},
    "unit": "patient",
    "site": "hospital",
    "features": {
        "numeric": [{"columns": ["age"]}],
        "categorical": [{"columns": ["stage"], "unknown": "ignore"}],
    },
}


def frame(count: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "patient": [f"p{seed}-{i}" for i in range(count)],
            "hospital": rng.choice(["north", "south", "west"], count),
            "age": rng.normal(50, 10, count).round(2),
            "stage": rng.choice(["I", "II"], count),
            "outcome": rng.choice(["well", "ill"], count),
        }
    )


def write(folder: Path, data: dict, **changes: object) -> Path:
    """A study folder with its configuration."""
    (folder / "private").mkdir(exist_ok=True)
    if not (folder / "private" / "patients.csv").exists():
        frame(120, 0).to_csv(folder / "private" / "patients.csv", index=False)
        frame(90, 1).to_csv(folder / "public.csv", index=False)
    sites = [{"site": name, "teachers": count} for name, count in (("north", 8), ("south", 7), ("west", 5))]
    partition = {"teachers": 20, "by": "site", "sites": sites}
    content = {**SMOKE, "name": "mine", "data": {**DATA, **data}, "partition": partition, **changes}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_relative_paths_start_at_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, {})
    monkeypatch.chdir("/")
    study = load_study(load(path))
    assert (len(study.private), len(study.pool), len(study.evaluation)) == (120, 60, 30)
    assert deal(load(path), study).teachers == 20


def test_paths_never_enter_the_published_configuration(tmp_path: Path) -> None:
    (tmp_path / CANARY).mkdir()
    config = load(write(tmp_path / CANARY, {"join": [{"path": f"{CANARY}.csv", "column": "patient"}]}))
    assert CANARY not in str(config.model_dump(mode="json"))
    assert CANARY not in config.model_dump_json()
    assert "private_files" not in config.model_dump()["data"]
    assert "age" in str(config.model_dump())


def test_the_run_id_does_not_follow_the_path_and_the_mark_follows_the_content(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    one, two = load(write(first, {})), load(write(second, {}))
    assert one.run_id == two.run_id
    assert fingerprints(load_study(one)) == fingerprints(load_study(two))
    other = frame(120, 0)
    other["hospital"] = "north"
    other.to_csv(second / "private" / "patients.csv", index=False)
    assert fingerprints(load_study(one))["private"] != fingerprints(load_study(two))["private"]


@pytest.mark.parametrize("how", ["same", "link", "hard link", "dots"])
@pytest.mark.parametrize("key", ["pool_files", "evaluation_files"])
def test_a_private_file_is_refused_as_public_under_any_name(tmp_path: Path, how: str, key: str) -> None:
    config = load(write(tmp_path, {key: ["private/../other.csv" if how == "dots" else "other.csv"]}))
    private, other = tmp_path / "private" / "patients.csv", tmp_path / "other.csv"
    if how in ("link", "dots"):
        other.symlink_to(private)
    elif how == "hard link":
        other.hardlink_to(private)
    else:
        config = load(write(tmp_path, {key: [str(private)]}))
    with pytest.raises(PrivacyViolation, match=rf"data\.{key}\[0\].*data\.private_files\[0\]") as caught:
        load_study(config)
    assert str(tmp_path) not in str(caught.value)


def test_private_records_are_not_drawn_as_a_pool_without_a_word(tmp_path: Path) -> None:
    config = load(write(tmp_path, {"pool_files": []}))
    with pytest.raises(PrivacyViolation, match="records_may_be_published"):
        load_study(config)
    config = load(write(tmp_path, {"pool_files": [], "split": {"records_may_be_published": True}}))
    assert len(load_study(config).private) == 120 - 90


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        ({"features": {"categorical": [{"columns": ["stage"], "unknown": "guess"}]}}, ["unknown='guess'", "'ignore'"]),
        ({"features": {"categorical": [{"columns": ["stage"]}]}}, ["missing key data.features.categorical.0.unknown"]),
        ({"features": {"numeric": [{"columns": ["outcome"]}]}}, ["features without the label"]),
        ({"surprise": 1}, ["unknown key data.surprise=1"]),
        ({"label": {"column": "outcome", "positive": [True]}}, ["data.label.positive", "quotes"]),
        ({"private_files": []}, ["data.private_files"]),
        ({"source": "oracle"}, ["data", "oracle"]),
    ],
)
def test_wrong_keys_are_one_line_with_the_key(tmp_path: Path, data: dict, parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        load(write(tmp_path, data))
    assert "\n" not in str(caught.value)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_a_label_rule_without_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"exactly one of data\.label\.positive"):
        load_study(load(write(tmp_path, {"label": {"column": "outcome"}})))


NO_FILE = (
    "Expected a file at data.private_files[0], got none; correct the path (relative ones start at the configuration's "
    "folder)"
)


def spoil(folder: Path, what: str) -> None:
    """Make one thing wrong with the private file."""
    file = folder / "private" / "patients.csv"
    table = frame(120, 0)
    if what == "missing file":
        file.unlink()
        return
    if what == "missing column":
        table = table.drop(columns="age")
    elif what == "unknown class":
        table.loc[[3, 4], "outcome"] = CANARY
    elif what == "missing ids":
        table.loc[[5, 6, 7], "patient"] = None
    elif what == "empty site":
        table.loc[[9], "hospital"] = None
    elif what == "empty file":
        table = table.iloc[:0]
    elif what == "text":
        table["age"] = table["age"].astype(object)
        table.loc[11, "age"] = CANARY
    table.to_csv(file, index=False)


@pytest.mark.parametrize(
    ("what", "mentions"),
    [
        ("missing file", ["patients.csv"]),
        ("missing column", ["data.features='age'", "correct the name"]),
        ("unknown class", ["2 of 120", "data.label.classes"]),
        ("missing ids", ["data.unit='patient'", "3 of 120", "fill in"]),
        ("empty site", ["data.site='hospital'", "1 of 120"]),
        ("text", ["'age'", "1 of 120", "data.format.missing"]),
    ],
)
def test_bad_input_is_one_line_exit_code_2_nothing_written_and_nothing_private_printed(
    what: str, mentions: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("PATE_HOME", str(home))
    folder = tmp_path / f"study-{CANARY}"
    folder.mkdir()
    path = write(folder, {})
    spoil(folder, what)
    assert run(["run", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    incident = printed.err.split("pate incident ")[1].split("`")[0]
    assert printed.err == (
        f"pate: error: {RecordsRefused.SENTENCE if what != 'missing file' else NO_FILE} "
        f"(details: `pate incident {incident}`)\n"
    )
    assert all("incidents" in str(file) for file in home.rglob("*") if file.is_file())
    assert run(["incident", incident]) == 0
    private = capsys.readouterr().out
    for text in mentions:
        assert text in private, private


def test_a_set_that_is_nowhere_names_the_command_that_fetches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PATE_DATA_DIR", raising=False)
    monkeypatch.setenv("PATE_HOME", str(tmp_path))
    with pytest.raises(InputError, match="pate data fetch adult"):
        load_study(load(CONFIGS / "adult.yaml"))
    with pytest.raises(InputError, match="PATE_DATA_DIR/malaria"):
        load_study(load(CONFIGS / "malaria_patients.yaml"))


def test_a_set_with_an_altered_file_is_refused(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "heart4"
    folder.mkdir()
    for file in (data_dir / "heart4").glob("processed.*.data"):
        (folder / file.name).write_bytes(file.read_bytes())
    with (folder / "processed.va.data").open("a") as file:
        file.write("1,1,1,1,1,1,1,1,1,1,1,1,1,0\n")
    monkeypatch.setenv("PATE_DATA_DIR", str(tmp_path))
    with pytest.raises(InputError, match=r"processed\.va\.data of heart4 as published, got another checksum"):
        load_study(load(CONFIGS / "heart_four_hospitals.yaml"))


SHAPES = {
    "mnist": (60_000, 9_000, 1_000, (1, 28, 28)),
    "fashion_mnist": (60_000, 9_000, 1_000, (1, 28, 28)),
    "pneumonia_mnist": (4_708, 524, 624, (1, 28, 28)),
    "adult": (32_561, 8_281, 8_000, (53,)),
    "heart_four_hospitals": (620, 200, 100, (38,)),
    "eicu_consortium": (1_278, 700, 500, (34,)),
    "malaria_patients": (22_455, 3_000, 2_000, (3, 28, 28)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_shipped_configurations_find_their_data(data_dir: Path, name: str) -> None:
    config = load(CONFIGS / f"{name}.yaml")
    study = load_study(config)
    assert (len(study.private), len(study.pool), len(study.evaluation), study.input_shape) == SHAPES[name]
    assert study.benchmark is not None
    assert len(study.benchmark.pool_labels_M) == len(study.pool)
    assert deal(config, study).partitions_per_unit == 1


def eicu(folder: Path, *, unit: str, group_size: int) -> Config:
    """All 186 hospitals private, each its own teacher; the pool is another table."""
    content = yaml.safe_load((CONFIGS / "eicu_consortium.yaml").read_text())
    content["data"] |= {"unit": unit, "split": {"by": "record", "seed": 0}, "pool": 2, "evaluation": 1}
    content["data"]["label"] = {"column": "hospitaldischargestatus", "positive": ["Expired"], "missing": "drop"}
    age = {"columns": ["age"], "scale": "none", "missing": {"strategy": "constant", "value": 0}}
    content["data"]["features"] = {"numeric": [age]}
    content["partition"] = {"teachers": 186, "by": "site", "group_size": group_size}
    content["labelling"] = {"max_asked": 1, "mechanism": {"kind": "gnmax", "sigma": 40}}
    path = folder / "eicu.yaml"
    path.write_text(yaml.safe_dump(content))
    return load(path)


def test_patients_in_two_hospitals_are_refused_or_charged_twice(
    data_dir: Path, tmp_path: Path, records_refused
) -> None:
    config = eicu(tmp_path, unit="uniquepid", group_size=1)
    study = load_study(config)
    with records_refused(r"(?s)partition\.group_size=1.*19 units in up to 2 partitions: ") as caught:
        deal(config, study)
    assert (caught.value.private_detail or "").count("-") >= 19
    charged = eicu(tmp_path, unit="uniquepid", group_size=2)
    assert deal(charged, study).partitions_per_unit == 2
    assert charged.campaign_epsilon().epsilon > 1.9 * config.campaign_epsilon().epsilon
    hospitals = eicu(tmp_path, unit="hospitalid", group_size=1)
    assert deal(hospitals, load_study(hospitals)).partitions_per_unit == 1


def test_records_that_moved_in_their_file_are_others_where_places_deal_them(
    tmp_path: Path, records_refused: Callable[[str], AbstractContextManager[Any]]
) -> None:
    """A run that went on after a line was removed would show a record to two teachers."""
    data = {"unit": None, "site": None, "label": {**DATA["label"], "missing": "drop"}}
    path = write(tmp_path, data, partition={"teachers": 20, "by": "random"})
    file = tmp_path / "private" / "patients.csv"
    lines = file.read_text().splitlines()
    blank = ",".join(["", "", "50", "I", ""])
    file.write_text("\n".join([lines[0], blank, *lines[1:]]) + "\n")
    before = load_study(load(path))
    file.write_text("\n".join(lines) + "\n")
    after = load_study(load(path))
    assert np.array_equal(before.held_here.features, after.held_here.features)
    assert fingerprints(before)["private"] == fingerprints(after)["private"], "nothing else tells them apart"
    assert fingerprint_with_positions(before.held_here) != fingerprint_with_positions(after.held_here)
    store = RunFolder(tmp_path / "home", "r")
    store.create()
    require_same_records(SimpleNamespace(study=before, folder=store))
    with records_refused("as when it began"):
        require_same_records(SimpleNamespace(study=after, folder=store))
