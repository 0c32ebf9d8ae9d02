"""Scattering coefficients are their definition, change little when an image is shifted, and serve as an encoder."""

from __future__ import annotations

import cmath
import hashlib
import math

import numpy as np
import pytest
import torch

from pate.data.embedded import digits_study
from pate.errors import InputError
from pate.features import Diffusion, PackedEncoder, Scattering
from pate.features.principal import principal_components
from pate.features.scattering import LogScattering

SIDE, SCALES, ANGLES = 8, 2, 4


@pytest.fixture(scope="module")
def pool() -> np.ndarray:
    return digits_study(private=900, pool=300, evaluation=100, hospitals=1, skew=0.0, seed=0).pool.inputs


def _wavelet(scale: int, angle: float, size: int) -> np.ndarray:
    """Samples in space of the wavelet that Bruna and Mallat call Morlet's, less its mean; an independent way there."""
    spread, frequency = 0.8 * 2**scale, 3 * math.pi / 4 / 2**scale
    slant = 4 / ANGLES
    envelope, wave = np.zeros((size, size)), np.zeros((size, size), dtype=complex)
    for row in range(-3 * size, 4 * size):
        for column in range(-3 * size, 4 * size):
            along = row * math.cos(angle) + column * math.sin(angle)
            across = column * math.cos(angle) - row * math.sin(angle)
            weight = math.exp(-(along**2 + (slant * across) ** 2) / 2 / spread**2) * slant / (2 * math.pi * spread**2)
            envelope[row % size, column % size] += weight
            wave[row % size, column % size] += weight * cmath.exp(1j * frequency * along)
    return wave - envelope * wave.sum() / envelope.sum()


def _around(image: np.ndarray, wavelet: np.ndarray) -> np.ndarray:
    """Modulus of the circular convolution, as a sum over shifted images."""
    total = np.zeros(image.shape, dtype=complex)
    for row in range(len(image)):
        for column in range(len(image)):
            total += wavelet[row, column] * np.roll(image, (row, column), axis=(0, 1))
    return np.abs(total)


def _means(values: np.ndarray) -> list[float]:
    """Gaussian means around the middles of the image's windows."""
    window = 2**SCALES
    places = [window + window / 2 - 0.5 + window * i for i in range(SIDE // window)]
    weights = np.array([[math.exp(-(((x - place) / (0.8 * window / 2)) ** 2) / 2) for x in range(len(values))]
                        for place in places])  # fmt: skip
    weights /= weights.sum(axis=1, keepdims=True)
    return list((weights @ values @ weights.T).ravel())


def test_coefficients_are_the_papers_by_sums_in_space() -> None:
    image = np.random.default_rng(0).random((SIDE, SIDE))
    padded = np.pad(image, 2**SCALES)
    turns = [math.pi * turn / ANGLES for turn in range(ANGLES)]
    filters = {(j, turn): _wavelet(j, turn, len(padded)) for j in range(SCALES) for turn in turns}
    found = _means(padded)
    for scale in range(SCALES):
        first = [_around(padded, filters[scale, turn]) for turn in turns]
        for one in first:
            found += _means(one)
        for one in first:
            for coarser in range(scale + 1, SCALES):
                for turn in turns:
                    found += _means(_around(one, filters[coarser, turn]))
    made = LogScattering((1, SIDE, SIDE), SCALES, ANGLES)
    ours = made(torch.from_numpy(image.astype(np.float32))[None, None]).numpy()[0]
    assert len(ours) == made.width == len(found)
    np.testing.assert_allclose(ours, np.log(np.abs(found) + 0.01), atol=2e-5)


def test_a_shift_moves_coefficients_less_than_pixels(pool: np.ndarray) -> None:
    """A shift by one pixel, as a part of the distance between two images; the pixels themselves are the twin."""
    images = torch.nn.functional.interpolate(torch.from_numpy(pool[:100]), size=(24, 24), mode="bilinear")
    moved, made = torch.roll(images, 1, dims=3), LogScattering((1, 24, 24), 2, 8)

    def part(one: torch.Tensor, other: torch.Tensor) -> float:
        strangers = (one - one.roll(1, dims=0)).flatten(1).norm(dim=1).mean()
        return float((one - other).flatten(1).norm(dim=1).mean() / strangers)

    assert part(made(images), made(moved)) < 0.85 * part(images, moved)


def test_rows_are_those_of_the_singular_value_decomposition() -> None:
    features = np.random.default_rng(1).normal(size=(40, 6)) @ np.random.default_rng(2).normal(size=(6, 6))
    rows = principal_components(torch.from_numpy(features), 3).numpy()
    deviations = features.std(axis=0) + 0.05 * np.sqrt((features.std(axis=0) ** 2).mean())
    _, _, right = np.linalg.svd((features - features.mean(axis=0)) / deviations)
    cosines = np.abs((rows * deviations * right[:3]).sum(axis=1))
    np.testing.assert_allclose(cosines, 1, atol=1e-6)


def test_components_are_independent_over_the_pool_and_come_back_from_bytes(pool: np.ndarray) -> None:
    spec = Scattering(scales=1, angles=4, components=12)
    made = spec.fit(pool)
    packed = made.pack()
    assert packed == spec.fit(pool).pack(), "nothing is random"
    opened = PackedEncoder(
        representation=spec, input_shape=made.input_shape, content=packed, sha256=hashlib.sha256(packed).hexdigest()
    ).open()
    np.testing.assert_array_equal(opened.encode(pool), made.encode(pool))
    assert opened.width == 12
    with torch.inference_mode():
        raw = made.body(torch.from_numpy(pool)).numpy()
    np.testing.assert_allclose(np.corrcoef(raw.T), np.eye(12), atol=1e-3)


def test_features_do_not_depend_on_the_company(pool: np.ndarray) -> None:
    made = Scattering(scales=1, components=10, diffusion=Diffusion(neighbours=5, components=8)).fit(pool)
    np.testing.assert_allclose(made.encode(pool[:3]), made.encode(pool)[:3], atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "spec", "word"),
    [
        ((20, 5), Scattering(components=3), "images"),
        ((20, 1, 3, 9), Scattering(components=3), "4 pixels"),
        ((20, 1, 8, 8), Scattering(components=21), "1 to 20 components"),
    ],
)
def test_what_cannot_be_is_refused(shape: tuple[int, ...], spec: Scattering, word: str) -> None:
    with pytest.raises(InputError, match=word):
        spec.fit(np.random.default_rng(0).random(shape).astype(np.float32))
