"""``pate cost``: the cost of a set of vote histograms, by every accountant."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from pate.errors import expected
from pipelines.cli.arguments import JsonOption, complete_run
from pipelines.cli.output import print_json, print_table, print_text
from pipelines.storage.home import Home, home

OLD_NAME = "account"
VOTES, CAMPAIGN, ESTIMATE = "Votes", "Mechanism and accountants", "Sanitised estimate"
"""Sections of the options."""


class Mechanism(StrEnum):
    """Mechanism that answered the queries."""

    GNMAX = "gnmax"
    CONFIDENT_GNMAX = "confident-gnmax"
    LNMAX = "lnmax"


class Noise(StrEnum):
    """Law of the noise in the data-dependent rows."""

    DISCRETE = "discrete"
    CONTINUOUS = "continuous"


def cost(
    context: typer.Context,
    counts: Annotated[
        Path | None, typer.Argument(metavar="COUNTS", help="votes per class [queries, classes], .npy, .csv or .parquet")
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            help="instead: votes and mechanism of a run in PATE_HOME",
            autocompletion=complete_run,
            rich_help_panel=VOTES,
        ),
    ] = None,
    mechanism: Annotated[
        Mechanism,
        typer.Option(help="mechanism that answered the queries", rich_help_panel=CAMPAIGN),
    ] = Mechanism.GNMAX,
    sigma: Annotated[float | None, typer.Option(help="noise of the argmax, votes", rich_help_panel=CAMPAIGN)] = None,
    threshold: Annotated[
        float | None, typer.Option(help="votes needed for an answer", rich_help_panel=CAMPAIGN)
    ] = None,
    sigma_threshold: Annotated[
        float | None, typer.Option(help="noise of the threshold test, votes", rich_help_panel=CAMPAIGN)
    ] = None,
    scale: Annotated[float | None, typer.Option(help="scale of LNMax's noise, votes", rich_help_panel=CAMPAIGN)] = None,
    teachers: Annotated[
        int | None, typer.Option(help="number of teachers; default: the largest row sum", rich_help_panel=VOTES)
    ] = None,
    queries: Annotated[
        int | None, typer.Option(min=1, help="number of rows to use; default: all", rich_help_panel=VOTES)
    ] = None,
    max_answered: Annotated[
        int | None, typer.Option(min=1, help="answers to account for; default: all asked", rich_help_panel=CAMPAIGN)
    ] = None,
    votes: Annotated[
        Path | None,
        typer.Option(help="votes of every teacher [teachers, queries], -1 for an abstention", rich_help_panel=VOTES),
    ] = None,
    delta: Annotated[float, typer.Option(help="delta of all epsilons", rich_help_panel=CAMPAIGN)] = 1e-5,
    noise: Annotated[
        Noise, typer.Option(help="law of the noise in the data-dependent rows", rich_help_panel=CAMPAIGN)
    ] = Noise.DISCRETE,
    order: Annotated[float, typer.Option(help="sanitised estimate: Renyi order", rich_help_panel=ESTIMATE)] = 14.0,
    beta: Annotated[float, typer.Option(help="sanitised estimate: smoothness", rich_help_panel=ESTIMATE)] = 0.02,
    sigma_ss: Annotated[
        float, typer.Option(help="sanitised estimate: noise, in smooth sensitivities", rich_help_panel=ESTIMATE)
    ] = 5.0,
    tau_s: Annotated[
        float, typer.Option(help="sanitised estimate: noise of the logarithm of its width", rich_help_panel=ESTIMATE)
    ] = 0.2,
    readme: Annotated[
        Path | None, typer.Option(help="with --run on a public benchmark: write the rows between markers in this file")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compute the cost of vote histograms by every accountant."""
    from pate.accounting.events import LNMaxEvent, SanitisedReleaseEvent
    from pate.accounting.planning.comparison import compare, expected_answered, to_dict

    if context.info_name == OLD_NAME:
        print("pate: warning: `pate account` is now `pate cost`; the next version drops the old name", file=sys.stderr)
    if (counts is None) == (run is None):
        raise expected("either COUNTS or --run", "give one of them")
    bought = None
    if counts is not None:
        histograms, labels = _from_files(counts, votes, teachers, queries)
        asked = len(histograms.counts_QC)
        event = _event(mechanism, sigma, threshold, sigma_threshold, scale, asked, max_answered)
    else:
        from pipelines.results.vote_files import release_of_run, votes_of_run

        folder = Home(home()).find(str(run))
        histograms, event = votes_of_run(folder)
        labels, bought = None, release_of_run(folder)
    release = None
    if not isinstance(event, LNMaxEvent):
        release = bought or SanitisedReleaseEvent(order=order, beta=beta, sigma_ss=sigma_ss, tau_s=tau_s)
    continuous = noise is Noise.CONTINUOUS
    compared = compare(
        histograms,
        event,
        delta=delta,
        fixed_in_advance=True,
        labels=labels,
        sanitised=release,
        continuous=continuous,
    )
    rows = {name: to_dict(row) for name, row in compared.reveal().items()}
    if readme is not None:
        from pipelines.results import table

        text = table.accounts_of(Home(home()).find(str(run)), rows, len(histograms.counts_QC))
        table.write(readme, text, table.ACCOUNT_START, table.ACCOUNT_END)
    _show(rows, expected_answered(histograms, event).reveal(), len(histograms.counts_QC), as_json)


