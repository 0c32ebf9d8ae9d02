"""A configuration as a file: its YAML, and its faults in one line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic_core import ErrorDetails

from pate.errors import InputError
from pipelines.section import Section


def read(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file.

    Raises:
        InputError: it cannot be read, or holds something else; one line.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise InputError(
            f"Expected a readable configuration, got {error.strerror} for {path}; check the path"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        place = " ".join(str(error).split())
        raise InputError(f"Expected YAML in {path}, got: {place}; correct the file") from error
    if not isinstance(content, dict):
        raise InputError(f"Expected keys and values in {path}, got {type(content).__name__}; see configs/ for examples")
    return content


def one_line(path: Path, content: dict[str, Any], faults: list[ErrorDetails]) -> str:
    """The first fault: file, key path, value and what was expected; further ones are counted.

    Args:
        path: of the file.
        content: what was validated.
        faults: of pydantic's ``ValidationError``.
    """
    first = faults[0]
    key = ".".join(_keys(content, first))
    message = " ".join(first["msg"].split()).removeprefix("Value error, ")
    more = f" ({len(faults) - 1} more faults)" if len(faults) > 1 else ""
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{path}: unknown key {key}={first['input']!r}; remove it or correct its spelling{more}"
    if first["type"] == "missing":
        return f"{path}: missing key {key}; add it, see `pate schema` for what it means{more}"
    if first["type"] == "value_error":
        return f"{path}: {key + ': ' if key else ''}{message}{more}"
    got = "" if isinstance(first["input"], dict | Section) else f"={first['input']!r}"
    return f"{path}: {key}{got}: {message}; correct the value{more}"


def _keys(content: Any, fault: ErrorDetails) -> list[str]:
    """The keys that lead to a fault; pydantic names a chosen kind among them as if it were one."""
    keys: list[str] = []
    for part in fault["loc"]:
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            if fault["type"] != "missing" or part != fault["loc"][-1]:
                continue
        keys.append(str(part))
    return keys


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice and reads ``1e-5`` as a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*)(\.[\d_]*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)
