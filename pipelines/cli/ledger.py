"""``pate ledger show | verify``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pate.errors import LedgerError
from pate.ledger import PrivacyLedger
from pipelines.cli.words import add_command
from pipelines.store import home

app = typer.Typer(help="The privacy ledger: accounts, budgets, spend.")


def show(as_json: Annotated[bool, typer.Option("--json", help="print JSON on standard output")] = False) -> None:
    """Show accounts, budgets and spend."""
    ledger = _open()
    rows = []
    for account in ledger.accounts():
        spent = ledger.spent(account.name)
        rows.append({**asdict(account), "spent": spent.epsilon, "left": max(0.0, account.epsilon - spent.epsilon)})
    ledger.close()
    if as_json:
        print(json.dumps(rows))
        return
    table = Table("data_id", "unit", "spent", "budget", "delta", "accountant", "kind")
    for row in rows:
        kind = "simulated (benchmark)" if row["benchmark"] else "real"
        figures = (f"{row['spent']:.4f}", f"{row['epsilon']:g}", f"{row['delta']:g}")
        table.add_row(row["name"], row["unit"], *figures, row["accountant"], kind)
    Console().print(table)


def verify() -> None:
    """Check every row of the chain, the anchor and the answers."""
    ledger = _open()
    last = ledger.verify()
    ledger.close()
    print(f"ledger: {0 if last is None else last.seq} rows, unbroken, head {'-' if last is None else last.hash}")


add_command(app, show, "Show accounts, budgets and spend.", "pate ledger show")
add_command(app, verify, "Check the chain against tampering.", "pate ledger verify")


def _open() -> PrivacyLedger:
    folder = home() / "ledger"
    if not (folder / "ledger.sqlite3").exists():
        raise LedgerError("Expected a ledger in PATE_HOME, got none; run an experiment first or set PATE_HOME")
    return PrivacyLedger(folder)
