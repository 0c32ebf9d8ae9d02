"""Findings of unsafe modes, settings and servers, each with the command that fixes it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pate.errors import PateError
from pipelines.cluster.safety import Finding, ray
from pipelines.config.experiment import Config
from pipelines.config.own_parts import require_importable
from pipelines.operations.public_look import look_at_public
from pipelines.storage.home import Home
from pipelines.tracking.destination import is_loopback


def examine(base: Path, config: Config | None, environment: Mapping[str, str]) -> list[Finding]:
    """List all findings.

    Args:
        base: ``PATE_HOME``.
        config: the experiment that is about to run, if any.
        environment: of the process that would run it.
    """
    address = environment.get("RAY_ADDRESS") or None
    findings = [*modes(base), *ledger(base)]
    if config is not None:
        findings += [*tracking(config.tracking.uri, environment), *settings(config), *public(config)]
        address = config.ray.address or address
    return [*findings, *ray(address, environment)]


def modes(base: Path) -> Iterator[Finding]:
    """Yield findings about private folders and files that others may read."""
    home = Home(base)
    folders = [home.ledger_folder, home.private, *(run.private for run in home.runs())]
    files = [home.ledger_folder / "key", *sorted(base.glob("**/incidents/*"))]
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
    """Yield a finding if the ledger is not what was written."""
    folder = Home(base).ledger_folder
    if not folder.is_dir():
        return
    mode = stat.S_IMODE(folder.stat().st_mode)
    try:
        with Home(base).ledger() as opened:
            opened.verify()
    except PateError as error:
        yield Finding(about="ledger", text=str(error), fix="restore the ledger's folder from its newest backup")
    finally:
        folder.chmod(mode)  # opening the ledger fixes it; the check must not change it


def tracking(uri: str | None, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield findings about a tracking server that others can intercept or impersonate."""
    parts = urlsplit(uri or "")
    if parts.scheme == "http" and not is_loopback(parts.hostname or "localhost"):
        text = "the MLflow server is reached over plain HTTP"
        yield Finding(about="tracking", text=text, fix="put TLS before the server and set tracking.uri to https://...")
    if parts.password:
        text = "tracking.uri holds a password, and configurations are shared"
        fix = "export MLFLOW_TRACKING_USERNAME=... MLFLOW_TRACKING_PASSWORD=... and remove it from tracking.uri"
        yield Finding(about="tracking", text=text, fix=fix)
    if environment.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() == "true":
        text = "the MLflow server's certificate is not checked"
        yield Finding(about="tracking", text=text, fix="unset MLFLOW_TRACKING_INSECURE_TLS")


def settings(config: Config) -> Iterator[Finding]:
    """Yield findings about settings that weaken the guarantee or open side channels."""
    if config.labelling.insecure_seeded_noise is not None:
        text = "labelling.insecure_seeded_noise makes the noise predictable: there is no guarantee"
        yield Finding(about="settings", text=text, fix="remove labelling.insecure_seeded_noise")
    if config.labelling.batch_size == 1 and config.labelling.max_asked > 1:
        text = "labelling.batch_size=1 reveals the time of each answer"
        yield Finding(about="settings", text=text, fix="remove labelling.batch_size")
    if config.privacy.retention_days is None:
        text = "no retention is declared for votes, weights and incidents"
        yield Finding(about="settings", text=text, fix="add privacy.retention_days, and run `pate purge` then")


def public(config: Config) -> Iterator[Finding]:
    """Yield what a run would refuse because of its parts and its public data."""
    try:
        require_importable(config)
        look_at_public(config)
    except PateError as error:
        fix = "correct it; `pate validate` shows the public data"
        yield Finding(about="public data", text=str(error), fix=fix)
