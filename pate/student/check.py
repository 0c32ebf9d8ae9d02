"""Check of a student from the public pool and the released labels alone, for classes that it does not know.

Released labels are wrong at random, so their shares are compared with the shares of the predictions under uniform
noise: where the student disagrees with a fraction ``e`` of the labels, a class that is predicted for a share ``s`` of
the pool is expected in ``s (1 - e) + (1 - s) e / (C - 1)`` of the labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, final

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

if TYPE_CHECKING:
    from pate.student.pool import LabeledPool
    from pate.student.student import Student

Problem: TypeAlias = Literal["never predicted", "too rare", "too frequent", "below chance"]

FACTOR = 3.0
"""Ratio of a class's share among labels to its expected share, beyond which the two are far from each other."""
SIGNIFICANCE = 0.001
"""Probability of such a number of labels by chance, above which nothing is reported."""
FEWEST = 3
"""Released labels of a class below which its agreement is not judged."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCheck:
    """One class in the eyes of the student and of the released labels.

    Attributes:
        labels: released labels that name it.
        predicted: inputs of the pool that the student gives it to.
        agreement: fraction of its released labels that the student reproduces; ``None`` if it has none.
        problem: of the student with this class, or ``None``.
    """

    labels: int
    predicted: int
    agreement: float | None
    problem: Problem | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StudentCheck:
    """All classes of a student.

    Attributes:
        classes: one for each class, in order.
        agreement: fraction of the released labels that the student reproduces.
    """

    classes: tuple[ClassCheck, ...]
    agreement: float

    @property
    def never_predicted(self) -> int:
        """Number of classes that no input of the pool is given to."""
        return sum(own.predicted == 0 for own in self.classes)

    @property
    def problems(self) -> int:
        """Number of classes with a problem."""
        return sum(own.problem is not None for own in self.classes)

    @property
    def lost(self) -> int:
        """Number of released labels whose class has a problem: what another fit may recover."""
        return sum(own.labels for own in self.classes if own.problem is not None)

    def words(self, names: Sequence[str]) -> list[str]:
        """One sentence for each problem.

        Args:
            names: of the classes.
        """
        pool, labels = (sum(getattr(own, kind) for own in self.classes) for kind in ("predicted", "labels"))
        return [_words(name, own, pool, labels) for name, own in zip(names, self.classes, strict=True) if own.problem]

    def to_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "alarms": self.words(names),
            "agreement": self.agreement,
            "classes": [{"class": name, **asdict(own)} for name, own in zip(names, self.classes, strict=True)],
        }


def check_student(student: Student, pool: LabeledPool) -> StudentCheck:
    """Check a student against the pool that it was trained on."""
    return check_predictions(student.predict(pool.inputs), pool.labels.numpy(), pool.classes)


def check_predictions(
    predicted_M: npt.NDArray[np.integer], labels_M: npt.NDArray[np.integer], classes: int
) -> StudentCheck:
    """Compare predictions on a pool with its released labels.

    Args:
        predicted_M: a class for each input. Shape ``[M]``.
        labels_M: a released class or -1. Shape ``[M]``.
        classes: C.
    """
    given_M = labels_M >= 0
    labels_L, same_L = labels_M[given_M], (predicted_M == labels_M)[given_M]
    labels_C = np.bincount(labels_L, minlength=classes)
    predicted_C = np.bincount(predicted_M, minlength=classes)
    same_C = np.bincount(labels_L[same_L], minlength=classes)
    share_C = predicted_C / len(predicted_M)
    wrong = 1 - float(same_L.mean())
    expected_C = share_C * (1 - wrong) + (1 - share_C) * wrong / (classes - 1)
    return StudentCheck(
        classes=tuple(
            ClassCheck(
                labels=labels,
                predicted=predicted,
                agreement=same / labels if labels else None,
                problem=_problem(labels, predicted, same, share, len(labels_L), expected),
            )
            for labels, predicted, same, share, expected in zip(
                labels_C.tolist(),
                predicted_C.tolist(),
                same_C.tolist(),
                share_C.tolist(),
                expected_C.tolist(),
                strict=True,
            )
        ),
        agreement=1 - wrong,
    )


def _problem(labels: int, predicted: int, same: int, share: float, count: int, expected: float) -> Problem | None:
    if predicted == 0:
        return "never predicted"
    if labels > FACTOR * expected * count and binom.sf(labels - 1, count, expected) < SIGNIFICANCE:
        return "too rare"
    if labels * FACTOR < expected * count and binom.cdf(labels, count, expected) < SIGNIFICANCE:
        return "too frequent"
    if labels >= FEWEST and same < labels and same <= share * labels:
        return "below chance"
    return None


def _words(name: str, own: ClassCheck, pool: int, labels: int) -> str:
    given = f"{own.labels} of {labels} released labels name it"
    if own.problem == "never predicted":
        return f"class {name} is never predicted on the public pool; {given}"
    if own.problem == "below chance":
        return f"class {name} is below chance: the student reproduces {own.agreement:.0%} of its {own.labels} labels"
    far = "too rarely" if own.problem == "too rare" else "too often"
    return f"class {name} is predicted far {far}: on {own.predicted / pool:.1%} of the public pool; {given}"
