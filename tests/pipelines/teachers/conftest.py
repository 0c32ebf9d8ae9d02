"""A small ensemble of records that this process holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pate.data import partition
from pipelines.cluster.session import RaySession, ray_session
from pipelines.config.experiment import load
from pipelines.data.sources import load_study
from pipelines.teachers.ensemble import Ensemble
from pipelines.teachers.holders import HeldHere

CONFIG = """
name: small
data: {source: digits, data_id: d, private: 120, pool: 40, evaluation: 20}
partition: {teachers: 6}
privacy: {epsilon: 500, delta: 1e-5, accountant: gaussian}
teachers: {model: {kind: logistic}, training: {steps: 20}, bundle_size: 2}
labelling: {max_asked: 10, mechanism: {kind: gnmax, sigma: 4}}
student: {learner: supervised, spec: {model: {kind: mlp}, train: {steps: 1}}}
"""


@pytest.fixture(scope="module")
def session() -> Iterator[RaySession]:
    with ray_session(num_cpus=2) as opened:
        yield opened


@pytest.fixture
def team(tmp_path: Path) -> Ensemble:
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "teachers").mkdir()
    config = load(tmp_path / "config.yaml")
    study = load_study(config)
    holder = HeldHere(study.held_here, partition(study.held_here, teachers=6, by="random", seed=0))
    return Ensemble(folder=tmp_path / "teachers", config=config, study=study, holder=holder)
