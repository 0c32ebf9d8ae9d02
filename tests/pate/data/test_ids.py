"""One patient, one id: writings of one id, writings that may be two, and ids that can no longer be told apart."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pate.data.id_text import LONGEST
from pate.data.ids import MISSING, canonical_ids, match_keys, require_unambiguous
from pate.errors import InputError

CANARY = "CANARY-7731"
NUMBERS = st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


def readable(text: str) -> bool:
    try:
        return len(canonical_ids([text])) == 1
    except InputError:
        return False


IDS = TEXTS.filter(readable)


@pytest.mark.parametrize(
    "written",
    [
        ["7", "7.0", "7.", "7.000", "+7", "7e+0", "7E+00", "0.7e1", "70e-1"],
        ["7", " 7", "7\t", "\u00a07\u2003", "\ufeff7", "\u200b7", "\uff17", "7\ufe0e", "\u034f7"],
        ["100000", "1e+05", "1.0E5", "100000.0"],
        ["0", "-0", "0.0", "-0.0", "0."],
        ["-7", "-7.0"],
        ["007", "007.0", "+007"],
        ["1234567890123456789", " 1234567890123456789 ", "+1234567890123456789"],
        ["Zoe\u0308 1", "Zo\u00eb 1", "Zo\u00eb \t\n1", "Zo\u00eb\u00a01", "Zo\u00ad\u00eb 1"],
        ["Zo 1", "\uff3a\uff4f\u30001"],
        ["カルテ", "ｶﾙﾃ"],
    ],
)  # fmt: skip
def test_writings_of_one_id_have_one_form(written: list[str]) -> None:
    assert len(set(canonical_ids(written))) == 1, canonical_ids(written)
    assert canonical_ids(written)[0] == canonical_ids(written[:1])[0]


@pytest.mark.parametrize(
    "values",
    [
        [7, 7.0, "7", "7.0", b"7", Decimal("7.00"), np.int64(7), np.float32(7), np.bytes_(b"7.0")],
        np.array([7, 7], dtype=np.uint8),
        np.array([7.0, 7.0], dtype=np.float32),
        np.array([b"7", b"7.0"]),
        np.array(["7", "7.0"]),
        pd.Series([7, 7], dtype="Int64"),
        pd.Series(["7", "7.0"], dtype="category"),
        pd.Series(["7", "7.0"], dtype="string"),
    ],
)
def test_every_kind_of_column_gives_the_same_form(values: Any) -> None:
    assert set(canonical_ids(values)) == {"7"}
    assert set(match_keys(values)) == {"7"}


@settings(deadline=None)
@given(NUMBERS)
def test_equal_numbers_are_equal_in_any_writing(number: int) -> None:
    written = [number, float(number), str(number), f"{number}.0", f"{number}.", f"{number:+d}", f" {number:.3f}"]
    written += [Decimal(number), str(number).encode(), np.array([number])[0], f"{number}0e-1", f"{number}.0e+0"]
    assert set(canonical_ids(written)) == {str(number)}


@settings(deadline=None)
@given(st.integers(min_value=-(10**30), max_value=10**30), st.integers(min_value=-(10**30), max_value=10**30))
def test_long_numbers_keep_their_digits(one: int, other: int) -> None:
    assert canonical_ids([str(one), one, Decimal(one)]).tolist() == [str(one)] * 3
    assert (canonical_ids([one])[0] == canonical_ids([other])[0]) == (one == other)


@settings(deadline=None)
@given(IDS)
def test_forms_and_keys_are_settled(text: str) -> None:
    form, key = canonical_ids([text]), match_keys([text])
    assert canonical_ids(form).tolist() == form.tolist()
    if key[0] not in MISSING:
        assert match_keys(key).tolist() == key.tolist()
    assert match_keys(form).tolist() == key.tolist()


@settings(deadline=None)
@given(IDS)
def test_composition_white_space_and_invisible_characters_make_no_other_patient(text: str) -> None:
    written = [unicodedata.normalize(kind, text) for kind in ("NFC", "NFD")]
    written += [f"\u00a0{text}\u3000", f"\ufeff{text}", "\u200b".join(text)]
    assert set(canonical_ids(written)) == set(canonical_ids([text]))


@settings(deadline=None)
@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=12).filter(readable))
def test_visible_text_that_is_no_number_is_kept(text: str) -> None:
    try:
        float(text)
    except ValueError:
        assert canonical_ids([text]).tolist() == [text]


@settings(deadline=None)
@given(st.lists(IDS, min_size=1, max_size=6))
def test_equal_forms_have_equal_keys_and_the_order_is_kept(texts: list[str]) -> None:
    forms, keys = canonical_ids(texts), match_keys(texts)
    assert forms.tolist() == [canonical_ids([text])[0] for text in texts]
    assert keys.tolist() == [match_keys([text])[0] for text in texts]
    assert len(set(zip(forms, keys, strict=True))) == len(set(forms))


@pytest.mark.parametrize(
    "pair",
    [
        ("007", "7"),
        ("abc", "ABC"),
        ("STRASSE", "stra\u00dfe"),
        ("7e0", "7"),
        ("1E3", "10E2"),
        ("A\u00b2", "A2"),
        ("\u0667", "7"),
        ("A\u20117", "A-7"),
        ("0a1", "A1"),
    ],
)
def test_probably_one_patient_is_refused_in_one_set_and_known_again_in_another(pair: tuple[str, str]) -> None:
    one, other = pair
    assert len(set(canonical_ids(pair))) == 2
    assert len(set(match_keys(pair))) == 1
    for sets in (([one, other, "z"],), ([one, "z"], [other, "z"])):
        with pytest.raises(InputError, match=r"data\.unit") as caught:
            require_unambiguous(*sets, place="data.unit")
        detail = caught.value.private_detail or ""
        assert all(f"'{form}'" in detail and f"'{form}'" not in str(caught.value) for form in pair)
        assert "'z'" not in detail


@pytest.mark.parametrize(
    "pair", [("7", "70"), ("1.1", "1.10"), ("A1", "A2"), ("-7", "7"), ("12e45", "12e46"), ("1007", "107")]
)
def test_different_patients_stay_different(pair: tuple[str, str]) -> None:
    assert len(set(match_keys(pair))) == 2
    require_unambiguous(pair, [7.0], np.array([7]))


@pytest.mark.parametrize(
    "missing", [*sorted(MISSING), None, float("nan"), pd.NA, pd.NaT, " ", "\u200b", b"", Decimal("NaN")]
)
def test_missing_ids_are_refused_without_their_number(missing: object) -> None:
    with pytest.raises(InputError, match=r"an id in every record in data\.unit") as caught:
        canonical_ids([CANARY, missing, CANARY, missing], place="data.unit")
    assert "2 of 4" not in str(caught.value)
    assert "2 of 4" in (caught.value.private_detail or "")


@pytest.mark.parametrize(
    "values",
    [
        ["9007199254740993.0"],
        ["9.007199254740993e+15"],
        ["1.2345678901234568e+18"],
        ["1.23457E+11"],
        [2.0**53],
        [-(2.0**60)],
        np.array([2.0**53]),
        np.array([2.0**24], dtype=np.float32),
        np.array([2048], dtype=np.float16),
        pd.Series([1e17, 1.0]),
    ],
)
def test_numbers_that_can_have_lost_digits_are_refused(values: Any) -> None:
    with pytest.raises(InputError, match="all of their digits in the records; export them as text") as caught:
        canonical_ids(values)
    assert "row 0" in (caught.value.private_detail or "")


@pytest.mark.parametrize(
    "values",
    [
        [CANARY.encode() + b"\xff"],
        [CANARY * LONGEST],
        np.array([[CANARY]]),
        np.array([True]),
        np.array([0x110005], dtype=np.uint32).view("U1"),
        pd.Series(pd.to_datetime(["2020-01-01"])),
        ["\ud800" + CANARY],
    ],
)
def test_what_is_no_id_is_refused_in_one_public_line(values: Any) -> None:
    with pytest.raises(InputError, match=r"data\.unit") as caught:
        canonical_ids(values, place="data.unit")
    assert CANARY not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.private_detail


def test_no_ids_are_no_ids() -> None:
    assert canonical_ids([]).tolist() == []
    require_unambiguous([], [])
