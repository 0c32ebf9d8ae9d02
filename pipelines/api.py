"""The whole pipeline from Python: ``pate.run``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from pate.errors import PateError, expected
from pate.run_result import RunResult
from pate.votes import VoteMatrix
from pipelines.config.experiment import Config, json_schema, load
from pipelines.config.faults import refusal
from pipelines.config.fields import Seed
from pipelines.config.shipped import find_config
from pipelines.outcome.campaign import read_labels
from pipelines.outcome.summary import Summary
from pipelines.progress import Quiet, Terminal
from pipelines.results.vote_files import read_numbers
from pipelines.run.label_and_train import label_and_train
from pipelines.storage.failures import as_public, hooks
from pipelines.storage.home import Home
from pipelines.storage.home import home as default_home
from pipelines.storage.native_output import kept_private
from pipelines.storage.run_folder import RunFolder

_PREFIX = "student_"
Votes: TypeAlias = npt.ArrayLike | VoteMatrix | str | Path
_SEED: TypeAdapter[int] = TypeAdapter(Seed)


def run(
    config: str | Path | Mapping[str, Any] | Config,
    *,
    seed: int | None = None,
    home: str | Path | None = None,
    quiet: bool = False,
) -> RunResult:
    """Run an experiment to its end, see ``pate.run``."""
    return _run(config, None, seed=seed, home=home, quiet=quiet)


def label(
    votes: Votes,
    config: str | Path | Mapping[str, Any] | Config,
    *,
    seed: int | None = None,
    home: str | Path | None = None,
    quiet: bool = False,
) -> RunResult:
    """Run a campaign on votes that were made elsewhere, see ``pate.Campaign``."""
    return _run(config, votes, seed=seed, home=home, quiet=quiet)


def _run(
    config: str | Path | Mapping[str, Any] | Config,
    votes: Votes | None,
    *,
    seed: int | None,
    home: str | Path | None,
    quiet: bool,
) -> RunResult:
    """The result of a run.

    An error leaves as one public line: its cause, its context and the frames that it passed may hold private values.
    """
    base = default_home() if home is None else Path(home).absolute()
    private = Home(base).private_folder
    failure: PateError | KeyboardInterrupt
    with hooks(private), kept_private(base, private):
        try:
            chosen, votes_TM = configuration(config, seed), None if votes is None else _array(votes)
            summary = label_and_train(chosen, base=base, progress=Quiet() if quiet else Terminal(), votes_TM=votes_TM)
            return _result(RunFolder(base, chosen.run_id), summary)
        except KeyboardInterrupt:
            failure = KeyboardInterrupt()
        except Exception as error:
            failure = as_public(error, private)
    raise failure from None  # outside the handler, so that no context is attached


def _array(votes: Votes) -> npt.NDArray[np.generic]:
    """Votes as an array, from an array, a matrix or a file; see ``pate.Campaign.from_votes``."""
    if isinstance(votes, VoteMatrix):
        return votes.labels_TQ
    if isinstance(votes, str | Path):
        return read_numbers(Path(votes), "votes")
    return np.asarray(votes)


def configuration(config: str | Path | Mapping[str, Any] | Config, seed: int | None = None) -> Config:
    """Configuration from the argument of ``pate.run``; relative paths of a mapping start at the working folder.

    Raises:
        InputError: one line that names the key, the value and what was expected.
    """
    overrides = {} if seed is None else {"seed": seed}
    if isinstance(config, Config):
        return config if seed is None else _with_seed(config, seed)
    if isinstance(config, Mapping):
        return _validated({**config, **overrides})
    if isinstance(config, str | Path):
        return load(find_config(config), overrides)
    raise expected("a Config, a mapping, a path or a shipped name", "give one of them", config=type(config).__name__)


def _validated(content: dict[str, Any]) -> Config:
    try:
        return Config.model_validate(content, context={"folder": Path.cwd()})
    except ValidationError as error:
        raise refusal(Path("configuration"), content, error.errors(), json_schema) from error


def _with_seed(config: Config, seed: int) -> Config:
    try:
        return config.model_copy(update={"seed": _SEED.validate_python(seed)})
    except ValidationError as error:
        raise expected("a whole number as seed, 0 <= seed < 2^63", "choose another seed", seed=seed) from error


def _result(folder: RunFolder, summary: Summary) -> RunResult:
    facts = summary.released.value
    metrics = {
        name.removeprefix(_PREFIX): value
        for name, value in facts.items()
        if name.startswith(_PREFIX) and isinstance(value, int | float)
    }
    inputs_Q, labels_Q = read_labels(folder.labels_file)
    return RunResult(
        **{name: facts[name] for name in ("run_id", "epsilon", "delta", "accountant", "unit", "secure_noise")},
        accuracy=metrics["accuracy"],
        metrics=metrics,
        inputs_Q=inputs_Q,
        labels_Q=labels_Q,
        folder=folder.public,
    )
