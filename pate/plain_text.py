"""Texts of other people's, made harmless where they are shown: on a terminal, in a page, in Markdown."""

from __future__ import annotations

import re
from unicodedata import category

_JOINERS = "\u200b\u200c\u200d\u2060\u00ad"
"""Marks without a look of their own that words of some languages need; they move nothing."""
_SPECIAL = re.compile(r"[\\`*\[\]<>#|~&!@]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.")
_LINE_START = re.compile(r"^(\s*\d*)([-+=.)])")


def printable(text: str) -> str:
    """The text on one line, with control characters and marks of direction written out (``\\x1b``, ``\\u202e``).

    >>> printable("red: \\x1b[31m")
    'red: \\\\x1b[31m'
    """
    return "".join(
        one
        if one.isprintable() or one in _JOINERS or category(one) == "Zs"
        else one.encode("unicode_escape").decode("ascii")
        for one in " ".join(text.split("\n"))
    )


def markdown(text: str) -> str:
    """The text as Markdown and HTML inside Markdown show it letter for letter, on one line.

    >>> markdown("a <b> of *c*")
    'a \\\\<b\\\\> of \\\\*c\\\\*'
    """
    shown = _SPECIAL.sub(lambda found: "\\" + found[0], printable(text))
    return _LINE_START.sub(r"\1\\\2", shown)
