"""Networks by name, the one loop that fits them, and boosted trees."""

from pate.models.architectures import ModelSpec, build
from pate.models.boosted_trees import TreesSpec, fit_trees
from pate.models.bundle import fit_bundle
from pate.models.training import Records, TrainSpec, fit

__all__ = ["ModelSpec", "Records", "TrainSpec", "TreesSpec", "build", "fit", "fit_bundle", "fit_trees"]
