"""``pate plan``: the campaign that a budget allows, or the budget that a campaign needs, without touching data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pate.defaults import DEFAULT_ACCOUNTANT
from pate.errors import expected
from pipelines.cli.arguments import JsonOption
from pipelines.cli.output import print_json, print_table, print_text

CAMPAIGN, VOTES, OUTPUT = "Campaign (one of --epsilon, --accuracy, --sigma)", "Teachers and their votes", "Output"
"""Sections of the options."""
FACTORS = (4.0, 2.0, 1.0, 0.5, 0.25)
"""The table shows the planned campaign with its noise multiplied by these."""


def plan(
    labels: Annotated[int, typer.Option(min=1, help="number of labels wanted", rich_help_panel=CAMPAIGN)],
    teachers: Annotated[int, typer.Option(min=1, help="number of teachers", rich_help_panel=VOTES)],
    classes: Annotated[int, typer.Option(min=2, help="number of classes", rich_help_panel=VOTES)],
    epsilon: Annotated[float | None, typer.Option(help="budget", rich_help_panel=CAMPAIGN)] = None,
    accuracy: Annotated[
        float | None, typer.Option(help="instead: label accuracy wanted, in (0, 1)", rich_help_panel=CAMPAIGN)
    ] = None,
    sigma: Annotated[
        float | None, typer.Option(help="instead: noise of the argmax, votes", rich_help_panel=CAMPAIGN)
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="with --sigma: votes needed for an answer", rich_help_panel=CAMPAIGN)
    ] = None,
    sigma_threshold: Annotated[
        float | None, typer.Option(help="with --sigma: noise of the threshold test, votes", rich_help_panel=CAMPAIGN)
    ] = None,
    max_asked: Annotated[
        int | None, typer.Option(min=1, help="with --threshold: number of queries", rich_help_panel=CAMPAIGN)
    ] = None,
    agreement: Annotated[
        str,
        typer.Option(
            help="fraction of teachers that vote for the top class, a guess from public knowledge such as the accuracy "
            "of a model trained on as few public records as one teacher has; several as 0.95:0.7,0.6:0.3 "
            "(agreement:share of queries)",
            rich_help_panel=VOTES,
        ),
    ] = "0.9",
    runner_up: Annotated[
        float | None,
        typer.Option(
            help="share of the remaining votes that go to the runner-up; default: equal shares", rich_help_panel=VOTES
        ),
    ] = None,
    delta: Annotated[float, typer.Option(help="delta of every epsilon", rich_help_panel=CAMPAIGN)] = 1e-5,
    pool: Annotated[int | None, typer.Option(min=1, help="size of the public pool", rich_help_panel=VOTES)] = None,
    confident: Annotated[
        bool, typer.Option("--confident", help="plan Confident-GNMax instead of GNMax", rich_help_panel=CAMPAIGN)
    ] = False,
    accountant: Annotated[
        str, typer.Option(help="data-independent accountant", rich_help_panel=CAMPAIGN)
    ] = DEFAULT_ACCOUNTANT,
    sanitised: Annotated[
        float | None,
        typer.Option(help="propose a sanitised estimate that adds at most this epsilon", rich_help_panel=CAMPAIGN),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="write a plot of accuracy against budget, .png or .svg", rich_help_panel=OUTPUT)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Plan a campaign within a budget, without touching data."""
    from pate.accounting.planning import campaign

    given = [
        name for name, value in (("epsilon", epsilon), ("accuracy", accuracy), ("sigma", sigma)) if value is not None
    ]
    if len(given) != 1:
        raise expected("exactly one of --epsilon, --accuracy and --sigma", "give one of them", given=given)
    kinds, share = _agreements(agreement)
    votes = campaign.ExpectedVotes(
        teachers=teachers, classes=classes, agreement=kinds, share=share, runner_up=runner_up
    )
    if sigma is not None:
        event = _campaign(labels, sigma, threshold, sigma_threshold, max_asked)
        rows = [campaign.outlook(event, votes, delta=delta, accountant=accountant)]
    elif accuracy is not None:
        rows = [
            campaign.least_epsilon(
                votes,
                labels=labels,
                accuracy=accuracy,
                delta=delta,
                confident=confident,
                pool=pool,
                accountant=accountant,
            )
        ]
    else:
        rows = _table(votes, labels, float(epsilon or 0.0), delta, confident, pool, accountant)
    if plot is not None:
        from pipelines.results.plan_plot import draw

        draw(plot, votes, rows[len(rows) // 2], accountant=accountant)
    estimate = None
    if sanitised is not None:
        from pate.accounting.planning.sanitised import plan_estimate

        event = rows[len(rows) // 2].event
        estimate = plan_estimate(event, votes, price=sanitised, delta=delta, accountant=accountant)
    _show(rows, estimate, as_json)


def _table(
    votes: Any, labels: int, epsilon: float, delta: float, confident: bool, pool: int | None, accountant: str
) -> list[Any]:
    """The plan, between campaigns with more and with less noise."""
    from concurrent.futures import ThreadPoolExecutor

    from pate.accounting.planning.calibration import scaled
    from pate.accounting.planning.campaign import outlook, plan_confident, plan_gnmax

    if pool is not None and labels > pool:
        raise expected(f"--labels <= --pool={pool}", "ask for fewer", labels=labels)
    if confident:
        best = plan_confident(votes, labels=labels, epsilon=epsilon, delta=delta, pool=pool, accountant=accountant)
    else:
        best = plan_gnmax(votes, labels=labels, epsilon=epsilon, delta=delta, accountant=accountant)

    def row(factor: float) -> Any:
        if factor == 1:
            return best
        return outlook(scaled(best.event, factor), votes, delta=delta, accountant=accountant, rough=True)

    with ThreadPoolExecutor() as pool_of_threads:  # numpy releases the interpreter while it works
        return list(pool_of_threads.map(row, FACTORS))


def _agreements(text: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    try:
        pairs = [part.split(":") for part in text.split(",")]
        kinds = tuple(float(pair[0]) for pair in pairs)
        share = tuple(float(pair[1]) if len(pair) > 1 else 1.0 for pair in pairs)
    except ValueError as error:
        raise expected("--agreement as 0.9 or 0.95:0.7,0.6:0.3", "correct it", agreement=text) from error
    return kinds, share


def _campaign(
    labels: int, sigma: float, threshold: float | None, sigma_threshold: float | None, max_asked: int | None
) -> Any:
    from pate.accounting import ConfidentGNMaxEvent, GNMaxEvent, RepeatedEvent

    if threshold is None and sigma_threshold is None:
        return RepeatedEvent(event=GNMaxEvent(sigma=sigma), count=labels)
    if threshold is None or sigma_threshold is None or max_asked is None:
        raise expected("--threshold, --sigma-threshold and --max-asked together", "add what is missing")
    return ConfidentGNMaxEvent(
        threshold=threshold,
        sigma_threshold=sigma_threshold,
        sigma=sigma,
        max_asked=max_asked,
        max_answered=min(labels, max_asked),
    )


def _show(rows: list[Any], estimate: Any, as_json: bool) -> None:
    from dataclasses import asdict

    from pate.accounting.events import to_dict
    from pate.accounting.rounding import up

    content = [{**asdict(row), "event": to_dict(row.event)} for row in rows]
    if estimate is not None:
        content[len(content) // 2]["sanitised"] = asdict(estimate)
    if as_json:
        print_json(content)
        return
    cells = [
        (
            up(row["epsilon"]),
            _words(row["event"]),
            f"{row['expected_answers']:.0f}",
            f"{row['label_accuracy']:.1%}",
        )
        for row in content
    ]
    print_table(("epsilon", "campaign", "labels expected", "label accuracy"), cells)
    rough = ", in the other rows up to 2% above the accountant's" if len(rows) > 1 else ""
    print_text(
        f"At delta {content[0]['delta']:g}; every epsilon is an upper bound{rough}. Label accuracy: probability that "
        "the noisy winner is the teachers' most voted class, if they agree as assumed."
    )
    if estimate is not None:
        print_text(_estimate_words(estimate), wrap=False)


def _estimate_words(estimate: Any) -> str:
    """Declaration, cost and expected value of a sanitised estimate."""
    from pate.accounting.rounding import up

    release, shown = estimate.release, estimate.shown
    fields = ", ".join(f"{name}: {getattr(release, name):g}" for name in ("order", "beta", "sigma_ss", "tau_s"))
    return (
        f"A sanitised estimate (privacy.sanitised: {{{fields}}}) makes the plan's epsilon {up(estimate.epsilon)} "
        f"instead of {up(estimate.without)}. If teachers agree as assumed, it shows {up(shown.epsilon, 2)} ± "
        f"{up(shown.standard_deviation, 2)}, below {up(shown.upper, 2)} with {shown.confidence:.0%} confidence."
    )


def _words(event: dict[str, Any]) -> str:
    if event["event"] == "Repeated":
        return f"gnmax, sigma {event['of']['sigma']:g}, {event['count']} queries"
    return (
        f"confident-gnmax, threshold {event['threshold']:g}, noise {event['sigma_threshold']:g}/{event['sigma']:g}, "
        f"{event['max_asked']} asked, {event['max_answered']} answered"
    )
