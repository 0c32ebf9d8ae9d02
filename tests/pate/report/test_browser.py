"""The page in a real browser: wide and narrow, light and dark, on paper. Screenshots lie in ``build/screenshots``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pate.accounting import GNMaxEvent, RepeatedEvent
from pate.report import PrivacyReport, to_html
from pate.values import Released

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

SHOTS = Path(__file__).parents[3] / "build" / "screenshots"
SIZES = {"desktop": (1280, 900), "phone": (360, 740)}
MOST_PAGES = 8

CUT_OFF = """() => [...document.querySelectorAll('svg.chart text')].filter(text => {
  const box = text.getBBox(), all = text.ownerSVGElement.viewBox.baseVal;
  return box.x < 0 || box.y < 0 || box.x + box.width > all.width || box.y + box.height > all.height;
}).map(text => text.textContent)"""
OVERLAPS = """() => [...document.querySelectorAll('svg.chart')].flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBBox()]);
  return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([b, q]) =>
    p.x < q.x + q.width && q.x < p.x + p.width && p.y < q.y + q.height && q.y < p.y + p.height).map(([b]) => [a, b]));
})"""
WIDER = """() => [...document.querySelectorAll('main *')].filter(e => !e.closest('.wide, svg') &&
  e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module", params=["full", "bare"])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    report: PrivacyReport = request.getfixturevalue(request.param)
    path = tmp_path_factory.mktemp("report") / f"{request.param}.html"
    path.write_text(to_html(Released.public(report)), encoding="utf-8")
    return path


@pytest.fixture
def events() -> dict[str, list[str]]:
    """Complaints and requests of the browser."""
    return {"said": [], "asked": []}


@pytest.fixture
def page(browser: Any, file: Path, events: dict[str, list[str]]) -> Iterator[Any]:
    context = browser.new_context()
    context.set_offline(True)
    page = context.new_page()
    page.on("console", lambda message: events["said"].append(message.text))
    page.on("pageerror", lambda error: events["said"].append(str(error)))
    page.on("request", lambda request: events["asked"].append(request.url))
    page.goto(file.as_uri())
    yield page
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_it_is_whole_accessible_and_alone(
    page: Any, file: Path, events: dict[str, list[str]], size: str, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"report-{file.stem}-{size}-{scheme}.png", full_page=True)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(WIDER) == []
    assert page.evaluate(CUT_OFF) == []
    assert page.evaluate(OVERLAPS) == []
    found = Axe().run(page).response
    grave = [(row["id"], row["nodes"][0]["html"]) for row in found["violations"] if row["impact"] != "minor"]
    assert grave == []
    assert len(found["passes"]) > 20, "the rules were run"
    assert events["said"] == []
    assert events["asked"] == [file.as_uri()]


def test_the_check_finds_a_page_that_is_not_accessible(page: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate("document.querySelector('nav a').style.color = '#eee'; document.documentElement.lang = ''")
    page.emulate_media(color_scheme="light")
    assert {"color-contrast", "html-has-lang"} <= {row["id"] for row in Axe().run(page).response["violations"]}


def test_dark_mode_is_dark(page: Any) -> None:
    brightness = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colours = page.evaluate(
            "['backgroundColor', 'color'].map(n => getComputedStyle(document.body)[n].match(/\\d+/g).map(Number))"
        )
        brightness[scheme] = [sum(colour[:3]) for colour in colours]
    assert brightness["light"][0] > 700 > brightness["light"][1]
    assert brightness["dark"][0] < 150 < brightness["dark"][1]


def pages_of(content: bytes) -> int:
    """Number of pages of a PDF that Chromium made; it does not compress its page objects."""
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", content))


def test_on_paper_it_is_black_on_white_with_tables_of_numbers_folded_on_few_pages(page: Any, file: Path) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.evaluate("[...document.querySelectorAll('details, nav')].some(e => e.checkVisibility())") is False
    SHOTS.mkdir(parents=True, exist_ok=True)
    content = page.pdf(path=SHOTS / f"report-{file.stem}.pdf", format="A4")
    assert content.startswith(b"%PDF")
    assert 2 <= pages_of(content) <= MOST_PAGES


def test_a_long_report_fits_on_few_pages_too_and_the_summary_on_the_first(
    browser: Any, full: PrivacyReport, tmp_path: Path
) -> None:
    """Ten classes, twenty campaigns, eight runs to compare with, an audit, all declarations and alarms."""
    classes = [str(number) for number in range(10)]
    found = {**full.evaluation, "classes": [{"class": name, "count": 40, "right": 0.5} for name in classes]}
    report = replace(
        full, classes=classes, evaluation=found, comparable=[*full.comparable, *full.comparable, *full.comparable],
        charges=[RepeatedEvent(event=GNMaxEvent(sigma=200.0), count=1 + number) for number in range(20)],
        versions=dict.fromkeys(("python", "pate", "torch", "ray", "mlflow", "numpy", "scipy", "opendp"), "1.2.3"),
        tuning=list(full.tuning) * 5, alarms=[f"class {name} is never predicted" for name in classes], commit="c" * 40,
        declared={"controller": "General Hospital", "contact": "privacy@example.org", "dpia": "DPIA-14",
                  "delete_by": "2031-01-31", "largest_epsilon": 3.0, "declared_units": 12_000},
    )  # fmt: skip
    path = tmp_path / "long.html"
    path.write_text(to_html(Released.public(report)), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    assert pages_of(page.pdf(path=SHOTS / "report-long.pdf", format="A4")) <= MOST_PAGES
    page.set_viewport_size({"width": 688, "height": 1000})  # the text of an A4 page, in CSS pixels
    page.emulate_media(media="print")
    end = page.evaluate("document.querySelector('section').getBoundingClientRect().bottom + scrollY")
    assert end < 1000
    page.close()


def test_contents_stay_in_view_and_alarms_are_on_the_first_screen(
    browser: Any, full: PrivacyReport, tmp_path: Path
) -> None:
    path = tmp_path / "alarmed.html"
    path.write_text(to_html(Released.public(replace(full, alarms=["class mild is never predicted"]))), encoding="utf-8")
    for width, height in (*SIZES.values(), (390, 844)):
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(path.as_uri())
        assert page.get_by_text("Class mild is never predicted.").bounding_box()["y"] < height
        page.get_by_role("link", name="What it means").first.click()
        page.wait_for_function("scrollY > 500")
        contents = page.get_by_role("navigation").bounding_box()
        assert contents["y"] >= 0
        assert contents["y"] < 40
        heading = page.get_by_role("heading", name="What it means").bounding_box()
        beside = contents["x"] + contents["width"] <= heading["x"]
        assert heading["y"] >= (0 if beside else contents["y"] + contents["height"]), "not under the contents"
        page.screenshot(path=SHOTS / f"report-contents-{width}.png")
        page.close()


FRAME = """html => {
  const frame = document.createElement('iframe');
  frame.sandbox = 'allow-scripts';
  frame.src = URL.createObjectURL(new Blob([html], {type: 'text/html'}));
  frame.style = 'width: 900px; height: 700px';
  document.body.append(frame);
}"""


@pytest.mark.parametrize("handler", [True, False])
def test_links_of_the_contents_work_in_a_sandboxed_frame(browser: Any, full: PrivacyReport, handler: bool) -> None:
    """As MLflow's viewer of artifacts shows the page: a blob in a frame that may run scripts and nothing else."""
    html = to_html(Released.public(full))
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.goto("data:text/html,<title>viewer</title>")
    page.evaluate(FRAME, html if handler else re.sub(r' onclick="[^"]*"', "", html))
    frame = page.frame_locator("iframe")
    frame.get_by_role("link", name="Glossary").first.click()
    page.wait_for_timeout(500)
    heading = frame.get_by_role("heading", name="Glossary")
    found = heading.bounding_box() if heading.count() else None
    assert (found is not None and 0 <= found["y"] < 700) is handler, "plain links are refused there"
    page.close()


def test_the_keyboard_reaches_the_content_first(page: Any) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#summary"


def test_nothing_is_lost_without_script(browser: Any, file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.get_by_role("heading", name="What it means").is_visible()
    assert page.get_by_role("img", name="Errors that an attacker cannot avoid").is_visible()
    context.close()
