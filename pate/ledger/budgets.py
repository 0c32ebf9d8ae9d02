"""Charges of accounts and the budgets that limit them. All inside the caller's transaction."""

from __future__ import annotations

import sqlite3

from pate.accounting.curve import EpsilonBound
from pate.accounting.events import ComposedEvent, PrivacyEvent, from_dict
from pate.accounting.rounding import down, up
from pate.errors import BudgetExceeded, RecordsRefused
from pate.ledger import accounts, chain
from pate.ledger.accounts import Account


def charged(db: sqlite3.Connection, account: str) -> ComposedEvent:
    """Everything charged to an account, campaign by campaign in the chain's order: those of its own campaigns and of
    accounts that share a unit."""
    return _campaigns(db, account, *accounts.linked(db, account))


def own(db: sqlite3.Connection, account: str) -> ComposedEvent:
    """Charges of an account's own campaigns, in the chain's order: all public."""
    return _campaigns(db, account)


def _campaigns(db: sqlite3.Connection, *names: str) -> ComposedEvent:
    """The campaigns of some accounts, in the chain's order."""
    rows = [entry for name in names for entry in chain.entries(db, name, "reserve")]
    rows.sort(key=lambda entry: entry.seq)
    return ComposedEvent(events=tuple(from_dict(entry.body["event"]) for entry in rows))


def spent(db: sqlite3.Connection, account: str, *, linked: bool) -> EpsilonBound:
    """Total of campaigns at the account's delta; the accountant's name contains the rule.

    Args:
        db: the database.
        account: its name.
        linked: with those of accounts that share a unit; which accounts do is private.
    """
    campaigns = charged(db, account) if linked else own(db, account)
    return accounts.get(db, account).rule.total(campaigns.events)


def left(db: sqlite3.Connection, account: str, *, linked: bool) -> float:
    """Epsilon that the account's rule still allows, nats; 0 where it accepts nothing more."""
    campaigns = charged(db, account) if linked else own(db, account)
    return accounts.get(db, account).rule.left(campaigns.events)


def require_within_budget(db: sqlite3.Connection, account: str, event: PrivacyEvent) -> None:
    """Enforce the budgets of the account and of every account that shares a privacy unit with it.

    Which accounts share a unit follows from private records, so public messages use the account's own campaigns alone.

    Raises:
        BudgetExceeded: the account's own campaigns leave too little; the text states the remaining budget and the
            requested cost.
        RecordsRefused: the campaigns of accounts that share a unit leave too little, for this account or for one of
            them.
    """
    known, mine = accounts.get(db, account), own(db, account).events
    if not known.rule.admits((*mine, event)):
        raise BudgetExceeded(
            f"Expected data_id={account!r} to stay within {_amounts(known, mine, event)}; {_remedy(known, mine)}"
        )
    for name in (account, *accounts.linked(db, account)):
        other, before = accounts.get(db, name), charged(db, name).events
        if not other.rule.admits((*before, event)):
            raise RecordsRefused(
                f"Expected data_id={name!r}, which is charged for accounts that share a privacy unit with "
                f"data_id={account!r}, to stay within {_amounts(other, before, event)}; {_remedy(other, before)}"
            )


def require_open_within_budget(db: sqlite3.Connection, account: str) -> None:
    """Refuse units added to an account while one of its campaigns is open, if that campaign exceeds their budget.

    An open campaign continues under its charge, which was admitted for other units.

    Raises:
        RecordsRefused: the account, or one that now shares a unit with it, would be beyond its rule.
    """
    if db.execute("SELECT 1 FROM intents WHERE account = ? AND settled = 0", (account,)).fetchone() is None:
        return
    for name in (account, *accounts.linked(db, account)):
        if not accounts.get(db, name).rule.admits(charged(db, name).events):
            raise RecordsRefused(
                f"Expected records that data_id={name!r} can pay for while a campaign of data_id={account!r} is open, "
                "got some that came since it began; restore the records with which it began"
            )


_REMEDY = "ask fewer queries, use more noise, or publish what was already answered"


def _amounts(account: Account, before: tuple[PrivacyEvent, ...], event: PrivacyEvent) -> str:
    """Budget, requested cost, spent and remaining epsilon, and the rule."""
    rule = account.rule
    after, now, asked = (rule.total(campaigns) for campaigns in ((*before, event), before, (event,)))
    got = f"{up(after.epsilon, 4)} with this campaign"
    by = rule.filter.name if before else rule.accountant
    if rule.bound:
        got, by = "a campaign beyond what was declared", f"{rule.accountant} for what was declared"
    return (
        f"epsilon={account.epsilon:g} at delta={account.delta:g}, got {got}, which asks {up(asked.epsilon, 4)} "
        f"({up(now.epsilon, 4)} is spent, {down(rule.left(before), 4)} is left, accountant {by})"
    )


def _remedy(account: Account, before: tuple[PrivacyEvent, ...]) -> str:
    """Remedy: what is still possible."""
    rule = account.rule
    if rule.bound:
        return "ask no more than what was declared when the account was opened, or publish what was already answered"
    if before and not rule.filter.admits(before):
        return (
            "what was charged is more than campaigns decided one after the other may cost, so nothing can follow; "
            "publish what was already answered"
        )
    return _REMEDY
