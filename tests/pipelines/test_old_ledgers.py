"""A ledger of before is verified, shown, exported as it was, and charged further.

``tests/golden/ledger_v2.tar.gz``: a ledger as commit d27b9e5 wrote it, with its export. ``ward`` decided its campaigns
one after the other, bought a sanitised figure, got further units and saw a purge; ``clinic`` shares a unit with it and
has an open campaign; ``registry`` declared two campaigns that together are more than its filter allows, and ran one;
``digits@old`` is a benchmark. ``ledger_v2.json``: what that commit said of it.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pate.accounting.events import from_dict
from pate.errors import BudgetExceeded
from pate.ledger import Anchor, PrivacyLedger, verify_lines

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def facts(shell) -> dict[str, Any]:
    """The old ledger in the shell's place; what was said of it."""
    with tarfile.open(GOLDEN / "ledger_v2.tar.gz") as archive:
        archive.extractall(shell.home, filter="tar")
    content: dict[str, Any] = json.loads((GOLDEN / "ledger_v2.json").read_text())
    return content


def reserve(ledger: PrivacyLedger, account: str, name: str, event: dict[str, Any], count: int, most: int) -> None:
    queries = ledger.key.queries([f"{name}/{i}".encode() for i in range(count)])
    charged = from_dict(event)
    intent = ledger.reserve(account, campaign=name, task="t", event=charged, queries=queries, max_answered=most)
    assert ledger.persist(intent, [(query, i % 3 if i < most else -1) for i, query in enumerate(queries)])
    ledger.settle(intent)


def test_an_old_ledger_is_verified_shown_and_exported_as_it_was(shell, facts) -> None:
    checked = shell.json("ledger", "verify", "--anchor", f"{facts['length']}:{facts['head']}")
    assert (checked["rows"], checked["head"], checked["unbroken"]) == (facts["length"], facts["head"], True)
    shown = {row["name"]: row for row in shell.json("ledger", "show")}
    assert shown.keys() == facts["spent"].keys()
    for name, (spent, rule, left) in facts["spent"].items():
        assert shown[name]["enforced_by"] == rule
        assert (shown[name]["spent"], shown[name]["left"]) == pytest.approx((spent, left), rel=1e-9), name
    exported = shell.run("ledger", "export")
    assert exported.stdout == (shell.home / "export.jsonl").read_text()
    assert verify_lines(exported.stdout.splitlines()) == Anchor(length=facts["length"], head=facts["head"])


def test_an_old_ledger_is_charged_further_by_the_rules_it_had(shell, facts) -> None:
    ledger = PrivacyLedger(shell.home / "ledger")
    assert [entry.kind for entry in ledger.entries()] == facts["kinds"], "the schema is the same"
    assert {account.name: account.rule.bound for account in ledger.accounts()} == facts["bound"]
    rows = {entry.body["campaign"]: entry.body["event"] for entry in ledger.entries() if entry.kind == "reserve"}
    (figure,) = ledger.estimates("ward")
    assert figure.cost_steps == 5000
    opened = ledger.intent("third")
    assert opened is not None
    assert ledger.persist(opened, [(query, 1) for query in ledger.open_queries(opened)])
    ledger.settle(opened)
    one = {**rows["first"], "count": 2}
    spent = ledger.spent("ward").epsilon
    reserve(ledger, "ward", "later", one, 2, 2)
    assert ledger.spent("ward").epsilon > spent
    with pytest.raises(BudgetExceeded, match="ward"):
        reserve(ledger, "ward", "too much", {**one, "count": 500}, 500, 500)
    with pytest.raises(BudgetExceeded, match="ask no more than what was declared"):
        reserve(ledger, "registry", "not declared", {"event": "GNMax", "sigma": 90.0}, 1, 1)
    declared = ledger.account("registry").settings()["declared"][1]
    reserve(ledger, "registry", "declared second", declared, 6, 4)
    published = Anchor(length=facts["length"], head=facts["head"])
    ledger.verify(published)
    assert verify_lines(ledger.export(), published) == ledger.head()
    assert ledger.head().length == facts["length"] + 2 + 3 + 3
    ledger.close()
