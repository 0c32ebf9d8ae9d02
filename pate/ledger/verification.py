"""Verification of the ledger: the chain by its hashes, every table by the chain.

The tables only index the chain. Each is derived from the chain again and compared, so that a change of a budget, unit,
campaign or answer is reported with the chain's row that it contradicts.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import final

from pate.accounting.events import from_dict
from pate.errors import LedgerError
from pate.ledger import accounts, campaigns, chain, estimates, schema


@final
@dataclass(slots=True, kw_only=True)
class _Campaign:
    """Rows of the chain about one campaign.

    Attributes:
        reserved: the row that reserved it.
        batches: the rows that hold its answers.
        estimate: the row that holds its sanitised estimate, or ``None``.
        settled: the row that closed it, or ``None``.
    """

    reserved: chain.Entry
    batches: list[chain.Entry] = field(default_factory=list)
    estimate: chain.Entry | None = None
    settled: chain.Entry | None = None


def verify(db: sqlite3.Connection) -> chain.Entry | None:
    """Check everything but the anchor; returns the chain's last row.

    Raises:
        LedgerError: naming the first row that was altered, or that a table contradicts.
    """
    last = None
    registered: dict[str, list[chain.Entry]] = {}
    known: dict[str, _Campaign] = {}
    for entry in chain.checked(chain.rows(db)):
        last = entry
        try:
            _follow(entry, registered, known)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise chain.altered(entry.seq) from error
    _verify_file(db)
    _verify_accounts(db, registered)
    _verify_campaigns(db, known)
    return last


def _follow(entry: chain.Entry, registered: dict[str, list[chain.Entry]], known: dict[str, _Campaign]) -> None:
    """Take a row into account."""
    if entry.kind in ("register", "extend"):
        registered.setdefault(entry.account, []).append(entry)
    elif entry.kind == "reserve":
        known[entry.body["campaign"]] = _Campaign(reserved=entry)
    elif entry.kind == "answers":
        known[entry.body["campaign"]].batches.append(entry)
    elif entry.kind == estimates.KIND:
        _follow_figure(entry, known[entry.body["campaign"]])
    elif entry.kind == "settle":
        known[entry.body["campaign"]].settled = entry
    elif entry.kind not in ("schema", "purge"):
        raise LedgerError(f"Expected a known kind in ledger row {entry.seq}, got {entry.kind!r}; use a newer pate")


def _follow_figure(entry: chain.Entry, campaign: _Campaign) -> None:
    """Accept one estimate per campaign, while it is open, of the release that it was charged for."""
    paid = estimates.charged_release(from_dict(campaign.reserved.body["event"]))
    if campaign.estimate is not None or campaign.settled is not None or estimates.parse(entry.body).release != paid:
        raise LedgerError(
            f"Expected one sanitised estimate of an open campaign that paid for it, got another in row {entry.seq}"
        )
    campaign.estimate = entry


def _verify_file(db: sqlite3.Connection) -> None:
    """The database's own structure: pages, indices, references, and the triggers that keep rows as they are."""
    damage = [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
    damage += [f"row of {row[0]} without its parent" for row in db.execute("PRAGMA foreign_key_check")]
    if damage:
        raise LedgerError(
            "Expected a sound database, got a damaged one; restore a backup", private_detail="\n".join(damage)
        )
    fresh = sqlite3.connect(":memory:")
    try:
        schema.run_steps(fresh, 0)
        expected, found = schema.objects(fresh), schema.objects(db)
    finally:
        fresh.close()
    different = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if different:
        raise LedgerError(
            f"Expected the ledger's own tables and triggers, got another {different[0]}; restore a backup"
        )


def _verify_accounts(db: sqlite3.Connection, registered: dict[str, list[chain.Entry]]) -> None:
    fields = ("epsilon", "delta", "accountant", "unit", "benchmark", "declared")
    stored = {
        name: {**dict(zip(fields, settings, strict=True)), "declared": _parsed(settings[-1])}
        for name, *settings in db.execute(f"SELECT name, {', '.join(fields)} FROM accounts")  # noqa: S608 - constants
    }
    for name, rows in registered.items():
        for entry in rows:
            body = {key: value for key, value in entry.body.items() if key not in ("units_sha256", "salt")}
            if stored.get(name) != {"declared": [], **body}:
                raise _contradicted(entry, "account")
        last = rows[-1].body
        if accounts.units_digest(db, name, last.get("salt", "")) != last["units_sha256"]:
            raise _contradicted(rows[-1], "list of privacy units")
    _require_none_beyond(set(stored) - set(registered), "account")


def _parsed(text: str) -> object:
    """Parsed JSON of a table's cell; ``None`` if it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _verify_campaigns(db: sqlite3.Connection, known: dict[str, _Campaign]) -> None:
    stored = {row[0] for row in db.execute("SELECT id FROM intents UNION SELECT intent FROM queries")}
    for name, campaign in known.items():
        entry, body = campaign.reserved, campaign.reserved.body
        expected = campaigns.Intent(
            id=name,
            account=entry.account,
            task=body["task"],
            max_answered=body["max_answered"],
            settled=campaign.settled is not None,
        )
        if campaigns.find(db, name) != expected:
            raise _contradicted(entry, "campaign")
        _verify_queries(db, campaign, expected)
    _require_none_beyond(stored - set(known), "campaign")


def _verify_queries(db: sqlite3.Connection, campaign: _Campaign, intent: campaigns.Intent) -> None:
    rows = db.execute(
        "SELECT account, task, query, answer FROM queries WHERE intent = ? ORDER BY position", (intent.id,)
    ).fetchall()
    if any((account, task) != (intent.account, intent.task) for account, task, _, _ in rows):
        raise _contradicted(campaign.reserved, "input")
    first = 0
    for entry in campaign.batches:
        batch = [(query, answer) for _, _, query, answer in rows[first : first + entry.body["answers"]]]
        if campaigns.answers_digest(batch) != entry.body["answers_sha256"]:
            raise LedgerError(
                f"Expected the answers of ledger row {entry.seq} as written, got others; restore a backup"
            )
        first += len(batch)
    if any(answer is not None for _, _, _, answer in rows[first:]):
        raise _contradicted(campaign.reserved, "answer without a row")
    whole = campaigns.queries_digest([query for _, _, query, _ in rows]) == campaign.reserved.body["queries_sha256"]
    if (campaign.settled is None and not whole) or (campaign.settled is not None and first < len(rows)):
        raise _contradicted(campaign.reserved, "list of inputs")


def _contradicted(entry: chain.Entry, what: str) -> LedgerError:
    return LedgerError(
        f"Expected tables that match ledger row {entry.seq} ({entry.kind}), got another {what}; restore a backup"
    )


def _require_none_beyond(names: set[str], what: str) -> None:
    if names:
        raise LedgerError(f"Expected every {what} in the chain, got {len(names)} without a row; restore a backup")
