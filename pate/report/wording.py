"""Numbers as text: privacy loss is rounded up, protection is rounded down."""

from __future__ import annotations

import math
from decimal import Decimal

from markupsafe import Markup

from pate.accounting import rounding
from pate.accounting.rounding import down

__all__ = ["css_text", "down", "factor", "one_in", "percent", "percent_down", "percent_up", "small", "up"]


def up(value: float | None, digits: int = 3) -> str:
    """Decimals, rounded up: for epsilons."""
    return "no bound" if value is None else rounding.up(value, digits)


def percent_up(part: float) -> str:
    """A fraction as per cent, rounded up: for an attacker's success."""
    return f"{Decimal(up(part, _digits(part) + 2)).scaleb(2):f}\u00a0%"


def percent_down(part: float) -> str:
    """A fraction as per cent, rounded down: for an attacker's errors."""
    return f"{Decimal(down(part, _digits(part) + 2)).scaleb(2):f}\u00a0%"


def percent(part: float) -> str:
    """A fraction as per cent."""
    return f"{100 * part:.1f}\u00a0%"


def factor(value: float | None) -> str:
    """A factor by which odds change, rounded up to two or three digits."""
    if value is None:
        return "without limit"
    if value >= 1e6:
        return "more than a million"
    return f"{math.ceil(value):,}" if value >= 20 else up(value, 1)


def small(value: float) -> str:
    """A delta: ``1e-5``."""
    mantissa, power = f"{value:.3e}".split("e")
    return f"{float(mantissa):g}e{int(power)}" if value < 1e-3 else f"{value:g}"


def one_in(value: float) -> str:
    """A small probability in words: ``1 in 100,000``."""
    return f"1 in {math.floor(1 / value + 1e-6):,}" if 0 < value < 1 else "never"


def css_text(text: str) -> Markup:
    """A text inside a CSS string: all but letters, digits, spaces and ``_.-`` is escaped."""
    shown = "".join(
        each if each.isascii() and (each.isalnum() or each in " _.-") else f"\\{ord(each):x} " for each in text
    )
    return Markup(shown)  # noqa: S704 - nothing but escapes is left of markup


def _digits(part: float) -> int:
    """Decimals of a percentage: more of them near 0 and 100."""
    edge = min(part, 1 - part)
    return 1 if edge >= 0.01 or edge <= 0 else 3
