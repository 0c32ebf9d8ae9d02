"""Escaping of untrusted text for a terminal, a page or Markdown."""

from __future__ import annotations

import re
from unicodedata import category

_JOINERS = "\u200b\u200c\u200d\u2060\u00ad"
"""Invisible characters that some languages need; they do not change the text direction."""
_SPECIAL = re.compile(r"[\\`*\[\]<>#|~&!@]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.")
_LINE_START = re.compile(r"^(\s*\d*)([-+=.)])")


def printable(text: str) -> str:
    """The text on one line, with control and direction characters escaped (``\\x1b``, ``\\u202e``).

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
    """The text escaped for Markdown, and for HTML inside Markdown, on one line.

    >>> markdown("a <b> of *c*")
    'a \\\\<b\\\\> of \\\\*c\\\\*'
    """
    shown = _SPECIAL.sub(lambda found: "\\" + found[0], printable(text))
    return _LINE_START.sub(r"\1\\\2", shown)
