"""What is left of the progress where nobody watches: one line for each stage."""

from __future__ import annotations

import pytest

from pipelines.progress import Terminal


def test_in_a_file_a_bar_leaves_no_empty_line(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Terminal()
    with progress.bar("labels", 3) as done:
        done(3)
    progress.line("labels", "3 asked")
    with progress.bars("votes", {"a": 1, "b": 2}) as of_site:
        of_site(1, "a")
        of_site(2, "b")
    progress.line("votes", "20 teachers asked")
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.splitlines() == ["labels       3 asked", "votes        20 teachers asked"]


def test_in_a_file_the_opening_waits_for_a_stage(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Terminal()
    progress.opening("reading the configuration digits")
    assert capsys.readouterr().err == "", "an error would stand alone"
    progress.line("queries", "3 chosen")
    progress.line("votes", "done")
    assert capsys.readouterr().err.splitlines() == [
        "run          reading the configuration digits", "queries      3 chosen", "votes        done",
    ]  # fmt: skip


def test_in_a_file_no_line_is_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    path = "/" + "/".join(["folder"] * 40)
    Terminal().line("report", path)
    assert capsys.readouterr().err == f"report       {path}\n"
