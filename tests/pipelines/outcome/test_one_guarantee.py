"""The numbers that describe a guarantee agree wherever a run states them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pate.report.meaning import GuaranteeCurve, attack, best_guess, largest_log_odds
from pate.report.wording import factor, percent_up

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("finished")]


def test_report_page_and_card_state_the_same_bounds(finished) -> None:
    shell, summary = finished
    public = shell.home / "runs" / summary["run_id"] / "public"
    content = json.loads((public / "report.json").read_text())
    points = content["privacy_curve"]
    curve = GuaranteeCurve(np.array([p["epsilon"] for p in points]), np.array([p["delta"] for p in points]))
    said = (
        percent_up(best_guess(curve, 0.5)),
        percent_up(attack(curve)["true_positive"]),
        f"factor of at most {factor(float(np.exp(largest_log_odds(curve, content['total']['delta']))))}",
    )
    for name in ("report.html", "model_card.md"):
        text = (public / name).read_text().replace("\u00a0", " ")
        for number in said:
            assert number.replace("\u00a0", " ") in text, name
        of_epsilon = f"at most {factor(float(np.exp(content['total']['epsilon'])))}"
        assert of_epsilon not in text, "the factor of epsilon alone is another number"


def test_the_page_names_the_commit_and_the_schema_of_the_report_holds(finished) -> None:
    import jsonschema

    from pate.report import json_schema
    from pipelines.storage.code_commit import code_commit

    shell, summary = finished
    public = shell.home / "runs" / summary["run_id"] / "public"
    content = json.loads((public / "report.json").read_text())
    jsonschema.validate(content, json_schema())
    commit = code_commit()
    assert (content["commit"] is None) == (commit is None)
    if commit is not None:
        assert content["commit"] in (public / "report.html").read_text()
