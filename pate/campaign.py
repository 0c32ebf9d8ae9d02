"""A campaign on votes that were made outside pate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from pate.values import Redacted

if TYPE_CHECKING:
    import numpy.typing as npt
    from pydantic import BaseModel

    from pate.run_result import RunResult
    from pate.votes import VoteMatrix


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Campaign(Redacted):
    """Votes of anybody's teachers, and the configuration that says what may be released from them."""

    votes: npt.ArrayLike | VoteMatrix | str | Path
    config: str | Path | Mapping[str, Any] | BaseModel
    seed: int | None = None

    @classmethod
    def from_votes(
        cls,
        votes: npt.ArrayLike | VoteMatrix | str | Path,
        config: str | Path | Mapping[str, Any] | BaseModel,
        *,
        seed: int | None = None,
    ) -> Campaign:
        """A campaign on given votes; a file is read when the campaign runs.

        The guarantee rests on the declaration that one privacy unit's records could change at most
        ``partition.group_size`` of the votes on each query. pate has seen no record and cannot check it.

        Args:
            votes: one for each teacher and each record of ``data.pool_files``, in its order: a class index, or -1 for
                an abstention; or the path of such a table as ``.npy``, ``.csv`` or ``.parquet``. Shape ``[T, M]``.
            config: as for ``pate.run``, with ``teachers.model: {kind: votes}``.
            seed: replaces the seed of the configuration.
        """
        return cls(votes=votes, config=config, seed=seed)

    def run(self, *, home: str | Path | None = None, quiet: bool = False) -> RunResult:
        """Charge the campaign, release its labels, train the student and write the report; as ``pate.run``.

        Args:
            home: as for ``pate.run``.
            quiet: print no line per finished stage.

        Raises:
            PateError: as ``pate.run``.
        """
        found: RunResult = import_module("pipelines.api").label(
            self.votes, self.config, seed=self.seed, home=home, quiet=quiet
        )
        return found
