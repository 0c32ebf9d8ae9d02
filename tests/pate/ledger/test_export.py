"""An exported chain can be checked by whoever has the file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from pate.errors import LedgerError
from pate.ledger import Anchor, PrivacyLedger, verify_lines


@pytest.fixture
def lines(written: Path) -> list[str]:
    with PrivacyLedger(written) as ledger:
        found = list(ledger.export())
        assert verify_lines(found) == ledger.head()
    return found


def test_an_export_is_checked_with_a_few_lines_of_standard_python(lines: list[str]) -> None:
    previous = "0" * 64
    for line in lines:
        row = json.loads(line)
        fields = [row[name] for name in ("seq", "account", "kind", "body", "at", "previous")]
        assert row["previous"] == previous
        assert row["hash"] == hashlib.sha256(json.dumps(fields).encode()).hexdigest()
        previous = row["hash"]


def test_a_changed_or_missing_line_is_found_and_named(lines: list[str]) -> None:
    verify_lines(lines, Anchor(length=4, head=json.loads(lines[3])["hash"]))
    with pytest.raises(LedgerError, match="row 4 as it was written"):
        verify_lines([*lines[:3], lines[3].replace("40.0", "90.0"), *lines[4:]])
    with pytest.raises(LedgerError, match="row 4"):
        verify_lines(lines[:3] + lines[4:])
    with pytest.raises(LedgerError, match="line 2"):
        verify_lines([lines[0], "{}"])
    with pytest.raises(LedgerError, match="tail"):
        verify_lines(lines[:5], Anchor(length=6, head="0" * 64))
    with pytest.raises(LedgerError, match="another chain"):
        verify_lines(lines, Anchor(length=6, head="0" * 64))


def test_an_export_holds_neither_key_nor_unit_nor_query_nor_answer(lines: list[str], written: Path) -> None:
    with PrivacyLedger(written) as ledger:
        hashes = [row[0].hex() for row in ledger._db.execute("SELECT hash FROM units UNION SELECT query FROM queries")]
        key = (written / "key").read_bytes().hex()
    text = "\n".join(lines)
    assert not [secret for secret in (*hashes, key, "anna", "bert") if secret in text]
    assert {name for line in lines for name in json.loads(json.loads(line)["body"])} == {
        "accountant", "answered", "answers", "answers_sha256", "benchmark", "campaign", "declared", "delta", "epsilon",
        "event", "key", "max_answered", "queries", "queries_sha256", "salt", "task", "unit", "units_sha256", "version",
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"body": 5}, {"body": None}, {"body": ["x"]}, {"body": {"key": "x"}}, {"seq": "1"}, {"seq": True}, {"seq": 1.0},
        {"hash": 7}, {"account": {}}, {"body": "[" * 100_000}, {"body": "5"}, {"body": "{"},
    ],
)  # fmt: skip
def test_a_line_of_other_types_is_one_clear_error(lines: list[str], change: dict[str, object]) -> None:
    row = {**json.loads(lines[0]), **change}
    if "hash" not in change:
        parts = [row[name] for name in ("seq", "account", "kind", "body", "at", "previous")]
        row["hash"] = hashlib.sha256(json.dumps(parts).encode()).hexdigest()  # whoever forges a line can do that
    with pytest.raises(LedgerError):
        verify_lines([json.dumps(row)])


def test_lines_of_json_that_are_no_rows_are_one_clear_error() -> None:
    for line in ("5", "null", "[]", '"x"', "[" * 100_000, "1" * 5000, "{}"):
        with pytest.raises(LedgerError, match="line 1"):
            verify_lines([line])
