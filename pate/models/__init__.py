"""Networks by name and the one loop that fits them."""

from pate.models.architectures import ModelSpec, build
from pate.models.training import Records, TrainSpec, fit, fit_bundle

__all__ = ["ModelSpec", "Records", "TrainSpec", "build", "fit", "fit_bundle"]
