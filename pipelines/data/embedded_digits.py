"""The digits that come with scikit-learn, as a configuration divides them."""

from __future__ import annotations

from pate.data import Study, digits_study
from pipelines.config.data import DigitsData


def embedded_digits(data: DigitsData, seed: int) -> Study:
    """The study of the digits that come with scikit-learn."""
    return digits_study(
        private=data.private,
        pool=data.pool,
        evaluation=data.evaluation,
        hospitals=data.hospitals,
        skew=data.skew,
        seed=seed,
    )
