"""All commands by name and section, each with the module that it is loaded from when it is called.

``pate --help`` and shell completion need names and one line each, so they load none of these modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, final

import typer
from typer.core import TyperCommand, TyperGroup

WIDEST = 120
"""Columns of a help page on a wide terminal."""


class Sectioned(TyperCommand):
    """A command whose help lists options under the panels that they name."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[Any]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
                sections.setdefault(getattr(parameter, "rich_help_panel", None) or usual, []).append(record)
        sections["Options"] = sections.pop("Options")  # those of no panel come last
        _write(formatter, sections)


@final
class Deferred(TyperCommand):
    """A command as a list of commands needs it; the command itself is loaded when it is called.

    Args:
        name: as typed.
        source: ``module:function``, the module below ``pipelines.cli``.
        text: one sentence.
        example: a command line.
        hidden: not listed.
    """

    def __init__(self, name: str, source: str, text: str, example: str, *, hidden: bool = False) -> None:
        self._source = source
        self._help = f"{text}\n\nExample: {example}"
        super().__init__(name=name, short_help=f"{text} Example: {example}", hidden=hidden)

    def load(self) -> Any:
        """The command with its options."""
        module, _, function = self._source.partition(":")
        one = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        work = getattr(import_module(f"pipelines.cli.{module}"), function)
        one.command(self.name, cls=Sectioned, help=self._help, short_help=self.short_help, hidden=self.hidden)(work)
        return typer.main.get_command(one)


class Commands(TyperGroup):
    """A group whose commands are loaded when they are called, listed in sections."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, Deferred) else command, rest

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[Any]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            if not command.hidden:
                row = (name, command.get_short_help_str(formatter.width * 10))
                sections.setdefault(command.rich_help_panel or "Commands", []).append(row)
        _write(formatter, sections)


@final
class ListByDefault(Commands):
    """A group that is its command ``list`` where no other one is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def add_commands(root: Commands) -> None:
    """Add all commands, in the order of ``pate --help``."""
    sections = {
        "Run": _experiments(),
        "Plan and check": _planning(),
        "Configurations and data": _configurations(),
        "Privacy accounts": _accounts(),
        "Tracking and registry": _tracking(),
    }
    for title, commands in sections.items():
        for command in commands:
            command.rich_help_panel = title
            root.add_command(command)


