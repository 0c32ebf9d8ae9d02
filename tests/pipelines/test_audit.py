"""The audit's command, and the invariant that every record teaches one teacher."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pate.data import Partition, Study
from pate.data.records import IntArray
from pipelines import ensemble
from pipelines.cli.app import run
from pipelines.config import Config, load
from pipelines.sources import deal, load_study

CONFIGS = Path(__file__).parents[2] / "configs"


def test_the_command_prints_bound_exact_and_claim_with_sample_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "--samples", "400", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert [finding["pair"] for finding in findings] == ["argmax", "argmax", "argmax", "threshold"]
    for finding in findings:
        assert finding["samples"] == 400
        assert 0 <= finding["lower"] <= finding["exact"] <= finding["claim"]
        assert not finding["broken"]
        assert finding["confidence"] == 1 - 1e-6


@pytest.fixture(scope="module")
def study() -> tuple[Config, Study]:
    config = load(CONFIGS / "smoke.yaml")
    return config, load_study(config)


def each_record_teaches_one_teacher(config: Config, study: Study, parts: Partition) -> bool:
    """The invariant of the training tasks, over what is handed to them."""
    plan = ensemble.Plan(bundles=[list(range(10)), list(range(10, 20))], strategy="fused", threads=1, device="cpu")
    jobs = [ensemble._training_job(config, study, parts, plan, number) for number in range(2)]
    dealt = Counter(
        row.tobytes()
        for job in jobs
        for features, _ in job.arguments["partitions"]
        for row in np.ascontiguousarray(features)
    )
    return dealt == Counter(row.tobytes() for row in np.ascontiguousarray(study.private.features))


def test_all_teachers_on_one_partition_are_caught(study: tuple[Config, Study]) -> None:
    config, data = study
    parts = deal(config, data)

    class OnOnePartition:
        teachers = parts.teachers

        def rows(self, teacher: int) -> IntArray:
            return parts.rows(0)

    assert each_record_teaches_one_teacher(config, data, parts)
    assert not each_record_teaches_one_teacher(config, data, OnOnePartition())  # type: ignore[arg-type]
