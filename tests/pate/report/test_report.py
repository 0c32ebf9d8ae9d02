"""Page and JSON: the schema, the same numbers in both, nothing that leads out, nothing that is not released."""

from __future__ import annotations

import json
import re
import tarfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pate.accounting import EpsilonBound, GNMaxEvent, LNMaxEvent, PrivacyEvent, RepeatedEvent
from pate.accounting.data_independent.account_rule import AccountRule
from pate.errors import InputError, PrivacyViolation
from pate.report import PrivacyReport, json_schema, to_html, to_json, with_audit
from pate.report.content import MOST_CHARGES, content_of
from pate.report.deployments import rows_around
from pate.report.figures import figures_of
from pate.report.wording import down, factor, one_in, percent_down, percent_up, small, up
from pate.report.words import describe
from pate.values import Private, Released

LATER = ("own_parts", "alarms", "declared", "own_limits", "commit")
"""Names that reports of earlier versions lack."""
JUMP = "document.getElementById('{}').scrollIntoView();return location.protocol!=='blob:'"


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
    assert set(content) == set(json_schema()["properties"]) == {*json_schema()["required"], *LATER}
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
    for tag, attributes in page.tags:
        handlers = {name: said for name, said in attributes.items() if name.startswith("on")}
        assert handlers == ({"onclick": JUMP.format(str(attributes["href"])[1:])} if tag == "a" else {})


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
        assert " ".join(row["answer"].split()) in page.text


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


def test_a_report_of_an_earlier_version_still_renders_and_is_valid(full: PrivacyReport) -> None:
    content = json.loads(to_json(Released.public(full)))
    found = percent_up(content["meaning"].pop("attack")["true_positive"])
    for name in LATER:
        del content[name]
    for row in content["questions"]:
        del row["answer"]
    assert problems(content) == []
    written, page = with_audit(json.dumps(content), Released.public(content["audit"]))
    assert json.loads(written) == content
    assert Page(page).open == []
    assert f"finds them in at most {found}" in page, "from the curve that it keeps"


DECLARED = {
    "controller": "General Hospital", "contact": "privacy@example.org", "dpia": "DPIA-14", "delete_by": "2031-01-31",
    "declared_units": 12_000,
}  # fmt: skip


def summary_of(page: str) -> str:
    """Everything before the second section, as text."""
    return Page(page[: page.index('<h2 id="whom">')]).text


def test_the_first_page_states_release_guarantee_student_and_declarations(full: PrivacyReport) -> None:
    report = replace(full, declared={**DECLARED, "largest_epsilon": 8.0, "largest_delta": 1e-6}, commit="c0ffee")
    html = to_html(Released.public(report))
    said, meaning = summary_of(html), content_of(report)["meaning"]
    for words in (
        "240 noisy majority votes are released as labels", "each patient, with all records together",
        f"ε = {up(full.total.epsilon)}, δ = 1e-5", percent_up(meaning["best_guess"][0]["with"]),
        percent_up(meaning["attack"]["true_positive"]), factor(meaning["largest_odds_factor"]),
        "worst class mild, 60.0", "always naming healthy would give 75.0", "PASS", "FAIL: 1e-5 is above 1e-6",
        "Delta is 1e-5, above the organisation's own limit of 1e-6.", "General Hospital", "privacy@example.org",
        "DPIA-14", "2031-01-31",
    ):  # fmt: skip
        assert words.replace("\u00a0", " ") in said, words
    assert "c0ffee" in html
    assert problems(json.loads(to_json(Released.public(report)))) == []
    plain = summary_of(to_html(Released.public(full)))
    assert plain.count("not declared") == 4
    assert "none declared" in plain


