"""``pate account``: what a set of vote histograms cost, under every accountant."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pate.accounting.rounding import up
from pate.errors import expected
from pipelines.cli.output import JsonOption, add_command, print_json, print_table
from pipelines.storage.home import Home, home


class Mechanism(StrEnum):
    """How the queries were answered."""

    GNMAX = "gnmax"
    CONFIDENT_GNMAX = "confident-gnmax"
    LNMAX = "lnmax"


class Noise(StrEnum):
    """Which law the data-dependent rows account for."""

    DISCRETE = "discrete"
    CONTINUOUS = "continuous"


def add_to(app: typer.Typer) -> None:
    """Add the command to the root."""
    example = "pate account counts.npy --mechanism gnmax --sigma 40"
    add_command(app, account, "Say what vote histograms cost, by every accountant.", example)


def account(
    counts: Annotated[
        Path | None, typer.Argument(metavar="COUNTS", help=".npy, .csv or .parquet, votes [queries, classes]")
    ] = None,
    run: Annotated[str | None, typer.Option(help="instead: a run here, with its own votes and mechanism")] = None,
    mechanism: Annotated[Mechanism, typer.Option(help="how queries were answered")] = Mechanism.GNMAX,
    sigma: Annotated[float | None, typer.Option(help="noise of the argmax, votes")] = None,
    threshold: Annotated[float | None, typer.Option(help="votes that an answer needs")] = None,
    sigma_threshold: Annotated[float | None, typer.Option(help="noise of the threshold test, votes")] = None,
    scale: Annotated[float | None, typer.Option(help="scale of LNMax's noise, votes")] = None,
    teachers: Annotated[int | None, typer.Option(help="the roster; default: the largest row sum")] = None,
    queries: Annotated[int | None, typer.Option(min=1, help="the first so many rows; default: all")] = None,
    max_answered: Annotated[int | None, typer.Option(min=1, help="answers charged for; default: all asked")] = None,
    votes: Annotated[Path | None, typer.Option(help="every teacher's votes [teachers, queries], -1 abstains")] = None,
    delta: Annotated[float, typer.Option(help="failure probability")] = 1e-5,
    noise: Annotated[Noise, typer.Option(help="law of the data-dependent rows")] = Noise.DISCRETE,
    order: Annotated[float, typer.Option(help="sanitised: Renyi order")] = 14.0,
    beta: Annotated[float, typer.Option(help="sanitised: smoothness")] = 0.02,
    sigma_ss: Annotated[float, typer.Option(help="sanitised: noise, in smooth sensitivities")] = 5.0,
    tau_s: Annotated[float, typer.Option(help="sanitised: noise of the width's logarithm")] = 0.2,
    readme: Annotated[Path | None, typer.Option(help="with --run on a public benchmark: write the rows here")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what vote histograms cost, by every accountant."""
    from pate.accounting.events import LNMaxEvent, SanitisedReleaseEvent  # noqa: PLC0415
    from pate.accounting.planning.comparison import compare, expected_answered, to_dict  # noqa: PLC0415

    if (counts is None) == (run is None):
        raise expected("either COUNTS or --run", "give one of them")
    bought = None
    if counts is not None:
        histograms, labels = _from_files(counts, votes, teachers, queries)
        asked = len(histograms.counts_QC)
        event = _event(mechanism, sigma, threshold, sigma_threshold, scale, asked, max_answered)
    else:
        from pipelines.results.vote_files import release_of_run, votes_of_run  # noqa: PLC0415

        folder = Home(home()).find(str(run))
        histograms, event = votes_of_run(folder)
        labels, bought = None, release_of_run(folder)
    release = None
    if not isinstance(event, LNMaxEvent):
        release = bought or SanitisedReleaseEvent(order=order, beta=beta, sigma_ss=sigma_ss, tau_s=tau_s)
    continuous = noise is Noise.CONTINUOUS
    compared = compare(histograms, event, delta=delta, labels=labels, sanitised=release, continuous=continuous)
    rows = {name: to_dict(row) for name, row in compared.reveal().items()}
    if readme is not None:
        from pipelines.results import table  # noqa: PLC0415

        text = table.accounts_of(Home(home()).find(str(run)), rows, len(histograms.counts_QC))
        table.write(readme, text, table.ACCOUNT_START, table.ACCOUNT_END)
    _show(rows, expected_answered(histograms, event).reveal(), len(histograms.counts_QC), as_json)


