"""The folder is its owner's, the anchor only moves forward, and a dying process leaves a ledger that opens."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from pate.errors import InputError, LedgerError
from pate.ledger import Anchor, PrivacyLedger, anchor


def test_folder_and_key_are_for_the_owner_alone(ledger: PrivacyLedger, folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "key").stat().st_mode) == 0o600


def test_its_database_is_closed_at_the_end_of_a_with_block_and_after_an_error_in_it(folder: Path) -> None:
    with PrivacyLedger(folder) as ended:
        assert ended.head().length
    with pytest.raises(ValueError, match="mine"), PrivacyLedger(folder) as broken:
        raise ValueError("mine")
    for ledger in (ended, broken):
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            ledger._db.execute("SELECT 1")


def test_a_ledger_whose_process_died_before_moving_the_anchor_goes_on(
    ledger: PrivacyLedger, folder: Path, words
) -> None:
    ledger.register(words.account())
    before = (folder / "anchor.json").read_bytes()
    words.spend(ledger, "ward", "a")
    (folder / "anchor.json").write_bytes(before)
    ledger.verify()
    words.spend(ledger, "ward", "b")
    assert anchor.read(folder / "anchor.json") == ledger.head()


def test_an_older_process_never_moves_the_anchor_back(ledger: PrivacyLedger, folder: Path, words) -> None:
    ledger.register(words.account())
    old = ledger.head()
    words.spend(ledger, "ward", "a")
    anchor.advance(folder / "anchor.json", old)
    assert anchor.read(folder / "anchor.json") == ledger.head()


def test_published_anchors_find_a_whole_folder_that_was_restored(ledger: PrivacyLedger, folder: Path, words) -> None:
    """As a model version's tags hold it: the folder alone cannot know that all of it is older."""
    ledger.register(words.account())
    shutil.copytree(folder, folder.with_name("backup"))
    words.spend(ledger, "ward", "a")
    published = Anchor.parse(str(ledger.head()))
    ledger.verify(published)
    with PrivacyLedger(folder.with_name("backup")) as old:
        old.verify()
        with pytest.raises(LedgerError, match="row 3 with the anchored hash"):
            old.verify(published)


@pytest.mark.parametrize("text", ["", "3", "3:abc", "-1:" + "0" * 64, "3:" + "g" * 64])
def test_what_is_no_anchor_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="LENGTH:HEAD"):
        Anchor.parse(text)


@pytest.mark.parametrize("content", ["empty", "without tables"])
@pytest.mark.parametrize("gone", [("anchor.json",), ()])
def test_a_database_without_its_tables_begins_no_new_ledger_where_one_was(
    written: Path, content: str, gone: tuple[str, ...]
) -> None:
    """A copy that broke off, or a tool that made the file, is as good as no database."""
    database = written / "ledger.sqlite3"
    database.unlink()
    database.touch()
    if content == "without tables":
        with closing(sqlite3.connect(database)) as db:
            db.execute("VACUUM")
        assert database.stat().st_size > 0
    for name in gone:
        (written / name).unlink()
    before = {path.name: path.read_bytes() for path in written.iterdir()}
    with pytest.raises(LedgerError, match="Expected the database of a ledger that was in use"):
        PrivacyLedger(written)
    assert {path.name: path.read_bytes() for path in written.iterdir()} == before


def test_a_new_ledger_whose_maker_died_on_the_way_is_begun_again(folder: Path) -> None:
    """Anchor and key are written first, so what stands there says that nothing was charged yet."""
    PrivacyLedger(folder).close()
    (folder / "ledger.sqlite3").unlink()
    anchored = folder / "anchor.json"
    anchored.unlink()
    anchor.advance(anchored, anchor.Anchor(length=0, head=anchor.GENESIS))
    (folder / "ledger.sqlite3").touch()
    with PrivacyLedger(folder) as opened:
        opened.verify()


def test_half_written_anchors_of_killed_processes_are_removed_by_the_next_move(tmp_path: Path) -> None:
    left = tmp_path / ".anchor.json.1.new"
    left.write_text("{")
    anchor.advance(tmp_path / "anchor.json", anchor.Anchor(length=1, head="0" * 64))
    assert [path.name for path in tmp_path.iterdir()] == ["anchor.json"]
