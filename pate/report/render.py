"""The report as JSON and as one self-contained page; both from one content, so that they say the same."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from pate.report import wording, words
from pate.report.content import content_of
from pate.report.facts import PrivacyReport
from pate.report.figures import figures_of
from pate.values import Released, released_value


def to_json(report: Released[PrivacyReport]) -> str:
    """The report as JSON; ``json_schema`` describes it."""
    return json.dumps(content_of(released_value(report)), indent=2, ensure_ascii=False, allow_nan=False)


def to_html(report: Released[PrivacyReport]) -> str:
    """The report as one page that needs no network and no script."""
    content = content_of(released_value(report))
    return _template().render(r=content, figures=figures_of(content), words=words, style=Markup(_file("report.css")))  # noqa: S704 - our own file


def json_schema() -> dict[str, Any]:
    """The JSON schema of ``to_json``."""
    schema: dict[str, Any] = json.loads(_file("report.schema.json"))
    return schema


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        name: getattr(wording, name)
        for name in ("up", "down", "percent", "percent_up", "percent_down", "factor", "small", "one_in")
    }
    return environment.from_string(_file("report.html.j2"))


def _file(name: str) -> str:
    return resources.files("pate.report").joinpath(name).read_text(encoding="utf-8")
