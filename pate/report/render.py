"""The report as JSON and as one self-contained page, both from the same content."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from pate.errors import expected
from pate.plain_text import printable
from pate.report import answers, first_page, meaning, wording, words
from pate.report.content import FORMAT, content_of
from pate.report.deployments import rows_around
from pate.report.facts import PrivacyReport
from pate.report.figures import figures_of
from pate.values import Released, released_value


def to_json(report: Released[PrivacyReport]) -> str:
    """The report as JSON; ``json_schema`` describes it."""
    return _as_json(content_of(released_value(report)))


def to_html(report: Released[PrivacyReport]) -> str:
    """The report as one page that needs no network and no script."""
    return _as_page(content_of(released_value(report)))


def with_audit(written: str, audit: Released[Mapping[str, Any]]) -> tuple[str, str]:
    """An existing report with the findings of a later audit, otherwise unchanged.

    Args:
        written: output of ``to_json``.
        audit: as in ``PrivacyReport``.

    Returns:
        The report as JSON and as a page.

    Raises:
        InputError: another version of this software wrote the report in another format.
    """
    content = json.loads(written)
    if content.get("format") != FORMAT:
        raise expected(f"a report in the format {FORMAT}", "it stays as it is", format=content.get("format"))
    content["audit"] = dict(released_value(audit))
    return _as_json(content), _as_page(content)


def json_schema() -> dict[str, Any]:
    """The JSON schema of ``to_json``."""
    schema: dict[str, Any] = json.loads(_file("report.schema.json"))
    return schema


def _as_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def _as_page(content: Mapping[str, Any]) -> str:
    shown = _completed(content)
    return _template().render(
        r=shown,
        figures=figures_of(shown),
        deployments=rows_around(shown),
        first_page=first_page,
        nist=answers,
        words=words,
        style=Markup(_file("report.css")),  # noqa: S704 - our own file
    )


def _completed(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The content with an attack's success, which is computed from the stored curve of an older report."""
    if "attack" in content["meaning"]:
        return content
    points = np.array([(row["epsilon"], row["delta"]) for row in content["privacy_curve"]], dtype=np.float64)
    attack = meaning.attack(meaning.GuaranteeCurve(points[:, 0], points[:, 1]))
    return {**content, "meaning": {**content["meaning"], "attack": attack}}


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,  # Markup is trusted and stays
    )
    environment.filters |= {
        name: getattr(wording, name)
        for name in ("up", "down", "percent", "percent_up", "percent_down", "factor", "small", "one_in", "css_text")
    }
    return environment.from_string(_file("report.html.j2"))


def _file(name: str) -> str:
    return resources.files("pate.report").joinpath(name).read_text(encoding="utf-8")
