"""Faults of a configuration in words: all of them, one a line, each with its key, what was expected and the remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic_core import ErrorDetails

from pate.errors import ConfigurationFaults, InputError
from pipelines.config.fields import Section

_MOST_FAULTS = 20
_MOST_LEVELS = 4
_MOST_SHOWN = 200
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


def refusal(
    path: Path, content: dict[str, Any], faults: list[ErrorDetails], schema: Callable[[], dict[str, Any]]
) -> InputError:
    """The error of a configuration with one fault or more.

    Args:
        path: of the file.
        content: what was validated.
        faults: of pydantic's ``ValidationError``.
        schema: gives the JSON schema of a configuration, to find what was meant.
    """
    said = _lines(content, faults, Meanings(schema))
    if len(said) == 1:
        return InputError(f"{path}: {said[0]}")
    more = len(said) - _MOST_FAULTS
    shown = [*said[:_MOST_FAULTS], *([f"and {more} more"] if more > 0 else [])]
    return ConfigurationFaults([f"{path} has {len(said)} faults:", *(f"  {line}" for line in shown)])


def _lines(content: dict[str, Any], faults: list[ErrorDetails], meanings: Meanings) -> list[str]:
    """One line per fault.

    The types that a value may have are one fault, and so are the keys that a section lacks. A misspelled key is not
    missing too.
    """
    values: dict[str, list[ErrorDetails]] = {}
    missing: dict[str, list[str]] = {}
    meant: set[str] = set()
    lines: dict[str, list[str]] = {}
    for fault in faults:
        key = ".".join(_keys(content, fault))
        section = key.rpartition(".")[0]
        if fault["type"] == "missing":
            missing.setdefault(section, []).append(key)
            lines.setdefault(f"missing in {section}", [])
        elif fault["type"] in _UNKNOWN:
            found = meanings.of_key(fault["loc"])
            meant.add(f"{section}.{found}".removeprefix("."))
            remedy = "remove it or correct its spelling" if found is None else f"did you mean {found}?"
            lines.setdefault(key, []).append(f"unknown key {key}={_shown(fault['input'])}; {remedy}")
        elif fault["type"] == "value_error":
            lines.setdefault(key, []).append(f"{key + ': ' if key else ''}{_message(fault)}")
        else:
            values.setdefault(key, []).append(fault)
            lines.setdefault(key, [])
    for section, keys in missing.items():
        others = [key for key in keys if key not in meant]
        if others:
            them = "it" if len(others) == 1 else "them"
            text = f"missing key {', '.join(others)}; add {them}, see `pate schema` for the meaning"
            lines[f"missing in {section}"].append(text)
    for key, own in values.items():
        if not any(other.startswith(f"{key}.") for other in values):  # the fault of an item says more
            lines[key].append(_value_line(key, own))
    return list(dict.fromkeys(" ".join(line.split()) for found in lines.values() for line in found))


def _value_line(key: str, faults: list[ErrorDetails]) -> str:
    first = faults[0]
    got = "" if isinstance(first["input"], dict | Section) else f"={_shown(first['input'])}"
    message = " or: ".join(dict.fromkeys(_message(fault) for fault in faults))
    meant = next((found for found in (_meant_value(fault) for fault in faults) if found is not None), None)
    return f"{key}{got}: {message}; {'correct the value' if meant is None else f'did you mean {meant!r}?'}"


def _message(fault: ErrorDetails) -> str:
    return " ".join(fault["msg"].split()).removeprefix("Value error, ")


def _meant_value(fault: ErrorDetails) -> str | None:
    """The possible value, or kind, that is most like the given one."""
    context = fault.get("ctx", {})
    if fault["type"] == "union_tag_invalid":
        given, known = context.get("tag"), str(context.get("expected_tags", ""))
    else:
        given, known = fault["input"], str(context.get("expected", ""))
    return None if not isinstance(given, str) else _closest(given, re.findall(r"'([^']*)'", known))


def _closest(word: str, known: list[str]) -> str | None:
    by_plain = {_plain(name): name for name in known}
    found = difflib.get_close_matches(_plain(word), list(by_plain), n=1, cutoff=0.6)
    return by_plain[found[0]] if found else None


def _plain(word: str) -> str:
    return word.casefold().replace("-", "_").replace(" ", "_")[:_MOST_SHOWN]


def _keys(content: Any, fault: ErrorDetails) -> list[str]:
    """The keys that lead to a fault, without the name of a chosen kind, which pydantic lists as a key."""
    keys: list[str] = []
    for part in fault["loc"]:
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            if fault["type"] != "missing" or part != fault["loc"][-1]:
                continue
        keys.append(str(part))
    return keys


def _shown(value: object) -> str:
    """A value in an error, cut short where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python does not print numbers of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


class Meanings:
    """Keys of the schema, to find the one that was meant.

    Args:
        schema: gives the JSON schema; it is made when it is first needed.
    """

    def __init__(self, schema: Callable[[], dict[str, Any]]) -> None:
        self._make = schema
        self._schema: dict[str, Any] | None = None

    def of_key(self, location: tuple[int | str, ...]) -> str | None:
        """The key that the last part of a location means: one of its section, or the same word in another."""
        *path, last = location
        if self._schema is None:
            self._schema = self._make()
        nodes = list(self._choices(self._schema))
        for part in path:
            nodes = self._below(nodes, part)
        siblings = sorted({name for node in nodes for name in node.get("properties", {})})
        meant = _closest(str(last), siblings)
        return meant if meant is not None else self._elsewhere(str(last))

    def _choices(self, node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """A node, or each of those that it allows, with references followed."""
        if "$ref" in node:
            yield from self._choices((self._schema or {})["$defs"][node["$ref"].rsplit("/", 1)[-1]])
            return
        options = [option for word in ("anyOf", "oneOf", "allOf") for option in node.get(word, ())]
        for option in options:
            yield from self._choices(option)
        if not options:
            yield node

    def _below(self, nodes: list[dict[str, Any]], part: int | str) -> list[dict[str, Any]]:
        """The nodes under a key or a position; a part that is neither names the kind that was chosen."""
        if isinstance(part, int):
            items = [node["items"] for node in nodes if isinstance(node.get("items"), dict)]
            return [found for item in items for found in self._choices(item)]
        held = [node["properties"][part] for node in nodes if part in node.get("properties", {})]
        if held:
            return [found for one in held for found in self._choices(one)]
        return [node for node in nodes if _has_kind(node, part)] or nodes

    def _elsewhere(self, word: str) -> str | None:
        """The only place of a key of this name, as a path."""
        found = set(self._places(self._schema or {}, word, (), 0))
        return ".".join(next(iter(found))) if len(found) == 1 else None

    def _places(self, node: dict[str, Any], word: str, path: tuple[str, ...], depth: int) -> Iterator[tuple[str, ...]]:
        if depth > _MOST_LEVELS:
            return
        for choice in self._choices(node):
            for name, below in choice.get("properties", {}).items():
                if name == word:
                    yield (*path, name)
                yield from self._places(below, word, (*path, name), depth + 1)


def _has_kind(node: dict[str, Any], kind: str) -> bool:
    """Return ``True`` if a property of a node may only have this value."""
    return any(one.get("const") == kind or kind in one.get("enum", ()) for one in node.get("properties", {}).values())
