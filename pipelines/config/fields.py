"""Base class and types of all sections of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

MOST = 1_000_000_000
"""Largest count; beyond it memory is insufficient, and databases and arrays overflow."""

Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Votes: TypeAlias = Annotated[float, Field(ge=1e-3, le=1e9)]
"""Noise or a threshold, in votes; differences beyond these bounds have no effect on whole votes."""
Count: TypeAlias = Annotated[int, Field(ge=1, le=MOST, strict=True)]
Threads: TypeAlias = Annotated[int, Field(ge=1, le=1024, strict=True)]
Seed: TypeAlias = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


def _as_text(value: object) -> object:
    """Numbers in YAML are as good as quoted ones; true and false are not, since YAML makes them of yes and no."""
    if isinstance(value, bool):
        raise ValueError(f"Expected text, got {value}; put it in quotes (YAML reads yes and no as true and false)")
    return str(value) if isinstance(value, int | float) else value


Text: TypeAlias = Annotated[str, BeforeValidator(_as_text)]
Texts: TypeAlias = tuple[Text, ...]


class Section(BaseModel):
    """A section of the configuration: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    later: ClassVar[frozenset[str]] = frozenset()
    """Keys added after the first release: left out of dumps at their defaults, so that runs keep their ids."""
    later_inside: ClassVar[Mapping[str, object]] = MappingProxyType({})
    """The same for fields of library classes in this section: dotted path and default."""

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        for name in self.later:
            if getattr(self, name) == type(self).model_fields[name].get_default():
                found.pop(name, None)
        for path, default in self.later_inside.items():
            *way, name = path.split(".")
            inner: Any = found
            for step in way:
                inner = inner.get(step) if isinstance(inner, dict) else None
            if isinstance(inner, dict) and inner.get(name) == default:
                inner.pop(name, None)
        return found
