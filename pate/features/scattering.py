"""Scattering coefficients of images, and their principal directions over the public pool."""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from pate.features.diffusion import Diffusion
from pate.features.encoder import Encoder, in_pieces
from pate.features.principal import principal_components
from pate.features.requirements import require_window
from pate.models.specs import Shape

_FREQUENCY = 3 * np.pi / 4  # of the finest wavelet, radians per pixel
_SPREAD = 0.8  # of the finest envelope, pixels
_FLOOR = 0.01  # added before logarithms, for pixels of the order of 1


def empty(input_shape: Shape, scales: int, angles: int, components: int, diffusion: Diffusion | None) -> Encoder:
    """An encoder of this kind without directions; see ``pate.features.encoder.Representation``."""
    parts = _parts(input_shape, scales, angles, components)
    return Encoder(nn.Sequential(*parts), input_shape, diffusion)


def made_from(
    pool_M: Tensor,
    scales: int,
    angles: int,
    components: int,
    diffusion: Diffusion | None,
    device: str | torch.device,
) -> Encoder:
    """Take the directions from the public images ``[M, channels, height, width]``; nothing is random.

    Raises:
        InputError: no images, too small ones, or fewer than components.
    """
    shape = tuple(pool_M.shape[1:])
    coefficients, directions = _parts(shape, scales, angles, components)
    encoder = Encoder(nn.Sequential(coefficients, directions), shape, diffusion)
    raw = in_pieces(coefficients.to(device), pool_M, device)
    directions.weight.copy_(principal_components(raw, components))
    return encoder.standardise_features(directions(raw))


def _parts(input_shape: Shape, scales: int, angles: int, components: int) -> tuple[LogScattering, nn.Linear]:
    coefficients = LogScattering(input_shape, scales, angles)
    directions = nn.Linear(coefficients.width, components, bias=False, device="meta")
    empty = directions.requires_grad_(requires_grad=False).to_empty(device="cpu")  # its weights come from the pool
    return coefficients, empty


@final
class LogScattering(nn.Module):
    """From images ``[N, channels, height, width]`` to logarithms of their coefficients ``[N, width]``.

    Args:
        input_shape: of one image.
        scales: J.
        angles: L.

    Raises:
        InputError: no image, or one smaller than ``2 ** scales`` pixels.
    """

    wavelets: Tensor
    rows: Tensor
    columns: Tensor

    def __init__(self, input_shape: Shape, scales: int, angles: int) -> None:
        super().__init__()
        window = 2**scales
        require_window(input_shape, scales)
        channels, height, width = input_shape
        self.margin = window  # zeros around the image: filters wrap around its end
        size = (height + 2 * window, width + 2 * window)
        means = [_local_means(length, window) for length in (height, width)]
        for name, values in (("wavelets", _morlet(size, scales, angles)), ("rows", means[0]), ("columns", means[1])):
            self.register_buffer(name, torch.from_numpy(values.astype(np.float32)), persistent=False)
        maps = 1 + scales * angles + scales * (scales - 1) // 2 * angles**2
        self.width = channels * maps * len(means[0]) * len(means[1])

    def forward(self, images: Tensor) -> Tensor:
        """Zeroth order first, then by scale: the first order, and the second by angle and coarser scale."""
        padded = functional.pad(images, [self.margin] * 4)
        found = [self._means(padded).unsqueeze(2)]
        spectrum = torch.fft.fft2(padded)
        for scale, wavelets in enumerate(self.wavelets):
            first = _modulus(spectrum, wavelets)
            found.append(self._means(first))
            coarser = self.wavelets[scale + 1 :].flatten(0, 1)
            if len(coarser):
                found += [self._means(_modulus(torch.fft.fft2(own), coarser)) for own in first.unbind(2)]
        return torch.cat(found, dim=2).flatten(1).abs().add(_FLOOR).log()

    def _means(self, maps: Tensor) -> Tensor:
        return self.rows @ maps @ self.columns.T


def _modulus(spectrum: Tensor, wavelets: Tensor) -> Tensor:
    """``|image * wavelet|`` for each wavelet, from the image's spectrum. Shape ``[N, channels, L, height, width]``."""
    modulus: Tensor = torch.fft.ifft2(spectrum.unsqueeze(2) * wavelets).abs()
    return modulus


def _morlet(size: tuple[int, int], scales: int, angles: int) -> npt.NDArray[np.float64]:
    """Morlet wavelets of mean zero in the frequency domain, where they are real. Shape ``[J, L, height, width]``."""
    axes = [2 * np.pi * np.fft.fftfreq(length) for length in size]
    turns = 2 * np.pi * np.arange(-1, 2)  # a sampled filter's spectrum repeats; three periods hold all of it
    down, right = np.meshgrid(*[(axis[:, None] + turns).ravel() for axis in axes], indexing="ij")

    def bump(centre: float, angle: float, spread: float) -> npt.NDArray[np.float64]:
        along = down * np.cos(angle) + right * np.sin(angle) - centre
        across = right * np.cos(angle) - down * np.sin(angle)
        values = np.exp(-(spread**2) / 2 * (along**2 + (across * angles / 4) ** 2))
        periods: npt.NDArray[np.float64] = values.reshape(size[0], 3, size[1], 3).sum(axis=(1, 3))
        return periods

    made = []
    for scale in range(scales):
        for angle in np.pi * np.arange(angles) / angles:
            wave = bump(_FREQUENCY / 2**scale, angle, _SPREAD * 2**scale)
            envelope = bump(0.0, angle, _SPREAD * 2**scale)
            made.append(wave - envelope * (wave[0, 0] / envelope[0, 0]))
    return np.reshape(made, (scales, angles, *size))


def _local_means(length: int, window: int) -> npt.NDArray[np.float64]:
    """Gaussian weights, around the middle of each window of the image, on the pixels of the padded one.

    Shape ``[length // window, length + 2 window]``.
    """
    middles = window + window / 2 - 0.5 + window * np.arange(length // window)
    away = np.arange(length + 2 * window) - middles[:, None]
    weights = np.exp(-((away / (_SPREAD * window / 2)) ** 2) / 2)
    normalised: npt.NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return normalised
