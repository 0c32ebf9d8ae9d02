"""``pate ledger show | verify | export``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pate.errors import InputError, LedgerError
from pate.ledger import Anchor, PrivacyLedger, verify_lines
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


def verify(
    anchor: Annotated[str | None, typer.Option(metavar="LENGTH:HEAD", help="from a model version's tags")] = None,
    file: Annotated[Path | None, typer.Option(help="an exported ledger instead of the one in PATE_HOME")] = None,
) -> None:
    """Check every row of the chain, the anchor, and every table against the chain."""
    published = None if anchor is None else Anchor.parse(anchor)
    if file is not None:
        try:
            found = verify_lines(file.read_text(encoding="utf-8").splitlines(), published)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError("Expected a readable file of JSON lines, got none; check the path") from error
        print(f"export: {found.length} rows, unbroken, head {found.head or '-'}")
        return
    ledger = _open()
    try:
        last = ledger.verify(published)
    finally:
        ledger.close()
    print(f"ledger: {0 if last is None else last.seq} rows, unbroken, head {'-' if last is None else last.hash}")


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
