"""The folder is its owner's, the anchor only moves forward, and a dying process leaves a ledger that opens."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from pate.errors import InputError, LedgerError
from pate.ledger import Anchor, PrivacyLedger, anchor


def test_folder_and_key_are_for_the_owner_alone(ledger: PrivacyLedger, folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "key").stat().st_mode) == 0o600


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
    """What a model version's tags hold: the folder alone cannot know that all of it is older."""
    ledger.register(words.account())
    shutil.copytree(folder, folder.with_name("backup"))
    words.spend(ledger, "ward", "a")
    published = Anchor.parse(str(ledger.head()))
    ledger.verify(published)
    old = PrivacyLedger(folder.with_name("backup"))
    old.verify()
    with pytest.raises(LedgerError, match="row 3 with the anchored hash"):
        old.verify(published)
    old.close()


@pytest.mark.parametrize("text", ["", "3", "3:abc", "-1:" + "0" * 64, "3:" + "g" * 64])
def test_what_is_no_anchor_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="LENGTH:HEAD"):
        Anchor.parse(text)
