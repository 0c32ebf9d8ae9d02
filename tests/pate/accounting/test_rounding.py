from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pate.accounting.rounding import down, significant, up

NUMBERS = st.floats(min_value=0, max_value=1e9)
DIGITS = st.integers(1, 6)


@given(NUMBERS, DIGITS)
def test_what_is_shown_brackets_the_number_within_one_digit(value: float, digits: int) -> None:
    low, high = float(down(value, digits)), float(up(value, digits))
    assert low <= value <= high
    assert high - low <= 10.0**-digits * (1 + 1e-6) + 4 * math.ulp(value)


@given(st.integers(0, 10**6), DIGITS)
def test_round_numbers_are_shown_as_they_are(whole: int, digits: int) -> None:
    value = whole / 10**digits
    assert up(value, digits) == down(value, digits) == f"{value:.{digits}f}"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (up(1.0000000001), "1.001"), (up(0.9999), "1.000"), (up(math.nextafter(2.5, 3), 1), "2.6"), (up(0.0), "0.000"),
        (up(math.inf), "inf"), (down(0.6329), "0.632"), (down(math.nextafter(1.0, 0)), "0.999"), (up(0.495, 2), "0.50"),
    ],
)  # fmt: skip
def test_however_little_is_above_the_last_digit_counts(said: str, expected: str) -> None:
    assert said == expected


@given(st.floats(min_value=1e-12, max_value=1e12), DIGITS)
def test_noise_keeps_its_first_digits_and_does_not_fall(value: float, digits: int) -> None:
    rounded = significant(value, digits)
    assert value * (1 - 1e-8) <= rounded <= value * (1 + 10.0 ** (1 - digits)) * (1 + 1e-9)
    assert rounded == float(f"{rounded:.{digits}g}")
    assert significant(rounded, digits) == rounded
