from __future__ import annotations

import http.server
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pate.errors import InputError, Unavailable
from pipelines.tracking.destination import Destination, destination, preflight, ui_arguments

SECRET = "s3cr3t"


class _Health(http.server.BaseHTTPRequestHandler):
    status = 200
    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        type(self).asked.append((self.path, self.headers.get("Authorization")))
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    _Health.asked, _Health.status = [], 200
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _at(port: int, home: Path, user: str = "") -> Destination:
    return destination(f"http://{user}127.0.0.1:{port}/", home=home)


def test_the_default_is_a_store_below_home_whatever_the_working_folder(tmp_path: Path) -> None:
    where = destination(None, home=Path(os.path.relpath(tmp_path)))
    assert where.uri == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    assert where.artifacts == tmp_path / "mlflow" / "artifacts"
    preflight(where)


@pytest.mark.parametrize("uri", ["", "mlruns", "file:///tmp/x", "postgresql://u:p@h/db", "http://", "databricks"])
def test_other_schemes_are_refused_without_repeating_the_address(tmp_path: Path, uri: str) -> None:
    with pytest.raises(InputError, match=r"tracking\.uri") as error:
        destination(uri, home=tmp_path)
    assert "u:p" not in str(error.value)


def test_a_server_that_answers_passes_and_gets_the_credentials(
    server: http.server.ThreadingHTTPServer, tmp_path: Path
) -> None:
    preflight(_at(server.server_port, tmp_path))
    preflight(_at(server.server_port, tmp_path, f"me:{SECRET}@"))
    assert [path for path, _ in _Health.asked] == ["/health", "/health"]
    assert [bool(authorization) for _, authorization in _Health.asked] == [False, True]


@pytest.mark.parametrize("status", [401, 404, 503])
def test_a_server_that_answers_otherwise_is_unavailable(
    server: http.server.ThreadingHTTPServer, tmp_path: Path, status: int
) -> None:
    _Health.status = status
    with pytest.raises(Unavailable, match=f"HTTP status {status}") as error:
        preflight(_at(server.server_port, tmp_path, f"me:{SECRET}@"))
    _check_line(str(error.value), server.server_port)


def _check_line(line: str, port: int) -> None:
    assert f"tracking.uri=http://127.0.0.1:{port}" in line
    assert SECRET not in line
    assert "\n" not in line
    assert "start the server" in line


def test_no_server_and_a_silent_server_are_unavailable_within_seconds(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        for listening in (False, True):
            if listening:
                silent.listen()
            began = time.monotonic()
            with pytest.raises(Unavailable, match="no answer") as error:
                preflight(_at(port, tmp_path, f"me:{SECRET}@"), timeout_s=0.5)
            assert time.monotonic() - began < 3
            _check_line(str(error.value), port)


def test_plain_http_to_another_machine_needs_an_override(tmp_path: Path) -> None:
    where = destination(f"http://me:{SECRET}@tracking.invalid:5000", home=tmp_path)
    with pytest.raises(InputError, match="https") as error:
        preflight(where)
    assert SECRET not in str(error.value) + repr(where)
    with pytest.raises(Unavailable):
        preflight(where, allow_plain_http=True, timeout_s=0.5)


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match=r"tracking\.uri"):
        preflight(destination(None, home=tmp_path / "file"))


def test_credentials_do_not_change_which_destination_it_is(tmp_path: Path) -> None:
    one, other = (destination(f"https://{user}h/mlflow", home=tmp_path) for user in ("", "a:b@"))
    assert one.identity == other.identity
    assert one.identity != destination("https://h/other", home=tmp_path).identity
    assert one.identity != destination("https://h/mlflow", home=tmp_path, experiment="x").identity


def test_the_ui_command_names_the_store_and_never_the_credentials(tmp_path: Path) -> None:
    words = ui_arguments(destination(None, home=tmp_path), port=5001)
    assert words[words.index("--backend-store-uri") + 1] == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    assert words[words.index("--port") + 1] == "5001"
    assert destination("https://me:pw@h:8/mlflow", home=tmp_path).shown == "https://h:8"
