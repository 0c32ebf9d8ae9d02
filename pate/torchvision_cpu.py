"""Makes torchvision importable with a CPU-only torch; import ``torchvision`` and ``v2`` from here.

The compiled extension in the torchvision wheel needs CUDA libraries. With a CPU-only torch it is skipped silently, and
``import torchvision`` then fails with ``operator torchvision::nms does not exist`` (pytorch/vision issue 9085).
Only two operator schemas are missing, so they are defined here and the import is repeated. Data sets, v2
transforms and the model zoo then work; ``ops.nms``, ``ops.deform_conv2d`` and ``torchvision.io`` images do not
(read images with Pillow). Where torchvision imports without this, the module changes nothing.

>>> from pate import torchvision_cpu
>>> torchvision_cpu.torchvision.__name__
'torchvision'
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

_MISSING = "operator torchvision::nms does not exist"
_SCHEMAS = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def _import_torchvision() -> ModuleType:
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if _MISSING not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS:
        library.define(schema + _SIGNATURE)  # type: ignore[no-untyped-call]
    module = importlib.import_module("torchvision")
    vars(module)["_pate_schemas"] = library  # they live as long as the object that defined them
    return module


torchvision: ModuleType = _import_torchvision()
v2: ModuleType = importlib.import_module("torchvision.transforms.v2")
