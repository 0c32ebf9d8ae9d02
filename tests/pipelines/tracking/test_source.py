from __future__ import annotations

import pytest

from pipelines.storage.code_commit import CHANGED
from pipelines.tracking import source
from pipelines.tracking.source import source_tags


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in source.USER_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("USER", "anna")
    monkeypatch.setenv("LOGNAME", "anna")


def test_the_command_and_the_commit_are_named_and_no_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "code_commit", lambda: "a" * 40 + CHANGED)
    assert source_tags("digits") == {
        "mlflow.source.name": "pate run digits",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": "a" * 40,
        "pate.code": "a" * 40 + CHANGED,
    }


def test_outside_a_checkout_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "code_commit", lambda: None)
    assert set(source_tags("digits")) == {"mlflow.source.name", "mlflow.source.type"}


def test_a_user_is_named_by_a_variable_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    assert source_tags("digits")["mlflow.user"] == "ada"
    monkeypatch.setenv("PATE_TRACKING_USER", "Ada L.")
    assert source_tags("digits")["mlflow.user"] == "Ada L."
    monkeypatch.setenv("PATE_TRACKING_USER", " ")
    assert source_tags("digits")["mlflow.user"] == "ada"
