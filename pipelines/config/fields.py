"""What every part of a configuration is made of."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

MOST = 1_000_000_000
"""Largest count; beyond it no machine has the memory, and databases and arrays overflow."""

Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Votes: TypeAlias = Annotated[float, Field(ge=1e-3, le=1e9)]
"""Noise or a threshold, in votes: beyond these, whole votes know no difference."""
Count: TypeAlias = Annotated[int, Field(ge=1, le=MOST, strict=True)]
Threads: TypeAlias = Annotated[int, Field(ge=1, le=1024, strict=True)]
Seed: TypeAlias = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class Section(BaseModel):
    """A part of the configuration: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
