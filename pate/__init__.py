"""pate: private aggregation of teacher ensembles (Papernot et al. 2017, 2018).

The names below are loaded when they are first used, so that ``import pate`` alone loads neither numpy nor torch.

>>> import pate
>>> pate.epsilon(pate.GNMax(sigma=40), 1e-5, queries=286).accountant
'worst_case'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pate.defaults import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import BaseModel

    from pate import errors
    from pate.aggregation import ConfidentGNMax, ExactNoise, GNMax, LNMax
    from pate.aggregation.release import release
    from pate.campaign import Campaign
    from pate.ledger import Account, PrivacyLedger
    from pate.report import PrivacyReport
    from pate.run_result import RunResult
    from pate.scoring.scorer import load_student
    from pate.shortcuts import audit, calibrate, compare, epsilon, plan
    from pate.votes import VoteMatrix

__version__ = VERSION

__all__ = [
    "Account",
    "Campaign",
    "ConfidentGNMax",
    "ExactNoise",
    "GNMax",
    "LNMax",
    "PrivacyLedger",
    "PrivacyReport",
    "VoteMatrix",
    "audit",
    "calibrate",
    "compare",
    "epsilon",
    "errors",
    "load_student",
    "plan",
    "release",
    "run",
]

_MODULES = {
    "pate.aggregation": ("ConfidentGNMax", "ExactNoise", "GNMax", "LNMax"),
    "pate.aggregation.release": ("release",),
    "pate.campaign": ("Campaign",),
    "pate.ledger": ("Account", "PrivacyLedger"),
    "pate.report": ("PrivacyReport",),
    "pate.scoring.scorer": ("load_student",),
    "pate.shortcuts": ("audit", "calibrate", "compare", "epsilon", "plan"),
    "pate.votes": ("VoteMatrix",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def run(
    config: str | Path | Mapping[str, Any] | BaseModel,
    *,
    seed: int | None = None,
    home: str | Path | None = None,
    quiet: bool = False,
) -> RunResult:
    """Run an experiment to its end: teachers, votes, released labels, a student and a privacy report.

    An interrupted run is resumed and a finished one is read again; nothing is released or charged twice.

    Args:
        config: name of a shipped configuration, path of a YAML file, its content as a mapping, or a ``Config``.
        seed: replaces the seed of the configuration.
        home: folder of the ledger, the runs and MLflow's store; default: ``PATE_HOME``, else ``./.pate``.
        quiet: print no line per finished stage.

    Raises:
        InputError, Unavailable: found before anything was written or released.
        BudgetExceeded: the remaining budget of the account is too small.
        InternalError: an unexpected error. For it, and where private records are refused, ``pate incident ID`` with
            ``PATE_HOME`` set to the same folder shows the private details of the error.

    >>> pate.run("digits").epsilon  # doctest: +SKIP
    4.987
    """
    try:
        start = import_module("pipelines.api").run
    except ModuleNotFoundError as error:
        if error.name not in {"pipelines", "pipelines.api"}:
            raise
        raise import_module("pate.errors").InputError(
            "Expected the package pipelines of pate-labelling, got another one or none (`pipelines.__path__` names its "
            "place); take that folder off the path of modules, or install pate-labelling again"
        ) from error
    found: RunResult = start(config, seed=seed, home=home, quiet=quiet)
    return found


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("pate.errors")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'pate' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
