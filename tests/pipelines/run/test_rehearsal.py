"""What would stop a student is found before anything is charged."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from pate.errors import InputError
from pate.ledger import PrivacyLedger
from pipelines.config.experiment import Config, load
from pipelines.data.sources import load_study
from pipelines.progress import Quiet
from pipelines.run.context import Run
from pipelines.run.features import fit_encoder
from pipelines.run.rehearsal import rehearse
from pipelines.storage.home import Home
from pipelines.storage.run_folder import RunFolder
from pipelines.tracking.destination import destination

SMOKE = (Path(__file__).parents[3] / "configs" / "smoke.yaml").read_text()
STUDENT = SMOKE[SMOKE.index("student:") : SMOKE.index("ray:")]
FIXMATCH = "learner: fixmatch\n  weak: {shift: 0.1}\n  strong: {shift: 0.2, erase: 0.3}"
TRAIN = "train: {steps: 100, learning_rate: 0.05}"


def config_of(folder: Path, student: str, more: str = "") -> Config:
    path = folder / "c.yaml"
    path.write_text(SMOKE.replace(STUDENT, f"student:\n  {student}\n") + more)
    return load(path)


def run_of(config: Config, base: Path) -> Run:
    study, store = load_study(config), RunFolder(base, config.run_id)
    store.create()
    encoder = fit_encoder(config, study, store, Quiet())
    where = destination(None, home=base)
    return Run(
        config=config, home=Home(base), folder=store, study=study, tracker=cast(Any, None), progress=Quiet(),
        where=where, encoder=encoder,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("student", "words"),
    [
        (f"learner: supervised\n  spec: {{model: {{kind: cnn, hidden: [4, 4, 4, 4]}}, {TRAIN}}}", "16 pixels a side"),
        (f"learner: supervised\n  spec: {{model: {{kind: logistic, input_mean: [1, 2]}}, {TRAIN}}}", "one input_mean"),
        (f"learner: supervised\n  spec: {{model: {{kind: mlp, hidden: [{10**12}]}}, {TRAIN}}}", "nothing was charged"),
    ],
)  # fmt: skip
def test_a_student_that_the_data_do_not_allow_is_refused(tmp_path: Path, student: str, words: str) -> None:
    run = run_of(config_of(tmp_path, student), tmp_path / "home")
    with pytest.raises(InputError, match=words) as error:
        rehearse(run)
    assert "\n" not in str(error.value)


def test_an_encoder_of_another_network_is_no_start(tmp_path: Path) -> None:
    features = (
        "features:\n  kind: simclr\n  model: {kind: cnn, hidden: [8]}\n  train: {steps: 1, learning_rate: 0.01}\n"
        "  augmentation: {shift: 0.1}\n"
    )
    student = f"learner: supervised\n  start: features\n  spec: {{model: {{kind: cnn, hidden: [16]}}, {TRAIN}}}"
    with pytest.raises(InputError):
        rehearse(run_of(config_of(tmp_path, student, features), tmp_path / "home"))


@pytest.mark.parametrize(
    "student",
    [
        STUDENT.removeprefix("student:\n  "),
        f"{FIXMATCH}\n  spec: {{model: {{kind: cnn, hidden: [4, 4]}}, {TRAIN}, held_out: 0.9}}",
        "learner: boosted-trees\n  self_training: 2\n  spec: {kind: boosted-trees, rounds: 50}",
    ],
)
def test_a_student_that_fits_leaves_no_trace(tmp_path: Path, student: str) -> None:
    run = run_of(config_of(tmp_path, student), tmp_path / "home")
    before = {path: path.stat().st_mtime_ns for path in run.folder.path.rglob("*")}
    rehearse(run)
    assert {path: path.stat().st_mtime_ns for path in run.folder.path.rglob("*")} == before


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_run_whose_student_cannot_be_trained_is_refused_uncharged(shell: Any, tmp_path: Path) -> None:
    student = f"learner: supervised\n  spec: {{model: {{kind: cnn, hidden: [4, 4, 4, 4]}}, {TRAIN}}}"
    config_of(tmp_path, student)
    done = shell.run("run", str(tmp_path / "c.yaml"))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("pate: error: Expected images of at least 16 pixels a side")
    ledger = PrivacyLedger(shell.home / "ledger")
    assert [account for account in ledger.accounts() if ledger.spent(account.name).epsilon > 0] == []
    ledger.close()


OWN = """
from torch import nn


def normalised(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, classes))


def build(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))


class Narrow:
    def fit(self, rows, labels):
        pass

    def predict_proba(self, rows):
        return rows[:, :1]


def narrow(classes, seed):
    return Narrow()
"""


@pytest.mark.parametrize(
    ("teachers", "words"),
    [
        (
            {"model": {"kind": "custom", "builder": "own_teachers:normalised"}, "training": {"steps": 9}},
            ["teachers.model.builder", "own_teachers:normalised", "ValueError where it is fitted on 1 inputs"],
        ),
        (
            {"model": {"kind": "estimator", "estimator": "own_teachers:narrow"}},
            ["teachers.model.estimator", "own_teachers:narrow", "probabilities of shape"],
        ),
        ({"model": {"kind": "custom", "builder": "own_teachers:build"}, "training": {"steps": 9}}, []),
    ],
    ids=str,
)
def test_own_teachers_are_tried_on_public_inputs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, teachers: dict[str, Any], words: list[str]
) -> None:
    (tmp_path / "own_teachers.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(SMOKE), "teachers": teachers}))
    run = run_of(load(path), tmp_path / "home")
    run = replace(run, study=replace(run.study, private=None))
    try:
        rehearse(run)
    except InputError as error:
        found = str(error)
    else:
        found = ""
    sys.modules.pop("own_teachers")
    assert bool(found) == bool(words)
    assert "\n" not in found
    for piece in [*words, *(["docs/how_to/own_parts.md"] if words else [])]:
        assert piece in found
