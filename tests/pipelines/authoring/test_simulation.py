"""`pate simulate`: files that are marked as synthetic, a configuration that runs, and refusals to rehearse."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pate.errors import RecordsRefused
from pipelines.cli.app import run
from pipelines.config.experiment import load
from pipelines.data.sources import deal, load_study

SMALL = ["--sites", "6", "--patients", "240", "--pool", "60", "--evaluation", "40"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_configuration_loads_and_deals_every_hospital_its_own_teachers(place: Path, kind: str) -> None:
    assert run(["simulate", "reh", *SMALL, "--one-class", "1", "--format", kind]) == 0
    config = load(place / "reh" / "config.yaml")
    assert config.campaign_epsilon().epsilon <= config.privacy.epsilon
    study = load_study(config)
    assert set(study.private.sites_N) == {f"hospital_0{number}" for number in range(1, 7)}
    assert len(set(study.private.units_N)) == 240
    assert (len(study.pool), len(study.evaluation)) == (60, 40)
    assert study.benchmark is None
    parts = deal(config, study)
    assert parts.partitions_per_unit == 1
    for teacher in range(parts.teachers):
        assert len(set(study.private.sites_N[parts.rows(teacher)])) == 1


def test_data_and_configuration_say_that_they_are_synthetic(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", "reh", *SMALL, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["run_id"] == load(Path(told["config"])).run_id
    text = (place / "reh" / "config.yaml").read_text()
    assert "SYNTHETIC DATA" in text
    assert load(place / "reh" / "config.yaml").data.data_id.startswith("synthetic-")
    for path in (place / "reh").rglob("*.csv"):
        table = pd.read_csv(path)
        assert table["patient_id"].str.startswith("synthetic-").all()
        assert ("diagnosis" in table) == (path.name != "pool.csv"), "the pool has no labels"
        assert not {"site", "hospital"} & set(table.columns)


def test_the_same_command_writes_the_same_bytes(place: Path) -> None:
    for folder in ("a", "b"):
        assert run(["simulate", f"{folder}/reh", *SMALL, "--overlap", "3", "--drop-outs", "0.3"]) == 0
    one, two = ({path.name: path.read_bytes() for path in (place / f).rglob("*") if path.is_file()} for f in ("a", "b"))
    assert one.pop("cluster.yaml") == two.pop("cluster.yaml").replace(b"/b/reh/", b"/a/reh/"), "but for the path"
    assert one == two
    lost = one["drop_outs.txt"].decode().split()
    assert len(lost) == 2
    assert set(lost) <= {f"hospital_0{number}" for number in range(1, 7)}


def test_the_printed_command_in_the_configuration_makes_it_again(place: Path) -> None:
    words = [*SMALL, "--overlap", "3", "--skew", "0.9", "--format", "parquet", "--group-size", "2", "--seed", "5"]
    assert run(["simulate", "reh", *words]) == 0
    text = (place / "reh" / "config.yaml").read_text()
    (command,) = re.findall(r"^# pate (simulate .*)$", text, flags=re.MULTILINE)
    (place / "reh").rename(place / "first")
    assert run(command.split()) == 0
    assert (place / "reh" / "config.yaml").read_text() == text


def test_patients_of_two_hospitals_are_refused_with_an_incident_that_names_them(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", "reh", *SMALL, "--overlap", "5"]) == 0
    assert "5 patients are known to two hospitals" in capsys.readouterr().out
    assert run(["run", "reh/config.yaml", "--quiet"]) == 2
    printed = capsys.readouterr()
    assert RecordsRefused.SENTENCE in printed.err
    (incident,) = re.findall(r"pate incident (\w+)", printed.err)
    assert run(["incident", incident]) == 0
    shown = capsys.readouterr().out
    assert "5 units in up to 2 partitions" in shown
    assert len(set(re.findall(r"synthetic-\d+", shown))) == 5
    assert run(["incident", incident, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"id": incident, "text": shown.removesuffix("\n")}


def test_declared_overlap_is_dealt_and_charged_for_two_votes(place: Path, records_refused) -> None:
    assert run(["simulate", "reh", *SMALL, "--overlap", "5", "--group-size", "2"]) == 0
    config = load(place / "reh" / "config.yaml")
    assert config.partition.group_size == 2
    assert deal(config, load_study(config)).partitions_per_unit == 2
    alone = config.model_copy(update={"partition": config.partition.model_copy(update={"group_size": 1})})
    assert config.campaign_epsilon().epsilon > alone.campaign_epsilon().epsilon
    with records_refused("5 units in up to 2"):
        deal(alone, load_study(alone))


def test_the_cluster_configuration_reads_each_file_at_its_site_and_declares_a_quorum(place: Path) -> None:
    assert run(["simulate", "reh", *SMALL, "--drop-outs", "0.3"]) == 0
    config = load(place / "reh" / "cluster.yaml")
    assert config.held_at_sites
    assert config.faults.quorum_sites == 4
    assert config.sites is not None
    assert config.sites.folder == place / "reh" / "teachers"
    alone = load(place / "reh" / "config.yaml")
    assert alone.sites is None
    assert config.model_copy(update={"sites": None}).run_id == alone.run_id, "nothing else differs"


def test_the_keys_in_the_consortium_guide_are_keys_of_a_configuration(place: Path) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "how_to" / "consortium.md").read_text()
    (shown,) = re.findall(r"```yaml\n(.*?)```", guide, flags=re.DOTALL)
    assert run(["simulate", "reh", *SMALL]) == 0
    path = place / "reh" / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **yaml.safe_load(shown)}))
    config = load(path)
    assert config.held_at_sites
    assert config.faults.quorum_sites == 18


@pytest.mark.parametrize("folder", ["Bad Name", "-x", "x" * 60])
def test_a_folder_that_cannot_name_a_study_is_refused(place: Path, folder: str) -> None:
    assert run(["simulate", "--", folder]) == 2
    assert not list(place.glob("*/config.yaml"))


def test_a_folder_that_exists_is_left_alone(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "reh").mkdir()
    assert run(["simulate", "reh", *SMALL]) == 2
    assert "does not exist yet" in capsys.readouterr().err
    assert not list((place / "reh").iterdir())


@pytest.mark.slow
def test_following_the_printed_steps_leads_to_a_student(shell) -> None:
    made = shell.run("simulate", "reh", *SMALL, "--overlap", "4", "--group-size", "2", "--one-class", "1")
    assert made.returncode == 0, made.stderr
    steps = re.findall(r"^ +pate (.+)$", made.stdout, flags=re.MULTILINE)
    assert [step.split()[0] for step in steps] == ["validate", "run", "report"]
    for step in steps:
        done = shell.run(*step.split())
        assert done.returncode == 0, done.stderr
    run_id = steps[-1].split()[1]
    report = json.dumps(shell.json("report", run_id))
    assert "synthetic-0000" not in report
    assert shell.json("report", run_id)["student_accuracy"] > 0.5


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_the_rehearsal_runs_with_a_node_for_each_hospital(shell) -> None:
    made = shell.run("simulate", "reh", "--sites", "3", "--patients", "90", "--pool", "60", "--evaluation", "40")
    assert made.returncode == 0, made.stderr
    hospitals = [f"hospital_0{number}" for number in (1, 2, 3)]
    auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "rehearsal-of-a-consortium-0123456789"}
    nodes = subprocess.Popen(
        [sys.executable, str(Path(__file__).parents[1] / "hospital_nodes.py"), *hospitals],
        env=shell.environment(**auth),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert nodes.stdout is not None
        address = nodes.stdout.readline().strip()
        done = shell.run("run", "reh/cluster.yaml", "--json", RAY_ADDRESS=address, **auth)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["teachers"] == 10
    finally:
        nodes.communicate("")
    kept = list((shell.home.parent / "reh" / "teachers").rglob("*.safetensors"))
    assert kept, "teachers stay at their sites"
    assert not list(shell.home.rglob("*.safetensors")), "and come nowhere else"
