"""``pate ledger show | verify | export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pate.errors import InputError, LedgerError
from pipelines.cli.arguments import JsonOption
from pipelines.cli.output import print_json, print_table
from pipelines.storage.home import Home, home

if TYPE_CHECKING:
    from pate.ledger import PrivacyLedger


def show(as_json: JsonOption = False) -> None:
    """Show accounts, budgets and spend."""
    from dataclasses import asdict

    from pate.accounting.rounding import up

    rows = []
    with _opened() as ledger:
        for account in ledger.accounts():
            spent = ledger.spent(account.name, linked=True)
            shown = [asdict(figure.epsilon(account.delta)) for figure in ledger.estimates(account.name)]
            rows.append(
                {
                    "name": account.name,
                    **account.settings(),
                    "spent": spent.epsilon,
                    "left": ledger.left(account.name, linked=True),
                    "enforced_by": spent.accountant,
                    "sanitised": shown,
                }
            )
    if as_json:
        print_json(rows)
        return
    cells = []
    for row in rows:
        kind = "simulated (benchmark)" if row["benchmark"] else "real"
        costs = (up(row["spent"], 4), f"{row['epsilon']:g}", f"{row['delta']:g}")
        noisy = ", ".join(f"{up(one['epsilon'], 2)} ± {up(one['standard_deviation'], 2)}" for one in row["sanitised"])
        cells.append((row["name"], row["unit"], *costs, row["enforced_by"], kind, noisy))
    bought = any(row["sanitised"] for row in rows)
    names = ("data_id", "unit", "spent", "budget", "delta", "accountant", "kind", "sanitised")
    print_table(names if bought else names[:-1], cells if bought else [row[:-1] for row in cells])


def verify(
    anchor: Annotated[
        str | None, typer.Option(metavar="LENGTH:HEAD", help="anchor from the tags of a model version")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="exported ledger to check instead of the one in PATE_HOME")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check every row of the chain, the anchor, and every table against the chain."""
    from pate.ledger import Anchor, verify_lines

    published = None if anchor is None else Anchor.parse(anchor)
    if file is not None:
        try:
            found = verify_lines(file.read_text(encoding="utf-8").splitlines(), published)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError("Expected a readable file of JSON lines, got none; check the path") from error
        _print_unbroken("export", found.length, found.head or None, as_json)
        return
    with _opened() as ledger:
        last = ledger.verify(published)
    if last is None:
        _print_unbroken("ledger", 0, None, as_json)
    else:
        _print_unbroken("ledger", last.seq, last.hash, as_json)


def export() -> None:
    """Print the chain as JSON lines, which can be checked without the ledger."""
    with _opened() as ledger:
        for line in ledger.export():
            print(line)


def _print_unbroken(what: str, rows: int, head: str | None, as_json: bool) -> None:
    if as_json:
        print_json({"checked": what, "rows": rows, "head": head, "unbroken": True})
    else:
        print(f"{what}: {rows} rows, unbroken, head {head or '-'}")


def _opened() -> PrivacyLedger:
    place = Home(home())
    if not place.has_ledger:
        raise LedgerError("Expected a ledger in PATE_HOME, got none; run an experiment first or set PATE_HOME")
    return place.ledger()
