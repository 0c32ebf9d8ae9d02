"""The audit's command, and the invariant that every record teaches one teacher."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pate.arrays import IntArray
from pate.data import Partition, Study
from pipelines.cli.app import run
from pipelines.config.experiment import Config, load
from pipelines.data.sources import deal, load_study
from pipelines.teachers.holders import HeldHere
from pipelines.teachers.roster import make_bundles

CONFIGS = Path(__file__).parents[3] / "configs"


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


def each_record_teaches_one_teacher(study: Study, parts: Partition) -> bool:
    """The invariant of the training tasks, over what is handed to them."""
    holder = HeldHere(study.held_here, parts)
    bundles, _ = make_bundles(holder.sites(), size=10, slots=1)
    dealt = Counter(
        row.tobytes()
        for bundle in bundles
        for features, _ in holder.source(bundle).load()
        for row in np.ascontiguousarray(features)
    )
    return dealt == Counter(row.tobytes() for row in np.ascontiguousarray(study.held_here.features))


def test_all_teachers_on_one_partition_are_caught(study: tuple[Config, Study]) -> None:
    config, data = study
    parts = deal(config, data)

    class OnOnePartition:
        teachers = parts.teachers

        def rows(self, teacher: int) -> IntArray:
            return parts.rows(0)

    assert each_record_teaches_one_teacher(data, parts)
    assert not each_record_teaches_one_teacher(data, OnOnePartition())  # type: ignore[arg-type]
