"""Rounding: costs and noise up, what is left of a budget down."""

from __future__ import annotations

import math


def up(value: float, digits: int = 3) -> str:
    """Decimals for a person; read as a number again, never below ``value``."""
    text = f"{value:.{digits}f}"
    return f"{float(text) + 10.0**-digits:.{digits}f}" if float(text) < value else text


def down(value: float, digits: int = 3) -> str:
    """Decimals for a person; read as a number again, never above ``value``."""
    text = f"{value:.{digits}f}"
    return f"{float(text) - 10.0**-digits:.{digits}f}" if float(text) > value else text


def significant(value: float, digits: int) -> float:
    """A positive number rounded up to ``digits`` significant digits, but for what float64 adds to a round one."""
    unit = 10.0 ** (math.floor(math.log10(value)) + 1 - digits)
    return float(f"{math.ceil(value / unit - 1e-9) * unit:.{digits}g}")
