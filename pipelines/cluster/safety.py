"""Findings about unsafe settings, and the check of Ray's authentication before a run."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final
from urllib.parse import urlsplit

from pate.errors import InputError, expected
from pipelines.tracking.destination import is_loopback


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An unsafe setting.

    Attributes:
        about: ``modes``, ``ledger``, ``ray``, ``tracking`` or ``settings``.
        text: the finding, one public line.
        fix: the command, or the change of the configuration, that fixes it.
    """

    about: str
    text: str
    fix: str


def ray(address: str | None, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield findings about a Ray that accepts jobs from anyone.

    Args:
        address: ``[scheme://]host[:port]``, ``auto`` or ``local``; ``None``: a Ray on this machine.
        environment: of the process that would connect.
    """
    mode = environment.get("RAY_AUTH_MODE", "token")
    remote = address is not None and not _is_this_machine(address)
    where = "the remote Ray" if remote else "a Ray on this machine, whose ports other machines may reach,"
    if mode != "token":
        text = f"{where} accepts jobs from anyone (RAY_AUTH_MODE={mode})"
        yield Finding(about="ray", text=text, fix="export RAY_AUTH_MODE=token")
    elif remote and not _token_file(environment) and not environment.get("RAY_AUTH_TOKEN"):
        text = "the remote Ray is used without a token: it will refuse, or it accepts anyone"
        fix = "export RAY_AUTH_TOKEN_PATH=/path/to/the/cluster's/token"
        yield Finding(about="ray", text=text, fix=fix)
    file = _token_file(environment)
    if file is not None and stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield Finding(about="ray", text="Ray's token may be read by others", fix=f"chmod 600 {file}")


def require_safe_ray(address: str | None, environment: Mapping[str, str]) -> None:
    """Refuse, before a run, to join a remote Ray without token authentication.

    Raises:
        InputError: the finding and the command that fixes it.
    """
    address = address or environment.get("RAY_ADDRESS") or None
    if address is None or _is_this_machine(address):
        return
    for finding in ray(address, environment):
        raise expected("token authentication on a remote Ray", finding.fix, found=finding.text)


def require_address(address: str | None, environment: Mapping[str, str]) -> None:
    """Refuse what is no address of a Ray, without contacting it."""
    address = address or environment.get("RAY_ADDRESS") or "local"
    if address not in ("local", "auto"):
        host_and_port(address)


def host_and_port(address: str) -> tuple[str, int]:
    """Host and port of a Ray's address.

    Raises:
        InputError: it has another form, or is that of Ray's client.
    """
    if address.startswith("ray://"):
        raise expected(
            "ray.address as host:port",
            "Ray's client ends with the connection: start the run on a node of the cluster, by `ray job submit`",
            address=address,
        )
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdigit():
        raise expected("ray.address as host:port", "correct it", address=address)
    return host, int(port)


def _token_file(environment: Mapping[str, str]) -> Path | None:
    named = environment.get("RAY_AUTH_TOKEN_PATH")
    file = Path(named) if named else Path.home() / ".ray" / "auth_token"
    return file if file.is_file() else None


def _is_this_machine(address: str) -> bool:
    """Return ``True`` if ``[scheme://]host[:port]`` names this machine."""
    try:
        host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    except ValueError as error:
        raise InputError(f"Expected an address as host:port, got {address!r}; correct it") from error
    return host in ("", "local", "auto") or is_loopback(host)
