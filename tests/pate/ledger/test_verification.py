"""Whatever is changed behind the ledger's back is found, and the row named."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from pate.errors import LedgerError
from pate.ledger import PrivacyLedger


def verdict(folder: Path) -> str | None:
    """Error of opening and verifying, or ``None`` if all is well."""
    try:
        with PrivacyLedger(folder) as ledger:
            ledger.verify()
    except LedgerError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE entries SET body = replace(body, '40.0', '90.0') WHERE seq = 4", "row 4"),
        ("UPDATE entries SET at = '2020-01-01' WHERE seq = 2", "row 2"),
        ("UPDATE entries SET account = 'clinic' WHERE seq = 6", "row 6"),
        ("DELETE FROM entries WHERE seq = 5", "row 5"),
        ("DELETE FROM entries WHERE seq > 8", "row 14 with the anchored hash"),
        ("UPDATE queries SET answer = 7 WHERE intent = 'c1'", "answers of ledger row 8"),
        ("UPDATE queries SET position = 1 - position WHERE intent = 'c1'", "answers of ledger row 8"),
        ("DELETE FROM queries WHERE intent = 'c0'", "answers of ledger row 5"),
        ("UPDATE queries SET task = 'u' WHERE intent = 'c0'", "row 4 .reserve.,"),
        ("UPDATE queries SET answer = 1 WHERE answer IS NULL", "row 13 .reserve.,"),
        ("UPDATE queries SET query = x'00' WHERE answer IS NULL", "row 13 .reserve.,"),
        ("UPDATE accounts SET epsilon = 99 WHERE name = 'ward'", "row 2 .register.,"),
        ("UPDATE accounts SET benchmark = 1 WHERE name = 'ward'", "row 2 .register.,"),
        ("UPDATE accounts SET declared = '[1]' WHERE name = 'ward'", "row 2 .register.,"),
        ("UPDATE accounts SET declared = '[' WHERE name = 'ward'", "row 2 .register.,"),
        ("INSERT INTO accounts VALUES ('free', 99, 0.1, 'gaussian', 'patient', 0, '[]')", "without a row"),
        ("DELETE FROM units WHERE account = 'clinic'", "row 3 .register.,"),
        ("INSERT INTO units VALUES (x'00', 'clinic')", "row 3 .register.,"),
        ("UPDATE intents SET max_answered = 99 WHERE id = 'c3'", "row 13 .reserve.,"),
        ("UPDATE intents SET settled = 0 WHERE id = 'c0'", "row 4 .reserve.,"),
        ("INSERT INTO intents VALUES ('free', 'ward', 't', 99, 0)", "without a row"),
    ],
)
def test_tampering_is_found_and_the_row_named(written: Path, words, statement: str, message: str) -> None:
    words.tamper(written, statement)
    found = verdict(written)
    assert found is not None
    assert re.search(message, found), found


def test_a_missing_trigger_is_found(written: Path, words) -> None:
    words.raw(written).close()
    assert "Expected the ledger's own tables and triggers" in str(verdict(written))


def test_a_restored_older_copy_is_found_and_not_continued(written: Path, tmp_path: Path, words) -> None:
    shutil.copy(written / "ledger.sqlite3", tmp_path / "backup")
    with PrivacyLedger(written) as ledger:
        words.spend(ledger, "ward", "later", 1)
        shutil.copy(tmp_path / "backup", written / "ledger.sqlite3")
        with pytest.raises(LedgerError, match="older copy"):
            words.spend(ledger, "ward", "free", 1)
    assert "older copy" in str(verdict(written))


def test_a_ledger_is_not_begun_again_by_removing_parts_of_it(written: Path, tmp_path: Path) -> None:
    for names in (
        ["ledger.sqlite3"],
        ["key"],
        ["anchor.json"],
        ["ledger.sqlite3", "anchor.json"],
        ["key", "anchor.json"],
    ):
        copy = tmp_path / "-".join(names)
        shutil.copytree(written, copy)
        for name in names:
            (copy / name).unlink()
        assert "restore it" in str(verdict(copy)), names


def test_another_key_is_found(written: Path) -> None:
    (written / "key").write_bytes(b"k" * 32)
    assert "got another; restore the key file" in str(verdict(written))


def test_a_garbled_file_is_one_clear_error(written: Path) -> None:
    (written / "ledger.sqlite3").write_bytes(b"not a database" * 100)
    found = str(verdict(written))
    assert "nothing was released" in found
    assert str(written) not in found


def _content(folder: Path) -> object:
    """All that the tables say, or ``None`` if they cannot be read."""
    db = sqlite3.connect(folder / "ledger.sqlite3")
    try:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return [db.execute(f"SELECT * FROM {name}").fetchall() for name in names]
    except sqlite3.DatabaseError:
        return None
    finally:
        db.close()


def test_a_flipped_byte_anywhere_is_found_if_it_changes_anything(written: Path, tmp_path: Path) -> None:
    """150 places of the file, from a fixed seed; half of them among its used bytes."""
    whole, content = (written / "ledger.sqlite3").read_bytes(), _content(written)
    used = [place for place, byte in enumerate(whole) if byte]
    rng = random.Random(7)
    changed = 0
    for number, place in enumerate([*rng.sample(used, 120), *rng.sample(range(len(whole)), 30)]):
        copy = tmp_path / str(number)
        shutil.copytree(written, copy)
        (copy / "ledger.sqlite3").write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        found = verdict(copy)
        if _content(copy) != content:
            changed += 1
            assert found is not None, f"byte {place}"
    assert changed > 30
