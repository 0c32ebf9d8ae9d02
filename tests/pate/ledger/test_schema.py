"""Old files open, their chain stays, and files of a later pate are refused."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pate.errors import LedgerError
from pate.ledger import PrivacyLedger, schema


@pytest.fixture
def old(folder: Path, golden_dir: Path) -> dict[str, Any]:
    """A ledger of schema 1, as the pate that had it wrote it."""
    content: dict[str, Any] = json.loads((golden_dir / "ledger_v1.json").read_text())
    folder.mkdir(mode=0o700)
    with sqlite3.connect(folder / "ledger.sqlite3") as db:
        db.executescript("\n".join(content["sql"]))
        db.execute("PRAGMA user_version = 1")
    db.close()
    (folder / "key").write_bytes(bytes.fromhex(content["key"]))
    (folder / "anchor.json").write_text(json.dumps(content["anchor"]))
    return content


def test_a_ledger_of_schema_1_opens_and_its_chain_stays(old: dict[str, Any], folder: Path) -> None:
    with PrivacyLedger(folder) as ledger:
        entries = ledger.entries()
        assert entries[old["length"] - 1].hash == old["head"]
        assert [entry.kind for entry in entries[old["length"] :]] == ["schema"]
        spent = {account.name: ledger.spent(account.name, linked=True) for account in ledger.accounts()}
        assert spent.keys() == old["spent"].keys()
        for name, bound in spent.items():
            assert bound.epsilon >= old["spent"][name], "by Renyi-DP at its best order, which was no filter"
            assert bound.accountant == ("gaussian" if name == "demo" else "renyi_filter(gaussian)")
        ledger.verify()
        intent = ledger.intent("second")
        assert intent is not None
        assert ledger.persist(intent, [(query, 1) for query in ledger.open_queries(intent)])
        ledger.settle(intent)
    with PrivacyLedger(folder) as again:
        assert len(again.entries()) == old["length"] + 3, "opened again, it is not migrated again"
        again.verify()


def test_a_tampered_old_ledger_is_not_migrated(old: dict[str, Any], folder: Path, words) -> None:
    words.tamper(folder, "UPDATE entries SET body = replace(body, '40.0', '90.0') WHERE seq = 4")
    with pytest.raises(LedgerError, match="row 4"):
        PrivacyLedger(folder)
    with sqlite3.connect(folder / "ledger.sqlite3") as db:
        assert schema.version(db) == 1
    db.close()


def test_a_ledger_of_a_later_pate_is_refused(written: Path) -> None:
    with sqlite3.connect(written / "ledger.sqlite3") as db:
        db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()
    with pytest.raises(LedgerError, match="use the pate that wrote it"):
        PrivacyLedger(written)


def test_a_migrated_database_is_like_a_new_one(old: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    with PrivacyLedger(folder) as migrated, PrivacyLedger(tmp_path / "fresh") as fresh:
        assert schema.objects(migrated._db) == schema.objects(fresh._db)
