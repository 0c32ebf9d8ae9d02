"""The documents hold together: links, commands, files and letters that they name exist."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.cli.app import root, run
from pipelines.cli.commands import loaded

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
EXPLANATION = DOCS / "explanation"
RULES = ROOT / "tests" / "test_architecture.py"


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(text: str) -> str:
    """The text without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub and the site make them."""
    titles = re.findall(r"^#+ (.*)$", prose(path.read_text()), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text())):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_reached_from_the_index() -> None:
    for index in (DOCS / "index.md", DOCS / "reference" / "api" / "index.md"):
        listed = re.findall(r"^([\w/]+)$", "".join(index.read_text().split("```{toctree}")[1:]), flags=re.MULTILINE)
        assert len(listed) == len(set(listed)), "listed once"
        for name in listed:
            assert any((index.parent / f"{name}{kind}").is_file() for kind in (".md", ".ipynb")), name
        pages = {path.relative_to(index.parent).with_suffix("").as_posix() for path in index.parent.rglob("*.md")}
        own = {page for page in pages if "api" in index.parts or not page.startswith("reference/api/")}
        assert own - {"index", *listed} == set()


def commands(page: Path) -> Iterator[list[str]]:
    """The commands of ``pate`` that a page shows, each as its words."""
    text = page.read_text().replace("\\\n", " ")
    shown = [line for block in re.findall(r"^```.*?\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
             for line in block.splitlines()]  # fmt: skip
    shown += re.findall(r"`(pate [^`]*)`", prose(text))
    for line in shown:
        for found in re.findall(r"(?:^|[ ;(])pate ((?:[a-z]|--).*)", line.strip()):
            yield shlex.split(found.replace("`", ""), comments=True)


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    """Return the options of each command, by its whole name."""
    whole = root()
    options = {
        name: {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        for name, command in [("pate", whole), *loaded(whole)]
    }
    return {**options, "pate configs": options["pate configs list"]}  # which it is by default


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_a_page_shows_exists_with_its_options(page: Path, known: dict[str, set[str]]) -> None:
    for words in commands(page):
        whole = f"pate {' '.join(words)}"
        name = max((name for name in known if f"{whole} ".startswith(f"{name} ")), key=len)
        assert name != "pate" or words[0].startswith("-"), whole
        used = {word.partition("=")[0].strip("[],.") for word in words if word.startswith("--") and word != "--"}
        assert used <= known[name] | {"--help"}, whole


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_of_the_project_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    for named in re.findall(r"`((?:pate|pipelines|configs|docs|tests|notebooks)/[\w./]+)`", text):
        assert (ROOT / named).exists(), named
    tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert set(re.findall(r"`(test_\w+\.py)`", text)) <= tests


def test_the_tutorial_of_an_own_table_prints_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (DOCS / "tutorials" / "own_table.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (shown,) = re.findall(r"^heart/heart\.yaml: valid\..*$", text, flags=re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    exec(code, {})
    for words in list(commands(DOCS / "tutorials" / "own_table.md"))[:2]:
        assert run(words) == 0, capsys.readouterr().err
    assert shown in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("number", range(6))
def test_the_examples_from_python_run(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"```python\n(.*?)```", (DOCS / "how_to" / "from_python.md").read_text(), flags=re.DOTALL)
    assert len(code) == 6
    monkeypatch.chdir(tmp_path)
    if "pate.run(" not in code[number]:  # which has tests of its own
        exec(code[number], {})


def test_every_letter_of_an_array_is_in_the_legend() -> None:
    """Letters of the axes that the library's arrays are named by."""
    legend = set(re.findall(r"^\| `([A-Z])` \|", (EXPLANATION / "shapes.md").read_text(), flags=re.MULTILINE))
    used = "".join(
        suffix
        for path in (ROOT / "pate").rglob("*.py")
        for suffix in re.findall(r"\b[a-z][a-z0-9_]*_([NMEQTCABFDKUOGJSXRZYVH]{2})\b", path.read_text())
    )
    assert set(used) <= legend


def test_the_architecture_lists_every_folder() -> None:
    text = (EXPLANATION / "architecture.md").read_text()
    for package in ("pate", "pipelines"):
        for folder in (ROOT / package).iterdir():
            if (folder / "__init__.py").exists():
                assert f"`{folder.name}/`" in text, f"{package}/{folder.name}"


@pytest.mark.parametrize(
    ("folder", "name"), [("pate", "PATE"), ("pate/accounting", "ACCOUNTING"), ("pipelines", "PIPELINES")]
)
def test_folders_are_listed_in_the_order_of_imports(folder: str, name: str) -> None:
    (order,) = re.findall(rf"^{name}_ORDER = (\[.*?\])", RULES.read_text(), flags=re.DOTALL | re.MULTILINE)
    text = (EXPLANATION / "architecture.md").read_text()
    (table,) = re.findall(rf"^\| `{folder}/` \|[^\n]*\n(.*?)\n\n", text, flags=re.DOTALL | re.MULTILINE)
    listed = re.findall(r"^\| `(\w+)/` \|", table, flags=re.MULTILINE)
    assert listed
    assert listed == [own for own in ast.literal_eval(order) if own in listed]


def test_files_on_the_way_of_a_vote_exist() -> None:
    text = (EXPLANATION / "architecture.md").read_text()
    (section,) = re.findall(r"^## Follow one vote\n(.*?)(?=^## |\Z)", text, flags=re.DOTALL | re.MULTILINE)
    files = re.findall(r"^\d+\. `([\w/]+\.py)`", section, flags=re.MULTILINE)
    assert files
    assert all((ROOT / file).is_file() for file in files), files
