"""Progress of a run on the terminal: a bar for each long stage, one line for each finished one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from pate.plain_text import printable

MOST_BARS = 30
"""Largest number of sites with a bar each; with more, one bar counts for all."""


class Progress(Protocol):
    """Receiver of progress; its texts are public."""

    def warn(self, text: str) -> None:
        """Show a warning, also in quiet mode."""
        ...

    def line(self, stage: str, text: str) -> None:
        """One line of summary for a finished stage."""
        ...

    @contextmanager
    def bar(self, stage: str, total: int) -> Iterator[Callable[[int], None]]:
        """A bar over ``total`` pieces of work; the function yielded adds finished pieces."""
        ...

    @contextmanager
    def bars(self, stage: str, totals: Mapping[str | None, int]) -> Iterator[Callable[[int, str | None], None]]:
        """A bar for each site; the function yielded adds finished pieces to that of a site."""
        ...


@final
class Quiet:
    """Progress that shows warnings only."""

    def warn(self, text: str) -> None:
        _warn(Console(stderr=True), text)

    def opening(self, text: str) -> None:
        """See ``Terminal``."""

    def line(self, stage: str, text: str) -> None:
        """See ``Progress``."""

    @contextmanager
    def bar(self, stage: str, total: int) -> Iterator[Callable[[int], None]]:
        yield lambda pieces: None

    @contextmanager
    def bars(self, stage: str, totals: Mapping[str | None, int]) -> Iterator[Callable[[int, str | None], None]]:
        yield lambda pieces, site: None


@final
class Terminal:
    """Bars and lines on standard error, so that standard output holds results only."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._held: list[str] = []

    def opening(self, text: str) -> None:
        """What is done before the first stage: shown at once on a terminal; in a file only where a stage follows, so
        that a run that is refused leaves the line of its error alone.
        """
        self._held.append(text)
        if self._console.is_terminal:
            self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        for text in held:
            self._print("run", text)

    def warn(self, text: str) -> None:
        _warn(self._console, text)

    def line(self, stage: str, text: str) -> None:
        self._release()
        self._print(stage, text)

    def _print(self, stage: str, text: str) -> None:
        words = Text.assemble((f"{stage:<12}", "bold"), " ", printable(text))
        self._console.print(words, highlight=False, soft_wrap=not self._console.is_terminal)

    @contextmanager
    def bar(self, stage: str, total: int) -> Iterator[Callable[[int], None]]:
        columns = (TextColumn(f"{stage:<12}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with self._bars(columns) as bars:
            task = bars.add_task(stage, total=total)
            yield lambda pieces: bars.advance(task, pieces)

    @contextmanager
    def bars(self, stage: str, totals: Mapping[str | None, int]) -> Iterator[Callable[[int, str | None], None]]:
        shown = totals if len(totals) <= MOST_BARS else {None: sum(totals.values())}
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with self._bars(columns) as bars:
            name = {site: stage if site is None else f"{stage} {printable(site)}" for site in shown}
            task = {site: bars.add_task(f"{name[site]:<12}", total=total) for site, total in shown.items()}
            yield lambda pieces, site: bars.advance(task[site if site in task else None], pieces)

    def _bars(self, columns: tuple[ProgressColumn, ...]) -> RichProgress:
        """Bars that disappear when done; none when writing to a file, where each would leave an empty line."""
        shown = self._console.is_terminal
        return RichProgress(*columns, console=self._console, transient=True, disable=not shown)


def _warn(console: Console, text: str) -> None:
    console.print(Text(f"pate: warning: {printable(text)}"), highlight=False, soft_wrap=True)
