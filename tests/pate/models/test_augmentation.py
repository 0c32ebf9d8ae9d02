"""Augmentation: a fresh change per image, bounded, from the given generator alone."""

import numpy as np
import pytest
import torch

from pate import torchvision_cpu
from pate.errors import InputError
from pate.models.augmentation import augment
from pate.models.specs import Augmentation

reference = torchvision_cpu.v2.functional

STRONG = Augmentation(shift=0.1, rotate=15, zoom=0.15, shear=10, erase=0.3, noise=0.1, flip=True)


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 6, channels: int = 1, side: int = 8) -> torch.Tensor:
    return torch.rand(count, channels, side, side, generator=seeded(99))


def test_no_extent_changes_nothing() -> None:
    assert torch.equal(augment(images(), Augmentation(), seeded()), images())


def test_the_generator_decides_and_global_state_does_not() -> None:
    for augmentation in (STRONG, Augmentation(randaugment=2)):
        first = augment(images(), augmentation, seeded())
        torch.rand(5)
        before = torch.random.get_rng_state()
        assert torch.equal(first, augment(images(), augmentation, seeded()))
        assert torch.equal(before, torch.random.get_rng_state())
        assert not torch.equal(first, augment(images(), augmentation, seeded(2)))


@pytest.mark.parametrize(
    "fields",
    [{"shift": 0.2}, {"rotate": 20}, {"zoom": 0.2}, {"shear": 20}, {"erase": 0.6}, {"noise": 0.2}, {"flip": True}],
)
def test_every_image_gets_its_own_change(fields) -> None:
    same = images(1).expand(12, -1, -1, -1)
    changed = augment(same, Augmentation(**fields), seeded())
    distinct = {tuple(image.flatten().tolist()) for image in changed}
    assert len(distinct) >= 2 if "flip" in fields else len(distinct) >= 6


def test_a_shift_moves_by_no_more_than_its_extent() -> None:
    dot = torch.zeros(200, 1, 16, 16)
    dot[:, :, 8, 8] = 1.0
    moved = augment(dot, Augmentation(shift=0.125), seeded())
    mass = moved.sum(dim=(1, 2, 3))
    torch.testing.assert_close(mass, torch.ones(200), atol=1e-4, rtol=0)
    rows = (moved.sum(dim=(1, 3)) * torch.arange(16)).sum(dim=1)
    assert (rows - 8).abs().max() <= 2 + 1e-4
    assert (rows - 8).abs().max() > 1.5
    assert abs(float((rows - 8).mean())) < 0.3


def test_flip_is_exact_and_even_handed() -> None:
    one = images(1)
    changed = augment(one.expand(400, -1, -1, -1), Augmentation(flip=True), seeded())
    mirrored = torch.isclose(changed, one.flip(3), atol=1e-5).all(dim=(1, 2, 3))
    kept = torch.isclose(changed, one, atol=1e-5).all(dim=(1, 2, 3))
    assert (mirrored ^ kept).all()
    assert 140 < int(mirrored.sum()) < 260


def test_rotation_matches_torchvision() -> None:
    """A rotation by the drawn angle, against torchvision's own rotation of the same image."""
    smooth = torch.nn.functional.interpolate(torch.rand(1, 1, 4, 4, generator=seeded()), size=(32, 32), mode="bicubic")
    changed = augment(smooth, Augmentation(rotate=30), seeded(5))
    generator = seeded(5)
    angle = 30 * (2 * float(torch.rand(1, 1, generator=generator)) - 1)
    error = min(
        float(
            (reference.rotate(smooth, sign * angle, interpolation=reference.InterpolationMode.BILINEAR) - changed)
            .abs()[..., 8:24, 8:24]
            .max()
        )
        for sign in (1, -1)
    )
    assert abs(angle) > 3
    assert error < 1e-3


def test_erasing_sets_a_square_to_zero_and_keeps_the_rest() -> None:
    ones = torch.ones(300, 1, 20, 20)
    erased = augment(ones, Augmentation(erase=0.5), seeded())
    assert set(erased.unique().tolist()) == {0.0, 1.0}
    assert (erased == 0).float().mean(dim=(1, 2, 3)).max() <= 0.3
    assert (erased == 0).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_randaugment_keeps_shape_type_and_range(channels) -> None:
    changed = augment(images(20, channels, 28), Augmentation(randaugment=2), seeded())
    assert changed.shape == (20, channels, 28, 28)
    assert changed.dtype == torch.float32
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 1
    assert not torch.equal(changed, images(20, channels, 28))


@pytest.mark.parametrize(
    "fields",
    [{"shift": 1.0}, {"rotate": 181.0}, {"zoom": -0.1}, {"erase": np.nan}, {"randaugment": -1}, {"border": "x"}],
)
def test_an_unusable_extent_is_refused(fields) -> None:
    with pytest.raises(InputError):
        Augmentation(**fields)


def test_rows_of_a_table_are_refused() -> None:
    with pytest.raises(InputError, match="images to augment"):
        augment(torch.zeros(3, 4), STRONG, seeded())
