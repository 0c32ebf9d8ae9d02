"""Students: trained on public inputs and released labels, never on votes."""

from pate.student.boosted_trees import BoostedTrees
from pate.student.fixmatch import FixMatch
from pate.student.learning import Learner, OnProgress, StudentSpec
from pate.student.pool import LabeledPool
from pate.student.pseudo_label import PseudoLabel
from pate.student.student import CurvePoint, Evaluation, Student, evaluate
from pate.student.supervised import Supervised

__all__ = [
    "BoostedTrees",
    "CurvePoint",
    "Evaluation",
    "FixMatch",
    "LabeledPool",
    "Learner",
    "OnProgress",
    "PseudoLabel",
    "Student",
    "StudentSpec",
    "Supervised",
    "evaluate",
]
