"""No run joins a remote Ray that accepts jobs from anybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from pate.errors import InputError
from pipelines.cluster.safety import require_safe_ray

REMOTE = {"RAY_ADDRESS": "ray://10.0.0.7:10001"}


@pytest.fixture(autouse=True)
def no_token_of_this_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"RAY_ADDRESS": "auto"},
        {"RAY_ADDRESS": "local"},
        {"RAY_ADDRESS": "localhost:6379"},
        {"RAY_ADDRESS": "127.0.0.1:6379"},
        {"RAY_ADDRESS": "ray://[::1]:10001"},
        {**REMOTE, "RAY_AUTH_TOKEN": "t"},
    ],
)
def test_this_machine_and_a_cluster_with_a_token_are_joined(environment: dict[str, str]) -> None:
    require_safe_ray(None, environment)


def test_a_run_is_refused_on_a_remote_ray_without_a_token() -> None:
    with pytest.raises(InputError, match="RAY_AUTH_TOKEN_PATH"):
        require_safe_ray("10.0.0.7:6379", {})
    with pytest.raises(InputError, match="RAY_AUTH_MODE=token"):
        require_safe_ray(None, {**REMOTE, "RAY_AUTH_MODE": "disabled"})
