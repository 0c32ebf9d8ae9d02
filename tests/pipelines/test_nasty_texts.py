"""Texts of a configuration that mean something to a terminal, a page or Markdown are shown letter for letter."""

from __future__ import annotations

import io
import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml
from markdown_it import MarkdownIt
from rich.console import Console

from pate.plain_text import markdown, printable
from pipelines import progress
from pipelines.cli.output import print_table

NASTY = [
    "patient [/b]", "[red]loud[/red] [link=http://x.invalid]x[/link]", "[bold", "a \\[b] \\", "[/]",
    "**bold** _em_ `code` ~~gone~~", "[name](http://x.invalid) ![i](http://x.invalid/i.png)", "<http://x.invalid>",
    "# head", "- item", "1. item", "> quote", "| a | b |", "a\n\n# head\n\n- item", "&lt;b&gt; &amp; &#60;",
    "<script>alert(1)</script><img src=x onerror=alert(1)>", "</title></style><b>x", "<!-- -->",
    "{{ 7 * 7 }} {% raw %}", "\x1b[31mred\x1b[0m \x1b]0;title\x07", "back\x08\x08space \r return \t tab",
    "\u202eright to left\u202c \u200f\u2067x", "https://x.invalid www.x.invalid a@x.invalid",
    "a\u2028b\u0085c", "\N{FULLWIDTH LESS-THAN SIGN}b>", "Größe 中文 עברית العربية", "%s {0} {name} $HOME `id`",
]  # fmt: skip
ALL = " ".join(NASTY)


def harmless(text: str) -> bool:
    """No control character and no mark of direction."""
    bad = {"\u200e", "\u200f", "\u061c", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
    return not any((unicodedata.category(one) == "Cc" and one != "\n") or one in bad for one in text)


def shown(text: str) -> str:
    """A text as its own printed form, with all white space alike."""
    return " ".join(printable(text).split())


@pytest.mark.parametrize("text", NASTY)
def test_a_printed_text_moves_nothing_and_keeps_its_letters(text: str) -> None:
    assert harmless(printable(text))
    assert "\n" not in printable(text)
    if text == text.encode("ascii", "ignore").decode() and harmless(text):
        assert printable(text) == text.replace("\n", " ")


@pytest.mark.parametrize("before", ["", "a word: ", "- ", "| "])
@pytest.mark.parametrize("text", NASTY)
def test_markdown_of_a_text_renders_as_the_text(text: str, before: str) -> None:
    html = MarkdownIt("gfm-like", {"linkify": False}).render(before + markdown(text))
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(before + markdown(text))
    inline = [child.type for token in tokens for child in token.children or []]
    assert set(inline) <= {"text", "text_special"}, html
    assert not re.search(r"[^\\]://|www\.|[^\\]@", markdown(text)), "addresses become no links"
    plain = "".join(child.content for token in tokens for child in token.children or [])
    assert " ".join(plain.split()).endswith(shown(text))
    kinds = {token.type for token in tokens}
    assert not kinds & {"heading_open", "html_block", "ordered_list_open", "blockquote_open", "fence", "table_open"}
    assert ("bullet_list_open" in kinds) == (before == "- ")


@pytest.mark.parametrize("text", NASTY)
def test_the_terminal_shows_a_text_letter_for_letter(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda stderr: Console(file=screen, force_terminal=True, width=2000))
    terminal = progress.Terminal()
    terminal.line("stage", text)
    terminal.warn(text)
    progress.Quiet().warn(text)
    with terminal.bars("votes", {text: 3, None: 1}) as on_done:
        on_done(1, text)
    said = screen.getvalue()
    assert said.count(printable(text)) >= 3
    assert text == printable(text) or text not in said
    assert "\u202e" not in said
    assert "\x1b]0;" not in said
    monkeypatch.setenv("COLUMNS", "2000")
    print_table(("column",), [(text,)])
    assert printable(text) in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_run_with_such_texts_everywhere_comes_to_its_end(shell: Any, tmp_path: Path, tables: Any) -> None:
    """Every field of text; the classes stand in the files too."""
    classes = {"no": NASTY[0], "yes": "<b>*yes*</b> | \u202eyes"}
    for folder, name, private, rows in (("CANARY-PATH", "p.csv", True, 120), (".", "pool.csv", False, 70),
                                        (".", "evaluation.csv", False, 50)):  # fmt: skip
        (tmp_path / folder).mkdir(exist_ok=True)
        lines = tables.rows(rows, private, seed=rows)
        quoted = [[*line[:-1], f'"{classes[line[-1]]}"'] for line in lines[1:]]
        tables.write(tmp_path / folder / name, [lines[0], *quoted])
    content = yaml.safe_load(tables.CONFIG.replace("NAME", "nasty").replace("FILE", "p.csv"))
    content["description"] = ALL
    content["data"] |= {"task": ALL, "label": {"column": "ill", "classes": list(classes.values())}}
    content["privacy"]["unit"] = "[/b]<i>*u*\x1b[31m\u202e\nx"
    content["tracking"] = {"experiment": "ward 7/first", "registered_model": "ward_7.first-"}
    (tmp_path / "study").mkdir()
    config = tmp_path / "study" / "nasty.yaml"
    config.write_text(yaml.safe_dump(content))
    done = shell.run("run", str(config))
    assert done.returncode == 0, done.stderr
    (run_id,) = [path.name for path in (shell.home / "runs").iterdir()]
    outputs = [done.stdout, done.stderr]
    for words in (("report", run_id), ("ledger", "show"), ("validate", str(config)), ("sync", run_id)):
        answer = shell.run(*words)
        assert answer.returncode == 0, answer.stderr
        outputs += [answer.stdout, answer.stderr]
    assert all(harmless(text) for text in outputs)
    public = shell.home / "runs" / run_id / "public"
    page, card = ((public / name).read_text() for name in ("report.html", "model_card.md"))
    assert harmless(page)
    assert harmless(card)
    for raw in ("<script>", "<img", "onerror=alert(1)>", "</title></style><b>", "<i>*u*", "<b>*yes*"):
        assert raw not in page
    html = MarkdownIt("gfm-like", {"linkify": False}).render(card)
    for raw in ("<script", "<img", "<a ", "<i>", "<em>", "<b>", "<blockquote"):
        assert raw not in html, raw
    assert json.loads((public / "report.json").read_text())["unit"] == content["privacy"]["unit"]
    client = mlflow.MlflowClient(f"sqlite:///{shell.home}/mlflow/mlflow.db")
    version = client.get_model_version_by_alias("ward_7.first-", "candidate")
    assert version.description == card
