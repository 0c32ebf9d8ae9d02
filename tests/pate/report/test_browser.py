"""The page in a real browser: wide and narrow, light and dark, on paper. Screenshots lie in ``build/screenshots``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pate.report import PrivacyReport, to_html
from pate.values import Released

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

SHOTS = Path(__file__).parents[3] / "build" / "screenshots"
SIZES = {"desktop": (1280, 900), "phone": (360, 740)}

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


def test_on_paper_it_is_black_on_white_with_every_table_open(page: Any, file: Path) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    heights = page.evaluate(
        "[...document.querySelectorAll('details table')].map(t => t.getBoundingClientRect().height)"
    )
    assert min(heights) > 20
    SHOTS.mkdir(parents=True, exist_ok=True)
    content = page.pdf(path=SHOTS / f"report-{file.stem}.pdf", format="A4")
    assert content.startswith(b"%PDF")


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
