"""``pate ledger show | verify | export``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pate.accounting.rounding import up
from pate.errors import InputError, LedgerError
from pate.ledger import Anchor, PrivacyLedger, verify_lines
from pipelines.cli.output import JsonOption, add_command, print_json, print_table
from pipelines.storage.home import home

app = typer.Typer(help="The privacy ledger: accounts, budgets, spend.")


def show(as_json: JsonOption = False) -> None:
    """Show accounts, budgets and spend."""
    ledger = _open()
    rows = []
    for account in ledger.accounts():
        spent = ledger.spent(account.name, linked=True)
        shown = [asdict(figure.epsilon(account.delta)) for figure in ledger.figures(account.name)]
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
    ledger.close()
    if as_json:
        print_json(rows)
        return
    cells = []
    for row in rows:
        kind = "simulated (benchmark)" if row["benchmark"] else "real"
        figures = (up(row["spent"], 4), f"{row['epsilon']:g}", f"{row['delta']:g}")
        noisy = ", ".join(f"{up(one['epsilon'], 2)} ± {up(one['standard_deviation'], 2)}" for one in row["sanitised"])
        cells.append((row["name"], row["unit"], *figures, row["enforced_by"], kind, noisy))
    bought = any(row["sanitised"] for row in rows)
    names = ("data_id", "unit", "spent", "budget", "delta", "accountant", "kind", "sanitised")
    print_table(names if bought else names[:-1], cells if bought else [row[:-1] for row in cells])


def verify(
    anchor: Annotated[str | None, typer.Option(metavar="LENGTH:HEAD", help="from a model version's tags")] = None,
    file: Annotated[Path | None, typer.Option(help="an exported ledger instead of the one in PATE_HOME")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check every row of the chain, the anchor, and every table against the chain."""
    published = None if anchor is None else Anchor.parse(anchor)
    if file is not None:
        try:
            found = verify_lines(file.read_text(encoding="utf-8").splitlines(), published)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError("Expected a readable file of JSON lines, got none; check the path") from error
        _say_unbroken("export", found.length, found.head or None, as_json)
        return
    ledger = _open()
    try:
        last = ledger.verify(published)
    finally:
        ledger.close()
    if last is None:
        _say_unbroken("ledger", 0, None, as_json)
    else:
        _say_unbroken("ledger", last.seq, last.hash, as_json)


def _say_unbroken(what: str, rows: int, head: str | None, as_json: bool) -> None:
    if as_json:
        print_json({"checked": what, "rows": rows, "head": head, "unbroken": True})
    else:
        print(f"{what}: {rows} rows, unbroken, head {head or '-'}")


def export() -> None:
    """Print the chain as JSON lines, which anybody can check without the ledger."""
    ledger = _open()
    try:
        for line in ledger.export():
            print(line)
    finally:
        ledger.close()


add_command(app, show, "Show accounts, budgets and spend.", "pate ledger show")
add_command(app, verify, "Check the chain against tampering.", "pate ledger verify")
add_command(app, export, "Print the chain for an auditor.", "pate ledger export > ledger.jsonl")


def _open() -> PrivacyLedger:
    folder = home() / "ledger"
    if not (folder / "ledger.sqlite3").exists():
        raise LedgerError("Expected a ledger in PATE_HOME, got none; run an experiment first or set PATE_HOME")
    return PrivacyLedger(folder)
