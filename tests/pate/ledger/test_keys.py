"""Keyed hashes are HMAC-SHA256 (RFC 2104), one content at a time."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pate.ledger.keys import LedgerKey, hash_units


def by_definition(secret: bytes, content: bytes) -> bytes:
    """RFC 2104, section 2; block of 64 bytes."""
    padded = secret.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded) + content).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in padded) + inner).digest()


@given(st.binary(min_size=32, max_size=32), st.lists(st.binary(max_size=200), max_size=5))
def test_each_unit_has_the_hash_of_the_definition(secret: bytes, keys: list[bytes]) -> None:
    assert hash_units(secret, keys) == [by_definition(secret, b"unit\0" + key) for key in keys]


def test_the_hash_of_a_query_is_no_hash_of_a_unit(tmp_path: Path) -> None:
    key = LedgerKey(tmp_path)
    assert key.queries([b"same"]) == [by_definition(key.reveal(), b"query\0same")]
    assert key.digest == by_definition(key.reveal(), b"mark\0").hex()[:32]
    assert key.queries([b"same"]) != key.units([b"same"])
