"""What was charged to accounts, and the budgets that hold them. All inside the caller's transaction."""

from __future__ import annotations

import sqlite3

from pate.accounting.curve import EpsilonBound
from pate.accounting.events import Composed, PrivacyEvent, from_dict
from pate.accounting.rounding import down, up
from pate.errors import BudgetExceeded
from pate.ledger import accounts, chain
from pate.ledger.accounts import Account


def charged(db: sqlite3.Connection, account: str) -> Composed:
    """Everything charged to an account, campaign by campaign in the chain's order: its own and those of accounts that
    share a unit."""
    rows = [entry for name in (account, *accounts.linked(db, account)) for entry in chain.entries(db, name, "reserve")]
    rows.sort(key=lambda entry: entry.seq)
    return Composed(events=tuple(from_dict(entry.body["event"]) for entry in rows))


def spent(db: sqlite3.Connection, account: str) -> EpsilonBound:
    """What everything charged amounts to at the account's delta; the accountant's name says by which rule."""
    return accounts.get(db, account).rule.total(charged(db, account).events)


def left(db: sqlite3.Connection, account: str) -> float:
    """How much more the account's rule allows, nats; 0 where it accepts nothing more."""
    return accounts.get(db, account).rule.left(charged(db, account).events)


def require_within_budget(db: sqlite3.Connection, account: str, event: PrivacyEvent) -> None:
    """Hold the account, and every account that shares a privacy unit with it, to their budgets.

    Raises:
        BudgetExceeded: what is left and what was asked.
    """
    accounts.get(db, account)
    for name in (account, *accounts.linked(db, account)):
        known, before = accounts.get(db, name), charged(db, name).events
        if known.rule.admits((*before, event)):
            continue
        figures, remedy = _figures(known, before, event), _remedy(known, before)
        if name == account:
            raise BudgetExceeded(f"Expected data_id={name!r} to stay within {figures}; {remedy}")
        raise BudgetExceeded(
            f"Expected every account that shares a privacy unit with data_id={account!r} to stay within its "
            f"budget, got one that would not; {_REMEDY}",
            private_detail=f"data_id={name!r} must stay within {figures}; {remedy}",
        )


_REMEDY = "ask fewer queries, use more noise, or publish what was already answered"


def _figures(account: Account, before: tuple[PrivacyEvent, ...], event: PrivacyEvent) -> str:
    """Budget, what was asked, what is spent and left, and by which rule."""
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
    """What can still be done."""
    rule = account.rule
    if rule.bound:
        return "ask no more than what was declared when the account was opened, or publish what was already answered"
    if before and not rule.filter.admits(before):
        return (
            "what was charged is more than campaigns decided one after the other may cost, so nothing can follow; "
            "publish what was already answered"
        )
    return _REMEDY
