"""SimCLR: an encoder that distinguishes images regardless of random augmentations (Chen et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pate.features.diffusion import Diffusion
from pate.features.encoder import Encoder, body_of
from pate.features.requirements import require_images
from pate.models.architectures import build
from pate.models.augmentation import augment
from pate.models.batches import shuffled_batches
from pate.models.specs import Augmentation, ModelSpec, Shape, TrainSpec
from pate.models.training import AfterStep, optimiser_of, set_rate
from pate.randomness import derive_seed

_PROJECTION = (128, 64)
_WARM_UP = 50  # updates over which the rate is warmed up, as contrastive losses are steep at the start


def empty(input_shape: Shape, model: ModelSpec, diffusion: Diffusion | None) -> Encoder:
    """An encoder of this architecture with initial weights; see ``pate.features.encoder.Representation``."""
    return Encoder(body_of(build(model, input_shape, classes=2, seed=0)), input_shape, diffusion)


def fit(
    pool_M: Tensor,
    *,
    model: ModelSpec,
    train: TrainSpec,
    augmentation: Augmentation,
    temperature: float,
    diffusion: Diffusion | None,
    seed: int,
    device: str | torch.device,
    after_step: AfterStep | None,
) -> Encoder:
    """Train an encoder on the public images ``[M, channels, height, width]``; see ``SimCLR.fit``."""
    shape = tuple(pool_M.shape[1:])
    require_images(shape)
    body = body_of(build(model, shape, classes=2, seed=derive_seed(seed, "encoder")))
    encoder = Encoder(body, shape, diffusion)
    network = nn.Sequential(body, _projection(len(encoder.mean), derive_seed(seed, "projection"))).to(device).train()
    generator = torch.Generator().manual_seed(derive_seed(seed, "augmentation"))
    images, steps = pool_M.to(device), train.updates(len(pool_M))
    optimiser = optimiser_of(network.parameters(), train)
    order = shuffled_batches(len(images), train.batch_size, steps, derive_seed(seed, "batches"))
    for step, index in enumerate(order):
        batch = images[index.to(device)]
        both = torch.cat([augment(batch, augmentation, generator), augment(batch, augmentation, generator)])
        loss = nt_xent(network(both), temperature)
        set_rate(optimiser, train.rate(step, steps) * min(1.0, (step + 1) / _WARM_UP))
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
