"""YAML file of a configuration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any

import yaml

from pate.errors import InputError, expected

MOST_CHARACTERS = 1_000_000
"""Largest size of a file, and of its content with all aliases expanded."""
_MOST_LEVELS = 50
_KEY = re.compile(r"[A-Za-z_][\w-]*")


def read(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file.

    Raises:
        InputError: it cannot be read, or holds something else; one line.
    """
    try:
        if path.stat().st_size > MOST_CHARACTERS:
            raise InputError(
                f"Expected a configuration of at most {MOST_CHARACTERS} bytes in {path}, got more; shorten it"
            )
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise InputError(
            f"Expected a readable configuration, got {error.strerror} for {path}; check the path"
        ) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # such as an impossible date
        if isinstance(error, InputError):
            raise
        place = " ".join(str(error).split())
        raise InputError(f"Expected YAML in {path}, got: {place}; correct the file") from error
    if not isinstance(content, dict):
        raise InputError(f"Expected keys and values in {path}, got {type(content).__name__}; see configs/ for examples")
    return content


class Whole(dict[str, Any]):
    """A mapping that replaces another one as a whole, instead of key by key."""


def assigned(settings: Sequence[str]) -> dict[str, Any]:
    """Nested keys and values of settings ``section.key=VALUE``, with values in YAML; a later one prevails.

    Raises:
        InputError: one has another form.
    """
    found: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(_KEY.fullmatch(part) for part in parts):
            raise expected("--set KEY=VALUE", "for example --set labelling.mechanism.sigma=12", setting=setting)
        try:
            value = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            raise expected("a value in YAML", "quote it: --set 'KEY=VALUE'", setting=setting) from error
        inner = found
        for part in parts[:-1]:
            if not isinstance(inner.get(part), dict):
                inner[part] = {}
            inner = inner[part]
        inner[parts[-1]] = Whole(value) if isinstance(value, dict) else value
    return found


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice, bounds aliases and depth, and reads ``1e-5`` as a number."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self._depth >= _MOST_LEVELS:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, f"more than {_MOST_LEVELS} levels", mark)
        self._depth += 1
        try:
            node: yaml.Node | None = super().compose_node(parent, index)
        finally:
            self._depth -= 1
        return node

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None and _written_out(node, {}) > MOST_CHARACTERS:
            raise yaml.composer.ComposerError(
                None, None, f"aliases that would be more than {MOST_CHARACTERS} characters", node.start_mark
            )
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key that is not text", key_node.start_mark)
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _written_out(node: yaml.Node, known: dict[yaml.Node, float]) -> float:
    """Characters of a node with every alias expanded; infinite for one that contains itself."""
    if node not in known:
        known[node] = inf
        if isinstance(node, yaml.ScalarNode):
            size: float = len(node.value)
        else:
            parts = (
                node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
            )
            size = sum(_written_out(part, known) for part in parts)
        known[node] = size + 1
    return known[node]


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*)(\.[\d_]*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)
