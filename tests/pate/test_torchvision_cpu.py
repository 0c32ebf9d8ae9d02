"""The shim makes torchvision usable in a fresh process, and is silent where nothing is missing."""

import importlib
import subprocess
import sys

import torch

from pate import torchvision_cpu

FRESH = """
from pate import torchvision_cpu
import torch
from torchvision import datasets, models
from torchvision.transforms import v2
assert datasets.MNIST is not None
image = v2.RandAugment()(torch.zeros(3, 16, 16, dtype=torch.uint8))
assert image.shape == (3, 16, 16)
assert models.resnet18(weights=None).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 1000)
"""


def test_a_fresh_process_imports_torchvision_without_a_warning() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", FRESH], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_it_changes_nothing_where_torchvision_is_already_imported() -> None:
    before = dict(sys.modules)
    again = importlib.reload(torchvision_cpu)
    assert again.torchvision is before["torchvision"]


def test_the_two_schemas_exist_and_torch_finds_them() -> None:
    assert torch.ops.torchvision.nms.default is not None