def loaded(group: Any, prefix: str = "pate") -> Iterator[tuple[str, Any]]:
    """Every command that is listed, loaded, by its whole name, in alphabetical order."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, Deferred):
            if not command.hidden:
                yield f"{prefix} {name}", command.load()
        else:
            yield from loaded(command, f"{prefix} {name}")


_RUN = "digits-1a2b3c4d"


def _experiments() -> list[TyperCommand | Commands]:
    return [
        Deferred("run", "runs:run", "Run an experiment, or resume an interrupted one.", "pate run digits"),
        Deferred(
            "label",
            "runs:label",
            "Release labels from votes that were made elsewhere, and train a student.",
            "pate label votes.npy study.yaml",
        ),
        Deferred("runs", "runs:runs", "List the runs in PATE_HOME.", "pate runs"),
        Deferred("report", "runs:report", "Show a run's result and privacy report.", f"pate report {_RUN}"),
        Deferred(
            "predict",
            "predict:predict",
            "Score a file with a run's student: predicted class and probabilities.",
            f"pate predict {_RUN} patients.csv --output scores.csv",
        ),
        Deferred(
            "sweep", "sweep:sweep", "Run configurations over several seeds and splits.", "pate sweep digits --seeds 5"
        ),
        Deferred(
            "results", "sweep:results", "Print the results table of runs on public benchmarks.", f"pate results {_RUN}"
        ),
    ]


def _planning() -> list[TyperCommand | Commands]:
    plan = "pate plan --epsilon 1 --labels 100 --teachers 250 --classes 10 --agreement 0.9"
    return [
        Deferred("plan", "plan:plan", "Plan a campaign within a budget, without touching data.", plan),
        Deferred(
            "validate",
            "operations:validate",
            "Check a configuration, its public data and its maximum cost.",
            "pate validate digits",
        ),
        Deferred("doctor", "operations:doctor", "Report unsafe settings and how to fix them.", "pate doctor digits"),
        Deferred(
            "audit",
            "audit:audit",
            "Lower-bound epsilon on synthetic neighbouring votes, or audit the path from records to votes.",
            "pate audit --samples 20000",
        ),
    ]


def _configurations() -> list[TyperCommand | Commands]:
    heart = "pate new heart --from patients.csv --public public.csv --label ill --positive yes"
    listed = Deferred("list", "shipped:list_configs", "List the shipped configurations.", "pate configs list")
    copied = Deferred(
        "copy",
        "shipped:copy_config",
        "Copy a shipped configuration to a file of your own.",
        "pate configs copy digits --to mine.yaml",
    )
    sets = Deferred("list", "shipped:list_sets", "List the sets, their licences and folders.", "pate data list")
    fetched = Deferred(
        "fetch", "shipped:fetch", "Download a set into PATE_HOME/data and check it.", "pate data fetch mnist"
    )
    return [
        Deferred("new", "authoring:new", "Write a first configuration for your own tables.", heart),
        Deferred(
            "simulate",
            "authoring:simulate",
            "Write a synthetic consortium, for a rehearsal without real data.",
            "pate simulate rehearsal --sites 20 --patients 2000",
        ),
        _group(
            ListByDefault, "configs", "The shipped configurations: list or copy them.", "pate configs", listed, copied
        ),
        Deferred("schema", "authoring:schema", "Print the JSON schema of configurations.", "pate schema > schema.json"),
        _group(
            Commands,
            "data",
            "The public data sets that shipped configurations use.",
            "pate data fetch mnist",
            sets,
            fetched,
        ),
    ]


def _accounts() -> list[TyperCommand | Commands]:
    cost, example = (
        "Compute the cost of vote histograms by every accountant.",
        "counts.npy --mechanism gnmax --sigma 40",
    )
    return [
        _group(
            Commands,
            "ledger",
            "The privacy ledger: accounts, budgets, spend.",
            "pate ledger show",
            Deferred("show", "ledger:show", "Show accounts, budgets and spend.", "pate ledger show"),
            Deferred("verify", "ledger:verify", "Check the hash chain for tampering.", "pate ledger verify"),
            Deferred(
                "export",
                "ledger:export",
                "Print the hash chain for an auditor.",
                "pate ledger export > ledger.jsonl",
            ),
        ),
        Deferred("cost", "cost:cost", cost, f"pate cost {example}"),
        Deferred("account", "cost:cost", f"{cost} Renamed to `pate cost`.", f"pate cost {example}", hidden=True),
        Deferred(
            "purge",
            "operations:purge",
            "Delete private files whose retention has ended.",
            f"pate purge {_RUN} --days 30",
        ),
        Deferred("incident", "operations:incident", "Show the private details of an error.", "pate incident 9f3a12cd"),
    ]


def _tracking() -> list[TyperCommand | Commands]:
    return [
        Deferred("ui", "mlflow:ui", "Serve the MLflow UI of PATE_HOME.", "pate ui --port 5000"),
        Deferred(
            "register",
            "mlflow:register",
            "Point a registry alias at a run's student, if report, noise source, budget and ledger all check out.",
            f"pate register {_RUN} --alias champion",
        ),
        Deferred("sync", "mlflow:sync", "Deliver pending tracking events to MLflow.", f"pate sync {_RUN}"),
    ]


def _group(kind: type[Commands], name: str, text: str, example: str, *commands: Deferred) -> Commands:
    group = kind(name=name, help=text, short_help=f"{text} Example: {example}", rich_markup_mode=None)
    for command in commands:
        group.add_command(command)
    return group


def _write(formatter: Any, sections: dict[str, list[Any]]) -> None:
    """Sections of a help page whose texts begin in one column."""
    column = min(max((len(row[0]) for rows in sections.values() for row in rows), default=0), 30)
    for title, rows in sections.items():
        if rows:
            with formatter.section(title):
                formatter.write_dl([(f"{first:<{column}}", text) for first, text in rows])