def test_alarms_stand_before_the_summary_and_only_if_there_are_any(full: PrivacyReport) -> None:
    calm = to_html(Released.public(replace(full, evaluation={**full.evaluation, "accuracy": 0.76})))
    assert "Read before the student is used" not in calm
    classes = [
        {"class": "healthy", "count": 300, "right": 0.99},
        {"class": "mild", "count": 60, "right": 0.2},
        {"class": "severe", "count": 40, "right": 0.0},
    ]
    found = replace(
        full, evaluation={**full.evaluation, "classes": classes, "accuracy": 0.74},
        alarms=["class severe is never predicted"], declared={"declared_units": 100_000},
    )  # fmt: skip
    page = to_html(Released.public(found))
    box = Page(page[: page.index('<h2 id="summary">')]).text
    for words in (
        "4 alarms.", "Class severe is never predicted.", "none of the 40 evaluation records of class “severe”",
        "no better than always naming “healthy”", "not below one over the 100,000 units",
    ):  # fmt: skip
        assert words in box
    many = replace(full, alarms=[f"class {number} is never predicted" for number in range(20)])
    page = to_html(Released.public(many))
    assert "15 more; see" in page, "and one about its accuracy"
    assert Page(page).text.count("Class 19 is never predicted.") == 1


def test_delta_is_compared_with_public_numbers_alone(full: PrivacyReport) -> None:
    assert "Declared number of units" not in to_html(Released.public(full))
    text = Page(to_html(Released.public(replace(full, declared=DECLARED)))).text
    assert "Teachers enrolled 250 0.0025" in text
    assert "Declared number of units (patient) 12,000 0.12" in text


def test_the_average_leads_and_the_odds_are_called_the_worst_outcome(page: Page) -> None:
    assert page.text.index("Probability that the best guess is correct") < page.text.index(
        "Change of a probability in the worst single outcome"
    )


def test_known_deployments_are_sorted_with_the_report_in_its_place(full: PrivacyReport) -> None:
    rows = rows_around(content_of(full))
    largest = [float(row[1].split(" to ")[-1]) for row in rows]
    assert largest == sorted(largest)
    assert [row[0] for row in rows].count("This report") == 1
    assert all(row[-1] for row in rows), "each names its source"
    assert "not comparable units" in to_html(Released.public(full))


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            RepeatedEvent(event=GNMaxEvent(sigma=8.0), count=60),
            "60 questions, each answered by the class with most votes after random noise (standard deviation 8 votes) "
            "was added to every count",
        ),
        (
            RepeatedEvent(event=LNMaxEvent(scale=3.0, moved_votes=2), count=5),
            "5 questions, each answered by the class with most votes after random noise (Laplace, scale 3 votes) was "
            "added to every count, one unit changes up to 2 votes",
        ),
    ],
)
def test_a_campaign_is_described_as_questions(event: PrivacyEvent, said: str) -> None:
    assert describe(event) == said


def test_sentences_are_plain(page: Page) -> None:
    for words in (
        "Side channels the guarantee does not cover", "except with probability 1 in 100,000",
        "Each of these limits can fail, with probability at most 1e-5",
        "Only these labels, and what is computed from them and public data, are released",
        "These numbers do not decide for you", "Teachers that may have seen one patient\u2019s records 1",
    ):  # fmt: skip
        assert words in page.text
    for words in (
        "Excluded side channels",
        "Partitions that may",
        "No number decides",
        "Right by class",
        "noisy argmax",
    ):
        assert words not in page.text


def test_the_run_id_on_every_printed_page_cannot_leave_its_css_string(bare: PrivacyReport) -> None:
    page = to_html(Released.public(replace(bare, run_id='a"; } </style><script>alert(1)</script>')))
    assert "<script>" not in page
    assert page.count("</style>") == 1
    assert r"Privacy report: a\22 \3b  \7d  \3c \2f style\3e " in page


def test_the_report_of_a_run_of_an_earlier_version_is_valid_and_gets_the_new_page(
    full: PrivacyReport, golden_dir: Path
) -> None:
    with tarfile.open(golden_dir / "run_v2_finished.tar.gz") as archive:
        (name,) = (name for name in archive.getnames() if name.endswith("public/report.json"))
        found = archive.extractfile(name)
        assert found is not None
        written = found.read().decode()
    content = json.loads(written)
    assert problems(content) == []
    assert "attack" not in content["meaning"]
    plain, html = with_audit(written, Released.public(full.audit or {}))
    assert {**json.loads(plain), "audit": None} == {**content, "audit": None}
    page = Page(html)
    assert page.open == []
    assert "false alarms finds them in at most" in page.text
    assert "Code, git commit not recorded" in page.text
    assert "installed package, version above" in to_html(Released.public(full))