def _from_files(counts: Path, votes: Path | None, teachers: int | None, queries: int | None) -> tuple[Any, Any]:
    """Histograms, and the votes of every teacher if they were given."""
    from pate.votes import VoteHistogram, VoteMatrix
    from pipelines.results.vote_files import read_numbers

    table: Any = read_numbers(counts, "COUNTS")[:queries]
    if queries is not None and len(table) < queries:
        raise expected(f"at least --queries={queries} rows in COUNTS", "ask for fewer", rows=len(table))
    roster = teachers if teachers is not None else _largest_sum(table)
    histograms = VoteHistogram.strict(table, roster)
    if votes is None:
        return histograms, None
    matrix: Any = read_numbers(votes, "--votes")[:, : len(table)]
    labels = VoteMatrix.strict(matrix, table.shape[1])
    if (labels.histogram().counts_QC != histograms.counts_QC).any():
        raise expected("--votes that add up to COUNTS", "give both for the same queries, in the same order")
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
    from pate.accounting.events import ConfidentGNMaxEvent, GNMaxEvent, LNMaxEvent

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
    from math import isfinite

    largest = float(table.sum(axis=1).max())
    if not isfinite(largest):
        raise expected("finite counts", "correct COUNTS")
    return int(largest)


def _show(rows: dict[str, dict[str, Any]], answered: float, asked: int, as_json: bool) -> None:
    if as_json:
        print_json({**rows, "expected_answered": answered})
        return
    from pate.accounting.rounding import up

    cells: list[tuple[str, ...]] = []
    notes: dict[str, list[str]] = {}
    for name, row in rows.items():
        scatter = f" +- {up(row['standard_deviation'])}" if "standard_deviation" in row else ""
        order = f"{row['order']:g}" if "order" in row else ""
        cells.append((name, f"{up(row['epsilon'], 4)}{scatter}", order, row["kind"]))
        notes.setdefault(row["note"], []).append(name)
    print_table(("accountant", "epsilon", "order", "kind"), cells, whole=4)
    for note, names in notes.items():
        print_text(f"{', '.join(names)}: {note}.")
    delta = next(iter(rows.values()))["delta"]
    print_text(f"{asked} queries asked, {answered:.1f} answered on average; delta {delta:g}.")
    print_text("Rows of kind private depend on the votes: show them only to those who may see the votes.")
