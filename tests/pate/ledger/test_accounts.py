"""Budgets are fixed once, accounts that share a unit are one, and nothing is refunded."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from pate.accounting import GNMaxEvent, RepeatedEvent
from pate.accounting.rounding import down, up
from pate.errors import BudgetExceeded, InputError, RecordsRefused
from pate.ledger import PrivacyLedger


def test_every_charge_counts_and_none_is_refunded(ledger: PrivacyLedger, words) -> None:
    ledger.register(words.account())
    seen = [0.0]
    for number in range(10):
        words.spend(ledger, "ward", f"c{number}")
        seen.append(ledger.spent("ward").epsilon)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(words.cost(10))
    intent = ledger.intent("c3")
    assert intent is not None
    ledger.settle(intent)
    assert ledger.spent("ward").epsilon == pytest.approx(words.cost(10))


def test_the_budget_holds_and_a_refusal_says_what_is_left_and_what_was_asked(ledger: PrivacyLedger, words) -> None:
    ledger.register(words.account(releases=10))
    words.spend(ledger, "ward", "first", 9)
    before = ledger.spent("ward").epsilon
    with pytest.raises(BudgetExceeded) as error:
        words.spend(ledger, "ward", "second", 2)
    text, rule = str(error.value), ledger.account("ward").rule
    first, second = (RepeatedEvent(event=words.EVENT, count=count) for count in (9, 2))
    assert f"{up(rule.total((first, second)).epsilon, 4)} with this campaign" in text
    assert f"asks {up(words.cost(2), 4)}" in text
    assert f"{up(words.cost(9), 4)} is spent" in text
    assert f"{down(ledger.left('ward'), 4)} is left, accountant renyi_filter(gaussian)" in text
    assert 0 < ledger.left("ward") < rule.epsilon - before
    assert ledger.spent("ward").epsilon == before
    assert ledger.intent("second") is None
    words.spend(ledger, "ward", "third", 1)


def test_the_first_registration_fixes_the_budget(ledger: PrivacyLedger, words) -> None:
    ledger.register(words.account())
    ledger.register(words.account())
    for change in ({"epsilon": 99.0}, {"delta": 1e-3}, {"unit": "hospital"}, {"benchmark": True}):
        with pytest.raises(InputError, match="first registered"):
            ledger.register(words.account(**change))


@pytest.mark.parametrize(
    "change", [{"accountant": "guess"}, {"name": ""}, {"epsilon": float("nan")}, {"epsilon": float("inf")}]
)
def test_an_account_that_could_never_be_charged_rightly_is_refused(words, change) -> None:
    with pytest.raises(InputError):
        words.account(**{"name": "ward", **change})


def test_accounts_that_share_a_unit_are_charged_together(ledger: PrivacyLedger, words) -> None:
    units = ledger.key.units([b"anna", b"bert", b"carl"])
    ledger.register(words.account("one", releases=10), units=units[:2])
    ledger.register(words.account("two", releases=10), units=units[1:])
    ledger.register(words.account("far", releases=10), units=ledger.key.units([b"dora"]))
    words.spend(ledger, "one", "a", 7)
    assert ledger.linked("one") == ["two"]
    assert ledger.spent("two", linked=True).epsilon == pytest.approx(words.cost(7))
    assert ledger.spent("two").epsilon == 0, "which accounts share units is private"
    assert ledger.spent("far", linked=True).epsilon == 0
    with pytest.raises(RecordsRefused):
        words.spend(ledger, "two", "b", 4)
    words.spend(ledger, "far", "c", 10)


def test_a_richer_account_cannot_spend_what_a_linked_one_does_not_have(ledger: PrivacyLedger, words) -> None:
    unit = ledger.key.units([b"anna"])
    ledger.register(words.account("poor", releases=2), units=unit)
    ledger.register(words.account("rich", releases=1000), units=unit)
    with pytest.raises(RecordsRefused) as error:
        words.spend(ledger, "rich", "a", 3)
    assert str(error.value) == RecordsRefused.SENTENCE, "which other data hold the same patients is private"
    assert "poor" in str(error.value.private_detail)


def test_a_renamed_data_set_with_one_record_more_finds_the_old_spend(ledger: PrivacyLedger, words) -> None:
    units = ledger.key.units([f"p{i}".encode() for i in range(50)])
    ledger.register(words.account("old"), units=units)
    words.spend(ledger, "old", "a", 10)
    ledger.register(words.account("new"), units=[*units, *ledger.key.units([b"one more"])])
    with pytest.raises(RecordsRefused) as error:
        words.spend(ledger, "new", "b", 1)
    assert str(error.value) == RecordsRefused.SENTENCE, "which accounts share units follows from records"
    assert "data_id='new'" in str(error.value.private_detail)


def test_simulated_accounts_are_linked_to_none(ledger: PrivacyLedger, words) -> None:
    units = ledger.key.units([b"x"])
    ledger.register(words.account("demo-1", benchmark=True), units=units)
    ledger.register(words.account("demo-2", benchmark=True), units=units)
    words.spend(ledger, "demo-1", "a", 10)
    words.spend(ledger, "demo-2", "b", 10)


def test_a_large_delta_is_warned_about_by_the_number_of_teachers_which_is_public(words) -> None:
    account = words.account(delta=1e-3)
    assert "number of teachers" in str(account.large_delta(1000))
    assert account.large_delta(999) is None


def _client(folder: Path, number: int) -> int:
    from pate.ledger import PrivacyLedger

    event = RepeatedEvent(event=GNMaxEvent(sigma=40.0), count=1)
    with PrivacyLedger(folder) as ledger:
        query = ledger.key.queries([str(number).encode()])
        try:
            ledger.reserve("ward", campaign=str(number), task="t", event=event, queries=query, max_answered=1)
        except BudgetExceeded as error:
            return 0 if "is left" in str(error) and "asks" in str(error) else -1
    return 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_32_concurrent_clients_on_a_budget_of_10_get_exactly_10(ledger: PrivacyLedger, folder: Path, words) -> None:
    ledger.register(words.account(releases=10))
    with multiprocessing.get_context("fork").Pool(32) as pool:
        outcomes = pool.starmap(_client, [(folder, number) for number in range(32)], chunksize=1)
    assert sorted(outcomes) == [0] * 22 + [1] * 10
    assert ledger.spent("ward").epsilon == pytest.approx(words.cost(10))
    last = ledger.verify()
    assert last is not None
    assert last.seq == 12, "one row for the schema, one for the account, one for each charge"


def test_the_release_path_imports_neither_torch_nor_ray_nor_mlflow() -> None:
    code = "import sys, pate.aggregation, pate.ledger; print(sorted({'torch', 'ray', 'mlflow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_units_that_come_while_a_campaign_is_open_are_refused_where_they_could_not_pay_for_it(
    ledger: PrivacyLedger, words
) -> None:
    """A campaign goes on under its charge; patients of a spent account must not slip in under it."""
    mine, others = ledger.key.units([b"anna"]), ledger.key.units([b"bert"])
    ledger.register(words.account("full", releases=5), units=others)
    words.spend(ledger, "full", "a", 5)
    ledger.register(words.account("ward", releases=10), units=mine)
    words.spend(ledger, "ward", "b", 4)
    length = ledger.head().length
    with pytest.raises(RecordsRefused):
        ledger.register(words.account("ward", releases=10), units=[*mine, *others])
    assert ledger.linked("ward") == []
    assert ledger.head().length == length, "nothing is left behind"
    intent = ledger.intent("b")
    assert intent is not None
    ledger.settle(intent)
    ledger.register(words.account("ward", releases=10), units=[*mine, *others])
    with pytest.raises(RecordsRefused):
        words.spend(ledger, "ward", "c", 1)


def test_the_chain_does_not_tell_whether_units_came(tmp_path: Path, words) -> None:
    rows = []
    for number, later in enumerate(([b"anna"], [b"anna", b"bert"])):
        with PrivacyLedger(tmp_path / str(number)) as ledger:
            for names in ([b"anna"], later, later):
                ledger.register(words.account(), units=ledger.key.units(names))
            ledger.verify()
            rows.append([(entry.kind, sorted(entry.body)) for entry in ledger.entries()])
            digests = [entry.body["units_sha256"] for entry in ledger.entries() if "units_sha256" in entry.body]
            assert len(set(digests)) == len(digests) == 3
    assert rows[0] == rows[1]


def test_what_an_account_says_in_public_are_its_own_campaigns(ledger: PrivacyLedger, words) -> None:
    unit = ledger.key.units([b"anna"])
    for name in ("one", "two"):
        ledger.register(words.account(name, releases=10), units=unit)
    words.spend(ledger, "one", "a", 4)
    words.spend(ledger, "two", "b", 3)
    assert ledger.spent("two").epsilon == pytest.approx(words.cost(3))
    assert len(ledger.events("two").events) == 1
    assert ledger.spent("two", linked=True).epsilon > ledger.spent("two").epsilon
    assert ledger.left("two", linked=True) < ledger.left("two")
