"""Page and JSON: the schema, the same numbers in both, nothing that leads out, nothing that is not released."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import jsonschema
import pytest

from pate.accounting import EpsilonBound, GNMaxEvent, RepeatedEvent
from pate.accounting.data_independent.account_rule import AccountRule
from pate.errors import InputError, PrivacyViolation
from pate.report import PrivacyReport, json_schema, to_html, to_json, with_audit
from pate.report.content import MOST_CHARGES, content_of
from pate.report.figures import figures_of
from pate.report.wording import down, factor, one_in, percent_down, percent_up, small, up
from pate.values import Private, Released


class Page(HTMLParser):
    """Ids, links, headings and text of a page; open elements are closed in order."""

    VOID = frozenset({"meta", "path", "rect", "circle"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.headings: list[int] = []
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        self.ids += [found["id"]] if found.get("id") else []  # type: ignore[list-item]
        self.links += [str(found[name]) for name in ("href", "src", "action", "xlink:href") if name in found]
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module", params=["full", "bare"])
def report(request: pytest.FixtureRequest) -> PrivacyReport:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def page(report: PrivacyReport) -> Page:
    return Page(to_html(Released.public(report)))


def problems(content: Any) -> list[str]:
    checked = jsonschema.Draft202012Validator(json_schema())
    return [f"{list(fault.path)}: {fault.message}" for fault in checked.iter_errors(content)]


def test_the_json_is_what_the_schema_says(report: PrivacyReport) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    content = json.loads(to_json(Released.public(report)))
    assert problems(content) == []
    assert set(content) == set(json_schema()["properties"]) == {*json_schema()["required"], "own_parts"}
    assert problems({**content, "votes": [1, 2]}), "a name that is not foreseen is found"
    assert problems({**content, "campaign": {**content["campaign"], "kind": "private"}})


def test_every_epsilon_of_the_json_stands_on_the_page_rounded_up(report: PrivacyReport, page: Page) -> None:
    content = json.loads(to_json(Released.public(report)))
    wanted = [content[name]["epsilon"] for name in ("campaign", "total")]
    wanted += [row[name] for row in content["epsilon_by_delta"] for name in ("campaign", "total")]
    wanted += [row[name] for row in content["charges"] for name in ("alone", "after")]
    wanted += [row["epsilon"] for row in content["meaning"]["groups"]]
    wanted += [row["epsilon"] for row in content["comparable"]]
    wanted += [] if content["sanitised"] is None else [content["sanitised"][n] for n in ("epsilon", "upper")]
    for epsilon in wanted:
        assert up(epsilon) in page.text
    meaning = content["meaning"]
    assert factor(meaning["largest_odds_factor"]) in page.text
    for row in meaning["posteriors"]:
        assert percent_up(row["highest"]).replace("\u00a0", " ") in page.text
    for row in meaning["best_guess"]:
        assert percent_up(row["with"]).replace("\u00a0", " ") in page.text
    for name in ("asked", "answered", "refused", "pool", "teachers_enrolled", "ledger", "configuration"):
        assert str(content[name]) in page.text


def test_every_picture_has_title_description_and_its_numbers_as_a_table(report: PrivacyReport) -> None:
    figures = figures_of(content_of(report))
    always = {"trade-off", "privacy-curve", "renyi", "spend-over-queries", "budget-left", "calibration"}
    assert set(figures) == always | ({"accuracy-epsilon"} if report.comparable else set())
    for name, figure in figures.items():
        assert f'<title id="{name}-title">' in figure.svg
        assert f'<desc id="{name}-description">' in figure.svg
        assert 'role="img"' in figure.svg
        assert "<text" in figure.svg
        assert "nan" not in figure.svg
        assert not re.search(r"(fill|stroke)=", figure.svg), "colours come from the style sheet"
        assert len({sample for sample, _ in figure.legend}) == len(figure.legend), "dashes and marks tell lines apart"
        assert figure.rows
        assert all(len(row) == len(figure.columns) for row in figure.rows)


def test_the_page_refers_to_nothing_outside_itself_and_its_own_references_hold(page: Page) -> None:
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links), page.links
    for _, attributes in page.tags:
        for name in ("aria-labelledby", "aria-describedby"):
            assert set(str(attributes.get(name) or "").split()) <= set(page.ids)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.tags}


def test_headings_go_down_one_level_at_a_time_and_tables_have_captions_and_heads(page: Page) -> None:
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(lower - upper <= 1 for upper, lower in zip(page.headings, page.headings[1:], strict=False))
    tags = [tag for tag, _ in page.tags]
    assert tags.count("table") == tags.count("caption")
    assert all(found.get("scope") in {"row", "col"} for tag, found in page.tags if tag == "th")
    assert ("html", {"lang": "en"}) in page.tags


def test_every_question_is_answered_in_a_section_of_the_page(report: PrivacyReport, page: Page) -> None:
    for row in content_of(report)["questions"]:
        assert row["answered_in"] in page.ids
        assert row["section"] in page.text


def test_the_page_says_loudly_what_is_not_as_it_should_be(full: PrivacyReport, bare: PrivacyReport) -> None:
    calm = to_html(Released.public(full))
    assert "Simulation." not in calm
    assert "Insecure noise." not in calm
    assert "more leakage than is claimed" not in calm
    loud = to_html(Released.public(bare))
    assert "<strong>Simulation.</strong>" in loud
    assert "<strong>Insecure noise.</strong>" in loud
    assert full.audit is not None
    broken = [{**full.audit["findings"][0], "broken": True, "lower": 2.0}]
    alarmed = to_html(Released.public(replace(full, audit={**full.audit, "findings": broken})))
    assert "The audit found more leakage than is claimed." in alarmed
    assert "BROKEN" in alarmed


def test_a_later_audit_takes_its_place_and_changes_nothing_else(full: PrivacyReport, bare: PrivacyReport) -> None:
    assert full.audit is not None
    later = {**full.audit, "created": "2026-03-04T05:06:07+00:00"}
    for before in (full, bare):
        plain, page = with_audit(to_json(Released.public(before)), Released.public(later))
        after = Released.public(replace(before, audit=later))
        assert (plain, page) == (to_json(after), to_html(after)), "as if the audit had been on file"
        assert problems(json.loads(plain)) == []
        assert "with the audit of 2026-03-04 05:06:07 UTC added later" in Page(page).text
        assert up(later["findings"][0]["claim"]) in Page(page).text
    assert "put in later" not in to_html(Released.public(full)), "that audit was made before"


def test_an_audit_is_put_only_into_reports_of_this_format_and_only_if_released(full: PrivacyReport) -> None:
    plain = to_json(Released.public(full))
    with pytest.raises(InputError, match="format"):
        with_audit(plain.replace("pate-privacy-report-1", "pate-privacy-report-0"), Released.public(full.audit or {}))
    with pytest.raises(PrivacyViolation):
        with_audit(plain, Private(full.audit))  # type: ignore[arg-type]


def test_text_of_the_configuration_cannot_become_markup(bare: PrivacyReport) -> None:
    evil = "<script>alert(1)</script>"
    said = replace(bare, unit=evil, description=evil, data_id=evil, run_id=evil, classes=[evil, "b"])
    assert evil not in to_html(Released.public(said))


def test_only_released_reports_with_public_epsilons_are_written(bare: PrivacyReport) -> None:
    with pytest.raises(PrivacyViolation, match="Released"):
        to_html(bare)  # type: ignore[arg-type]
    with pytest.raises(PrivacyViolation):
        to_json(Private(bare))  # type: ignore[arg-type]
    secret = EpsilonBound(epsilon=0.5, delta=1e-5, kind="private", accountant="papernot18")
    with pytest.raises(PrivacyViolation, match="data-independent"):
        replace(bare, campaign=secret)
    with pytest.raises(InputError, match="asked"):
        replace(bare, refused=1)
    with pytest.raises(PrivacyViolation):
        Released.public(replace(bare, student={"votes": Private(3)}))


def test_many_charges_are_summed_up_and_nothing_is_lost(bare: PrivacyReport) -> None:
    charges = [RepeatedEvent(event=GNMaxEvent(sigma=200.0), count=n) for n in range(1, 31)]
    rows = content_of(replace(bare, charges=charges))["charges"]
    assert len(rows) == MOST_CHARGES
    assert sum(row["campaigns"] for row in rows) == 30
    assert [row["after"] for row in rows] == sorted(row["after"] for row in rows)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (up(1.2341), "1.235"),
        (up(2.0), "2.000"),
        (up(None), "no bound"),
        (down(0.6329), "0.632"),
        (factor(7.31), "7.4"),
        (factor(26516.2), "26,517"),
        (factor(None), "without limit"),
        (percent_up(0.92401), "92.5\u00a0%"),
        (percent_up(0.99997), "99.997\u00a0%"),
        (percent_down(0.00002), "0.002\u00a0%"),
        (small(1e-5), "1e-5"),
        (small(0.01), "0.01"),
        (one_in(1e-5), "1 in 100,000"),
        (one_in(0.5), "1 in 2"),
    ],
)
def test_losses_are_rounded_up_and_protection_down(said: str, expected: str) -> None:
    assert said == expected


def test_a_campaign_that_reuses_earlier_answers_has_figures_at_every_delta(full: PrivacyReport) -> None:
    """It is given the cost of everything charged, which a filter holds."""
    total = AccountRule(epsilon=100.0, delta=full.total.delta, accountant="gaussian").total(full.charges)
    assert total.accountant == "renyi_filter(gaussian)"
    rows = content_of(replace(full, campaign=total, total=total, budget=100.0))["epsilon_by_delta"]
    assert all(row["campaign"] == row["total"] for row in rows)


def test_user_defined_teacher_code_stands_in_the_section_of_the_guarantee(full: PrivacyReport) -> None:
    own = replace(full, own_parts={"teacher model": "mine.parts:<build>"})
    html, content = to_html(Released.public(own)), json.loads(to_json(Released.public(own)))
    assert problems(content) == []
    section = html[html.index('<h2 id="guarantee">') : html.index('<h2 id="meaning">')]
    assert "mine.parts:&lt;build&gt;" in section
    assert html.count("mine.parts:") == 1
    assert "Independence of teachers is its author" in section
    assert "User-defined teacher code" not in to_html(Released.public(full))


def test_a_report_of_before_user_defined_code_still_renders_and_is_valid(full: PrivacyReport) -> None:
    content = json.loads(to_json(Released.public(full)))
    del content["own_parts"]
    assert problems(content) == []
    written, page = with_audit(json.dumps(content), Released.public(content["audit"]))
    assert json.loads(written) == content
    assert Page(page).open == []
