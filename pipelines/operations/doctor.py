"""What is unsafe about this installation or this configuration, and the command that mends it."""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final
from urllib.parse import urlsplit

from pate.errors import InputError, PateError, expected
from pate.ledger import PrivacyLedger
from pipelines.config.experiment import Config


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is unsafe.

    Attributes:
        about: ``modes``, ``ledger``, ``ray``, ``tracking`` or ``settings``.
        text: what is wrong, one public line.
        fix: the command, or the change of the configuration, that mends it.
    """

    about: str
    text: str
    fix: str


def examine(base: Path, config: Config | None, environment: Mapping[str, str]) -> list[Finding]:
    """Everything that is unsafe.

    Args:
        base: ``PATE_HOME``.
        config: the experiment that is about to run, if any.
        environment: of the process that would run it.
    """
    address = environment.get("RAY_ADDRESS") or None
    findings = [*modes(base), *ledger(base)]
    if config is not None:
        findings += [*tracking(config.tracking.uri, environment), *settings(config)]
        address = config.ray.address or address
    return [*findings, *ray(address, environment)]


def modes(base: Path) -> Iterator[Finding]:
    """Private folders and files that others may read."""
    folders = [base / "ledger", base / "private", *sorted((base / "runs").glob("*/private"))]
    files = [base / "ledger" / "key", *sorted(base.glob("**/incidents/*"))]
    for path, mode in [*((folder, 0o700) for folder in folders), *((file, 0o600) for file in files)]:
        if not path.exists():
            continue
        found = path.stat()
        name = f'"${{PATE_HOME:-.pate}}/{path.relative_to(base)}"'
        if stat.S_IMODE(found.st_mode) & ~mode:
            text = f"{path.relative_to(base)} may be entered or read by others (mode {stat.S_IMODE(found.st_mode):o})"
            yield Finding(about="modes", text=text, fix=f"chmod {mode:o} {name}")
        if found.st_uid != os.getuid():
            text = f"{path.relative_to(base)} belongs to another user"
            yield Finding(about="modes", text=text, fix=f'sudo chown -R "$USER" {name}')


def ledger(base: Path) -> Iterator[Finding]:
    """A ledger that is not what was written."""
    folder = base / "ledger"
    if not folder.is_dir():
        return
    mode = stat.S_IMODE(folder.stat().st_mode)
    try:
        opened = PrivacyLedger(folder)
        try:
            opened.verify()
        finally:
            opened.close()
    except PateError as error:
        yield Finding(about="ledger", text=str(error), fix="restore the ledger's folder from its newest backup")
    finally:
        folder.chmod(mode)  # opening sets it right; this only looks


def ray(address: str | None, environment: Mapping[str, str]) -> Iterator[Finding]:
    """A Ray that runs anybody's code."""
    mode = environment.get("RAY_AUTH_MODE", "token")
    remote = address is not None and not _is_this_machine(address)
    where = "the remote Ray" if remote else "a Ray on this machine, whose ports other machines may reach,"
    if mode != "token":
        text = f"{where} takes jobs from anybody (RAY_AUTH_MODE={mode})"
        yield Finding(about="ray", text=text, fix="export RAY_AUTH_MODE=token")
    elif remote and not _token_file(environment) and not environment.get("RAY_AUTH_TOKEN"):
        text = "the remote Ray is to be joined without its token, so it either refuses or asks nobody for one"
        fix = "export RAY_AUTH_TOKEN_PATH=/path/to/the/cluster's/token"
        yield Finding(about="ray", text=text, fix=fix)
    file = _token_file(environment)
    if file is not None and stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield Finding(about="ray", text="Ray's token may be read by others", fix=f"chmod 600 {file}")


def tracking(uri: str | None, environment: Mapping[str, str]) -> Iterator[Finding]:
    """A tracking server that others can read along with or pose as."""
    parts = urlsplit(uri or "")
    if parts.scheme == "http" and not _is_this_machine(parts.netloc.rpartition("@")[2]):
        text = "the MLflow server is spoken to in plain HTTP"
        yield Finding(about="tracking", text=text, fix="put TLS before the server and set tracking.uri to https://...")
    if parts.password:
        text = "tracking.uri holds a password, and configurations are shared"
        fix = "export MLFLOW_TRACKING_USERNAME=... MLFLOW_TRACKING_PASSWORD=... and remove it from tracking.uri"
        yield Finding(about="tracking", text=text, fix=fix)
    if environment.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() == "true":
        text = "the MLflow server's certificate is not checked"
        yield Finding(about="tracking", text=text, fix="unset MLFLOW_TRACKING_INSECURE_TLS")


def settings(config: Config) -> Iterator[Finding]:
    """Values of the configuration that weaken the guarantee or its side channels."""
    if config.labelling.insecure_seeded_noise is not None:
        text = "labelling.insecure_seeded_noise makes the noise predictable: it protects nobody"
        yield Finding(about="settings", text=text, fix="remove labelling.insecure_seeded_noise")
    if config.labelling.batch_size == 1 and config.labelling.max_asked > 1:
        text = "labelling.batch_size=1 shows how long each answer took"
        yield Finding(about="settings", text=text, fix="remove labelling.batch_size")
    if config.privacy.retention_days is None:
        text = "nothing says how long votes, weights and incidents are kept"
        yield Finding(about="settings", text=text, fix="add privacy.retention_days, and run `pate purge` then")


def require_safe_ray(address: str | None, environment: Mapping[str, str]) -> None:
    """Refuse, before a run, to join a remote Ray without token authentication.

    Raises:
        InputError: what is wrong and the command that mends it.
    """
    address = address or environment.get("RAY_ADDRESS") or None
    if address is None or _is_this_machine(address):
        return
    for finding in ray(address, environment):
        raise expected("token authentication on a remote Ray", finding.fix, found=finding.text)


def _token_file(environment: Mapping[str, str]) -> Path | None:
    named = environment.get("RAY_AUTH_TOKEN_PATH")
    file = Path(named) if named else Path.home() / ".ray" / "auth_token"
    return file if file.is_file() else None


def _is_this_machine(address: str) -> bool:
    """Whether ``[scheme://]host[:port]`` names this machine."""
    try:
        host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    except ValueError as error:
        raise InputError(f"Expected an address as host:port, got {address!r}; correct it") from error
    if host in ("", "localhost", "local", "auto"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