def _from_files(counts: Path, votes: Path | None, teachers: int | None, queries: int | None) -> tuple[Any, Any]:
    """Histograms, and every teacher's votes where they were given."""
    from pate.accounting.data_dependent.costs import TeacherVotes, VoteCounts  # noqa: PLC0415
    from pipelines.results.vote_files import read_numbers  # noqa: PLC0415

    table: Any = read_numbers(counts, "COUNTS")[:queries]
    if queries is not None and len(table) < queries:
        raise expected(f"at least --queries={queries} rows in COUNTS", "ask for fewer", rows=len(table))
    roster = teachers if teachers is not None else _largest_sum(table)
    histograms = VoteCounts(counts_QC=table, teachers=roster, fixed_in_advance=True)
    if votes is None:
        return histograms, None
    matrix: Any = read_numbers(votes, "--votes")[:, : len(table)]
    labels = TeacherVotes(labels_TQ=matrix, classes=table.shape[1], fixed_in_advance=True)
    if (labels.counted().counts_QC != histograms.counts_QC).any():
        raise expected("--votes that add up to COUNTS", "give both of the same queries, in one order")
    return histograms, labels


def _event(
    mechanism: Mechanism,
    sigma: float | None,
    threshold: float | None,
    sigma_threshold: float | None,
    scale: float | None,
    queries: int,
    max_answered: int | None,
) -> Any:
    from pate.accounting.events import ConfidentGNMaxEvent, GNMaxEvent, LNMaxEvent  # noqa: PLC0415

    if mechanism is Mechanism.LNMAX:
        return LNMaxEvent(scale=_given("--scale", scale))
    if mechanism is Mechanism.GNMAX:
        return GNMaxEvent(sigma=_given("--sigma", sigma))
    return ConfidentGNMaxEvent(
        threshold=_given("--threshold", threshold),
        sigma_threshold=_given("--sigma-threshold", sigma_threshold),
        sigma=_given("--sigma", sigma),
        max_asked=queries,
        max_answered=min(max_answered or queries, queries),
    )


def _given(option: str, value: float | None) -> float:
    if value is None:
        raise expected(f"{option} for this mechanism", "add it to the command")
    return value


def _largest_sum(table: Any) -> int:
    from math import isfinite  # noqa: PLC0415

    largest = float(table.sum(axis=1).max())
    if not isfinite(largest):
        raise expected("finite counts", "correct COUNTS")
    return int(largest)


def _show(rows: dict[str, dict[str, Any]], answered: float, asked: int, as_json: bool) -> None:
    if as_json:
        print_json({**rows, "expected_answered": answered})
        return
    cells: list[tuple[str, ...]] = []
    notes: dict[str, list[str]] = {}
    for name, row in rows.items():
        scatter = f" +- {up(row['standard_deviation'])}" if "standard_deviation" in row else ""
        order = f"{row['order']:g}" if "order" in row else ""
        cells.append((name, f"{up(row['epsilon'], 4)}{scatter}", order, row["kind"]))
        notes.setdefault(row["note"], []).append(name)
    print_table(("accountant", "epsilon", "order", "kind"), cells, whole=4)
    console = Console(highlight=False)
    for note, names in notes.items():
        console.print(f"{', '.join(names)}: {note}.")
    delta = next(iter(rows.values()))["delta"]
    console.print(f"{asked} queries asked, {answered:.1f} answered on average; delta {delta:g}.")
    console.print("Rows of kind private are functions of the votes: they stay with whoever may see the votes.")
