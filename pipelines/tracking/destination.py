"""The destination of tracked events: a local SQLite store below PATE_HOME, or an MLflow server.

Importing this module does not import MLflow, so that a wrong address is reported in milliseconds.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import os
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import final
from urllib.parse import unquote, urlsplit

from pate.errors import Unavailable, expected
from pipelines.storage.home import Home

DEFAULT_EXPERIMENT = "pate"
UI_ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""Set for ``python -m mlflow ui``."""
_SQLITE = "sqlite:///"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One MLflow store.

    Attributes:
        uri: ``sqlite:////absolute/path.db`` or ``http(s)://[user:password@]host[:port][/path]``; never printed.
        experiment: the experiment that the runs go to.
        artifacts: folder for files of a local store; a server has its own.
    """

    uri: str = field(repr=False)
    experiment: str
    artifacts: Path | None

    @property
    def local(self) -> bool:
        """``True`` if the store is a file on this machine."""
        return self.uri.startswith(_SQLITE)

    @property
    def database(self) -> Path:
        """The SQLite file of a local store."""
        return Path(self.uri.removeprefix(_SQLITE))

    @property
    def shown(self) -> str:
        """Printable form: scheme, host and port, without credentials; for a local store a phrase."""
        if self.local:
            return "the local MLflow store"
        parts = urlsplit(self.uri)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    @property
    def identity(self) -> str:
        """Key that is equal for equal destinations; credentials may change."""
        address = self.uri if self.local else self.shown + urlsplit(self.uri).path
        return f"{address} {self.experiment}"


def destination(uri: str | None, *, home: Path, experiment: str = DEFAULT_EXPERIMENT) -> Destination:
    """Return the destination that a configuration names.

    Args:
        uri: ``None`` for the local store ``<home>/mlflow/mlflow.db`` with files below ``<home>/mlflow/artifacts``.
        home: PATE_HOME.
        experiment: name of the MLflow experiment.

    Raises:
        InputError: any other scheme than sqlite, http and https.
    """
    folder = Home(home.resolve()).mlflow_folder
    if uri is None:
        return Destination(
            uri=f"{_SQLITE}{folder / 'mlflow.db'}", experiment=experiment, artifacts=folder / "artifacts"
        )
    if uri.startswith(_SQLITE):
        database = Path(uri.removeprefix(_SQLITE)).resolve()
        if not uri.removeprefix(_SQLITE) or "?" in uri or "\0" in uri or database.is_dir():
            raise expected("tracking.uri=sqlite:///PATH with the path of a file, without '?'", "name the file")
        return Destination(uri=f"{_SQLITE}{database}", experiment=experiment, artifacts=database.parent / "artifacts")
    try:
        parts = urlsplit(uri)
        _ = parts.port  # the port is parsed only now
    except ValueError as error:
        raise expected("tracking.uri as scheme://host:port", "correct the host or the port") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise expected(
            "tracking.uri to start with sqlite:///, http:// or https://",
            "leave it out for the local store",
            scheme=parts.scheme,
        )
    return Destination(uri=uri.rstrip("/"), experiment=experiment, artifacts=None)


def preflight(where: Destination, *, allow_plain_http: bool = False, timeout_s: float = 5.0) -> None:
    """Refuse, before the run, an unreachable destination.

    Args:
        where: the destination.
        allow_plain_http: accept unencrypted HTTP to another machine; the caller records the override.
        timeout_s: seconds to wait for a server.

    Raises:
        Unavailable: one line that names the key ``tracking.uri`` and the remedy.
        InputError: plain HTTP to another machine.
    """
    if where.local:
        _check_writable(where)
        return
    if not allow_plain_http:
        require_encrypted(where)
    reason = _health(where, timeout_s)
    if reason is not None:
        raise Unavailable(
            f"Expected an MLflow server at tracking.uri={where.shown}, got {reason}; "
            "start the server, correct tracking.uri, or leave it out to track locally"
        )


def require_encrypted(where: Destination) -> None:
    """Refuse plain HTTP to another machine, without contacting it."""
    parts = urlsplit(where.uri)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise expected(
            "tracking.uri to use https to another machine",
            "put TLS before the server, or allow plain HTTP explicitly",
            server=where.shown,
        )


def ui_arguments(where: Destination, *, port: int) -> list[str]:
    """Return the arguments of ``python -m mlflow`` that show a local store in a browser, on this machine only."""
    folders = ["--backend-store-uri", where.uri, "--default-artifact-root", str(where.artifacts)]
    return ["ui", *folders, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]


def _check_writable(where: Destination) -> None:
    folder = where.database.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK) and (
            not where.database.exists() or (where.database.is_file() and os.access(where.database, os.W_OK))
        )
    except OSError:
        writable = False
    if not writable:
        raise Unavailable(
            "Expected tracking.uri to name a database in a folder that can be written, got one that cannot; "
            "give write access, or set PATE_HOME or tracking.uri"
        )


def _health(where: Destination, timeout_s: float) -> str | None:
    """Return ``None`` if the server answers its health check, else the failure."""
    parts = urlsplit(where.uri)
    request = urllib.request.Request(f"{where.shown}{parts.path}/health")  # noqa: S310 - http and https only
    user = parts.username or os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = parts.password or os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if user:
        secret = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
        request.add_header("Authorization", f"Basic {secret}")
    elif token:
        request.add_header("Authorization", f"Bearer {token}")
    trust = ssl.create_default_context(cafile=os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH"))
    try:
        with urllib.request.urlopen(request, timeout=timeout_s, context=trust):  # noqa: S310
            return None
    except urllib.error.HTTPError as error:
        return f"HTTP status {error.code}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        return f"no answer ({type(reason).__name__})"


def is_loopback(host: str) -> bool:
    """Return ``True`` if a host name or address is this machine's loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
