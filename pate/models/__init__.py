"""Networks by name, the one loop that fits them, and boosted trees.

Settings are importable without torch; modules that compute are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pate.models.specs import Augmentation, CustomModel, EstimatorModel, ModelSpec, TrainSpec, TreesSpec

if TYPE_CHECKING:
    from pate.models.architectures import build
    from pate.models.boosted_trees import fit_trees
    from pate.models.bundle import fit_bundle
    from pate.models.training import Records, fit

__all__ = [
    "Augmentation",
    "CustomModel",
    "EstimatorModel",
    "ModelSpec",
    "Records",
    "TrainSpec",
    "TreesSpec",
    "build",
    "fit",
    "fit_bundle",
    "fit_trees",
]

_MODULE_OF = {
    "Records": "training",
    "build": "architectures",
    "fit": "training",
    "fit_bundle": "bundle",
    "fit_trees": "boosted_trees",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
