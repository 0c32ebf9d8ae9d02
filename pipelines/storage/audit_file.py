"""The result of the last `pate audit`, stored next to the runs, for their reports."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pate.defaults import VERSION
from pate.files import write_atomically

AUDIT_FILE = "audit.json"


def keep_audit(base: Path, findings: list[dict[str, Any]]) -> dict[str, Any]:
    """Keep findings in place of earlier ones.

    Args:
        base: ``PATE_HOME``.
        findings: as printed; from synthetic votes, so not private.

    Returns:
        The stored result, as ``read_audit`` gives it.
    """
    base.mkdir(parents=True, exist_ok=True)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    content = {"created": created, "pate": VERSION, "findings": findings}
    write_atomically(base / AUDIT_FILE, json.dumps(content, indent=1))
    return content


def read_audit(base: Path) -> dict[str, Any] | None:
    """The result that ``keep_audit`` kept last, or ``None``."""
    path = base / AUDIT_FILE
    if not path.exists():
        return None
    content: dict[str, Any] = json.loads(path.read_text())
    return content
