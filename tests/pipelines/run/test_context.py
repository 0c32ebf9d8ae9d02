"""The record of a run's configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.config.experiment import load
from pipelines.data.sources import load_study
from pipelines.progress import Quiet
from pipelines.run import context
from pipelines.storage.home import Home
from pipelines.storage.run_folder import RunFolder
from pipelines.tracking.destination import destination
from pipelines.tracking.tracker import Tracker

SMOKE = Path(__file__).parents[3] / "configs" / "smoke.yaml"


def test_what_changes_no_result_may_change_while_a_run_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = load_study(load(SMOKE))
    changes = (
        {},
        {
            "description": "said otherwise",
            "faults": {"quorum_teachers": 3},
            "ray": {"num_cpus": 1},
            "tracking": {"uri": "http://127.0.0.1:9"},
            "privacy": {**load(SMOKE).privacy.model_dump(), "retention_days": 7},
        },
    )
    for number, change in enumerate(changes):
        config = load(SMOKE, change)
        store = RunFolder(tmp_path, config.run_id)
        assert store.exists() == (number > 0), "the same run"
        store.create()
        monkeypatch.setattr(context, "versions", lambda number=number: {"torch": f"2.{number}"})
        with Tracker.open(store.public, run_id=config.run_id, insecure=False) as tracker:
            where = destination(config.tracking.uri, home=tmp_path, experiment="pate")
            run = context.Run(
                config=config,
                home=Home(tmp_path),
                folder=store,
                study=study,
                tracker=tracker,
                progress=Quiet(),
                where=where,
            )
            context.record_configuration(run)
    assert json.loads((store.settings_file).read_text())["faults"]["quorum_teachers"] == 3
