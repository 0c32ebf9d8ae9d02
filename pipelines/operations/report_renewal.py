"""Adds a later audit to the reports of finished runs; nothing else in them changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pate.errors import InputError, expected
from pate.report import with_audit
from pate.values import Released
from pipelines.storage.home import Home
from pipelines.storage.run_folder import RunFolder
from pipelines.tracking.tracker import Tracker


def renew_reports(base: Path, audit: Released[Mapping[str, Any]]) -> tuple[list[str], dict[str, str]]:
    """Put an audit into the reports of all finished runs, and record the new files for the tracker.

    Args:
        base: ``PATE_HOME``.
        audit: as ``audit_file.read_audit`` gives it.

    Returns:
        Ids of the runs whose report changed, and the reason, by id, for those whose report could not be changed.
    """
    changed: list[str] = []
    left: dict[str, str] = {}
    for folder in Home(base).runs():
        if not folder.summary_file.exists():
            continue
        insecure = not json.loads(folder.summary_file.read_text())["secure_noise"]
        try:
            with folder.locked():
                if _renew(folder, audit, insecure=insecure):
                    changed.append(folder.run_id)
        except InputError as error:
            left[folder.run_id] = str(error)
    return changed, left


def _renew(folder: RunFolder, audit: Released[Mapping[str, Any]], *, insecure: bool) -> bool:
    """Put an audit into one run's report; return ``True`` if that changed it."""
    page, plain = folder.report_html, folder.report_json
    if folder.stages.unaltered("report") is None:
        raise expected("a run with its privacy report", "restore the run's folder", run=folder.run_id)
    content, html = with_audit(plain.read_text(encoding="utf-8"), audit)
    texts = {page: html, plain: content}
    changed = any(file.read_text(encoding="utf-8") != text for file, text in texts.items())
    if changed:
        folder.stages.rewrite("report", texts)
    with Tracker.open(folder.public, run_id=folder.run_id, insecure=insecure) as tracker:
        for file in texts:
            tracker.artifact(Released.public(file.name))
    return changed
