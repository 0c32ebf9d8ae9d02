"""SimCLR: an encoder that tells images apart whatever random changes are made to them (Chen et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from pate.errors import expected
from pate.features.diffusion import Diffusion
from pate.features.encoder import Encoder, body_of, public_inputs
from pate.models.architectures import ModelSpec, Shape, build
from pate.models.augmentation import Augmentation
from pate.models.batches import shuffled_batches
from pate.models.training import AfterStep, FloatArray, TrainSpec, optimiser_of, set_rate
from pate.randomness import derive_seed

_PROJECTION = (128, 64)
_WARM_UP = 50  # updates over which the rate rises, as contrastive losses are steep at the start


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SimCLR:
    """Self-supervised on the public pool alone: two changed copies of an image attract, all others repel.

    Attributes:
        model: the network; all of it but the last layer becomes the encoder.
        train: how to fit; ``epochs`` count passes over the pool. Large batches give many images to repel.
        augmentation: the changes that keep what an image shows.
        temperature: of the similarities (cosines).
        diffusion: whether and how features are placed on the graph of the pool.
    """

    model: ModelSpec
    train: TrainSpec
    augmentation: Augmentation
    temperature: float = 0.2
    diffusion: Diffusion | None = None

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise expected("temperature > 0", "0.1 to 0.5 are usual", temperature=self.temperature)
        if self.train.batch_size < 2:
            raise expected("batch_size >= 2", "256 is usual", batch_size=self.train.batch_size)

    def empty(self, input_shape: Shape) -> Encoder:
        """An encoder of this architecture with initial weights; see ``Representation``."""
        return Encoder(body_of(build(self.model, input_shape, classes=2, seed=0)), input_shape, self.diffusion)

    def updates(self, inputs: int) -> int:
        """Number of updates for so many public images."""
        return self.train.updates(inputs)

    def fit(
        self,
        pool: FloatArray | Tensor,
        *,
        seed: int,
        device: str | torch.device = "cpu",
        after_step: AfterStep | None = None,
    ) -> Encoder:
        """Train an encoder on the public images ``[M, channels, height, width]``.

        Deterministic given pool, seed, device and number of threads.

        Raises:
            PrivacyViolation: private-tagged data.
            InputError: no images, or fewer than two.
        """
        pool_M = public_inputs(pool)
        shape = tuple(pool_M.shape[1:])
        if len(shape) != 3:
            raise expected("images for SimCLR", "leave features out for tables", input_shape=shape)
        body = body_of(build(self.model, shape, classes=2, seed=derive_seed(seed, "encoder")))
        encoder = Encoder(body, shape, self.diffusion)
        network = (
            nn.Sequential(body, _projection(len(encoder.mean), derive_seed(seed, "projection"))).to(device).train()
        )
        generator = torch.Generator().manual_seed(derive_seed(seed, "augmentation"))
        images, steps = pool_M.to(device), self.updates(len(pool_M))
        optimiser = optimiser_of(network.parameters(), self.train)
        order = shuffled_batches(len(images), self.train.batch_size, steps, derive_seed(seed, "batches"))
        for step, index in enumerate(order):
            batch = images[index.to(device)]
            both = torch.cat([self.augmentation(batch, generator), self.augmentation(batch, generator)])
            loss = nt_xent(network(both), self.temperature)
            set_rate(optimiser, self.train.rate(step, steps) * min(1.0, (step + 1) / _WARM_UP))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            if after_step is not None:
                after_step(step + 1, float(loss.detach()))
        return encoder.standardise(pool_M, device)


def nt_xent(projections: Tensor, temperature: float) -> Tensor:
    """The normalised temperature-scaled cross-entropy of 2B projections; row i and row B + i show one image.

    ``mean_i -log(exp(s_i,p(i) / t) / sum_{k != i} exp(s_ik / t))`` with cosines s and the partner p(i) of i
    (Chen et al. 2020, equation 1). Shape of ``projections``: ``[2 B, P]``.
    """
    unit = functional.normalize(projections, dim=1)
    count = len(unit)
    alike = (unit @ unit.T / temperature).masked_fill(
        torch.eye(count, dtype=torch.bool, device=unit.device), -torch.inf
    )
    partner = torch.arange(count, device=unit.device).roll(count // 2)
    return functional.cross_entropy(alike, partner)


def _projection(width: int, seed: int) -> nn.Module:
    hidden, out = _PROJECTION
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, out))
