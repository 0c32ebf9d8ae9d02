"""``pate run | label | runs | report``."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from pate.errors import Unavailable, expected
from pipelines.cli.arguments import ConfigArgument, JsonOption, RunArgument, SetOption, overridden
from pipelines.cli.output import print_facts, print_json, print_table
from pipelines.cluster.abandoned import end_by_force
from pipelines.config.shipped import shown
from pipelines.progress import Quiet, Terminal
from pipelines.storage.home import Home, home
from pipelines.storage.run_folder import RunFolder

STOPPING_SECONDS = 60.0
"""Time that an interrupted command has to stop by itself."""


def run(
    config: ConfigArgument,
    settings: SetOption = None,
    seed: Annotated[int | None, typer.Option(min=0, help="replaces the seed of the configuration")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="use the next seed without a run")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="print the result only")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run an experiment, or resume an interrupted one."""
    words = ["run", shown(config), *_options(settings, seed)]
    with resumable(words):
        progress = _progress(config, quiet or as_json)
        from pipelines.config.experiment import load

        chosen = load(config, overridden(settings, seed))
        while fresh and RunFolder(home(), chosen.run_id).exists():
            chosen = load(config, overridden(settings, chosen.seed + 1))
        words[2:] = _options(settings, chosen.seed if fresh else seed)
        progress.opening(f"{chosen.run_id}, seed {chosen.seed}; loading libraries and data")
        from pipelines.run.label_and_train import label_and_train

        _show(label_and_train(chosen, base=home(), progress=progress), as_json)


def label(
    votes: Annotated[
        Path, typer.Argument(metavar="VOTES", help="votes [teachers, inputs of the pool], .npy, .csv or .parquet")
    ],
    config: ConfigArgument,
    settings: SetOption = None,
    seed: Annotated[int | None, typer.Option(min=0, help="replaces the seed of the configuration")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="print the result only")] = False,
    as_json: JsonOption = False,
) -> None:
    """Release labels from votes that were made elsewhere, train a student and write the report."""
    with resumable(["label", str(votes), shown(config), *_options(settings, seed)]):
        progress = _progress(config, quiet or as_json)
        from pipelines.config.experiment import load
        from pipelines.results.vote_files import read_numbers

        chosen = load(config, overridden(settings, seed))
        progress.opening(f"{chosen.run_id}, seed {chosen.seed}; loading libraries and data")
        from pipelines.run.label_and_train import label_and_train

        _show(label_and_train(chosen, base=home(), progress=progress, votes_TM=read_numbers(votes, "VOTES")), as_json)


@contextmanager
def resumable(words: Sequence[str]) -> Iterator[None]:
    """A block that an interrupt (Ctrl-C) ends with the command that resumes it, and exit code 130.

    Libraries may turn the interrupt into an error of their own, in this process or in workers; and where it strikes
    in a clean-up, Python drops it: then it is raised once more. A block that does not end in ``STOPPING_SECONDS`` is
    ended by force, as by ``kill -9``: whatever is written is complete or absent.

    Args:
        words: of the command, without ``pate``; read when the block ends.
    """
    interrupted = 0.0  # time of the first one
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGALRM)}
    unraisable = sys.unraisablehook
    ended = threading.Event()

    def watch() -> None:  # begun before the interrupt: a thread cannot be started safely in a signal handler
        while not ended.wait(0.5):
            if interrupted and time.monotonic() > interrupted + STOPPING_SECONDS:
                try:
                    end_by_force()
                finally:
                    _say(_resumes(words))
                    os._exit(130)

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if not interrupted:
            _say("\npate: interrupted, stopping\n")
            interrupted = time.monotonic()
        raise KeyboardInterrupt

    def again(dropped: Any) -> None:
        if dropped.exc_type is KeyboardInterrupt:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
        else:
            unraisable(dropped)

    try:
        for number in before:
            signal.signal(number, interrupt)
        sys.unraisablehook = again
        threading.Thread(target=watch, daemon=True).start()
        yield
    except (KeyboardInterrupt, Exception) as error:
        if not interrupted and not isinstance(error, KeyboardInterrupt):
            raise
        sys.stderr.write(_resumes(words))
        raise typer.Exit(130) from None
    finally:
        ended.set()
        sys.unraisablehook = unraisable
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    """Write to the terminal, not by the stream, which may be in the middle of a write."""
    with suppress(OSError, ValueError):
        os.write(sys.stderr.fileno(), text.encode())


def _resumes(words: Sequence[str]) -> str:
    command = shlex.join(["pate", *words])
    return f"pate: `{command}` resumes; finished stages are kept, nothing is charged or released twice\n"


def _options(settings: Sequence[str] | None, seed: int | None) -> list[str]:
    """The options as typed."""
    named = [word for one in settings or () for word in ("--set", one)]
    return named if seed is None else [*named, "--seed", str(seed)]


def _progress(config: Path, quiet: bool) -> Quiet | Terminal:
    """Progress that says at once what is done first."""
    progress = Quiet() if quiet else Terminal()
    progress.opening(f"reading the configuration {shown(config)}")
    return progress


def runs(as_json: JsonOption = False) -> None:
    """List the runs in PATE_HOME, the newest last: state, cost and accuracy of the student."""
    from dataclasses import asdict

    from pate.accounting.rounding import up
    from pipelines.results.run_list import run_rows

    rows = run_rows(Home(home()))
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    if not rows:
        print("no runs in PATE_HOME yet; begin one with `pate run`", file=sys.stderr)
        return
    print_table(
        ("run", "state", "epsilon", "delta", "accuracy", "started (UTC)"),
        [
            (
                row.run_id,
                row.state if row.secure_noise is not False else f"{row.state}, insecure",
                "" if row.epsilon is None else up(row.epsilon),
                "" if row.delta is None else f"{row.delta:g}",
                "" if row.accuracy is None else f"{row.accuracy:.1%}",
                "" if row.started is None else row.started[:16].replace("T", " "),
            )
            for row in rows
        ],
    )


def report(
    run: RunArgument,
    as_json: JsonOption = False,
    in_browser: Annotated[bool, typer.Option("--open", help="open the privacy report in the browser")] = False,
) -> None:
    """Show a run's result and the path of its privacy report."""
    import webbrowser

    from pipelines.outcome import summary

    folder = Home(home()).find(run)
    found = summary.load(folder)
    if found is None:
        raise expected("a finished run", "resume it: `pate run` with its configuration", run=folder.run_id)
    _show(found, as_json)
    if in_browser and not webbrowser.open(folder.report_html.as_uri()):
        raise Unavailable("Expected a browser for the report, got none; open the file that `pate report` prints")


def _show(summary: Any, as_json: bool) -> None:
    if as_json:
        print_json(summary.to_dict())
    else:
        print_facts(summary.lines())
