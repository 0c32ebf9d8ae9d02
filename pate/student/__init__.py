"""Students: trained on public inputs and released labels, never on votes.

Learners are importable without torch; modules that compute are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pate.student.learners import BoostedTrees, FixMatch, Learner, NetworkLearner, PseudoLabel, Supervised
from pate.student.specs import StudentSpec

if TYPE_CHECKING:
    from pate.student.learning import OnProgress
    from pate.student.pool import LabeledPool
    from pate.student.student import CurvePoint, Evaluation, Student, evaluate

__all__ = [
    "BoostedTrees",
    "CurvePoint",
    "Evaluation",
    "FixMatch",
    "LabeledPool",
    "Learner",
    "NetworkLearner",
    "OnProgress",
    "PseudoLabel",
    "Student",
    "StudentSpec",
    "Supervised",
    "evaluate",
]

_MODULE_OF = {
    "CurvePoint": "student",
    "Evaluation": "student",
    "LabeledPool": "pool",
    "OnProgress": "learning",
    "Student": "student",
    "evaluate": "student",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
