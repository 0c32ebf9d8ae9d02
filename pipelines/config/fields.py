"""Base class and types of all sections of a configuration."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

MOST = 1_000_000_000
"""Largest count; beyond it memory is insufficient, and databases and arrays overflow."""

Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Votes: TypeAlias = Annotated[float, Field(ge=1e-3, le=1e9)]
"""Noise or a threshold, in votes; differences beyond these bounds have no effect on whole votes."""
Count: TypeAlias = Annotated[int, Field(ge=1, le=MOST, strict=True)]
Threads: TypeAlias = Annotated[int, Field(ge=1, le=1024, strict=True)]
Seed: TypeAlias = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class Section(BaseModel):
    """A section of the configuration: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    later: ClassVar[frozenset[str]] = frozenset()
    """Keys added after the first release: left out of dumps at their defaults, so that runs keep their ids."""

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        for name in self.later:
            if getattr(self, name) == type(self).model_fields[name].get_default():
                found.pop(name, None)
        return found
