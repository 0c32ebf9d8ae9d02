"""A given network is used as it is, and only if it is the declared one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from pate import torchvision_cpu
from pate.errors import InputError
from pate.features import Backbone
from pate.features.backbone import IMAGENET_MEAN, IMAGENET_STD

IMAGES = np.random.default_rng(0).random((3, 1, 28, 28), dtype=np.float32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, torch.nn.Module]:
    torch.manual_seed(0)
    network = torchvision_cpu.torchvision.models.resnet18(weights=None).eval()
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(network.state_dict(), path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest(), network


def test_features_are_what_the_network_computes_before_its_last_layer(
    weights: tuple[Path, str, torch.nn.Module],
) -> None:
    path, digest, network = weights
    made = Backbone(architecture="resnet18", weights=path, sha256=digest, side=32).fit(IMAGES)
    network.fc = torch.nn.Identity()
    sized = functional.interpolate(torch.from_numpy(IMAGES), size=(32, 32), mode="bilinear", align_corners=False)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.inference_mode():
        expected = network((sized.expand(-1, 3, -1, -1) - mean) / std)
        assert torch.allclose(made.body(torch.from_numpy(IMAGES)), expected, atol=1e-5)
    assert made.width == 512


def test_another_file_or_architecture_is_refused_in_one_line(
    weights: tuple[Path, str, torch.nn.Module], tmp_path: Path
) -> None:
    path, digest, _ = weights
    cases = [
        (Backbone(architecture="resnet18", weights=tmp_path / "none", sha256=digest), "readable file"),
        (Backbone(architecture="resnet18", weights=path, sha256="0" * 64), "SHA-256"),
        (Backbone(architecture="mobilenet_v3_small", weights=path, sha256=digest), "mobilenet_v3_small"),
    ]
    for backbone, text in cases:
        with pytest.raises(InputError, match=text) as raised:
            backbone.fit(IMAGES)
        assert "\n" not in str(raised.value)
        assert str(tmp_path) not in str(raised.value)
