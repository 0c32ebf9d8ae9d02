"""The stages that need the public pool alone: the representation of inputs, and the list of inputs to ask."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pate.data import Study
from pate.features import PackedEncoder
from pate.features.selection import central_queries, random_queries
from pate.files import write_atomically
from pate.randomness import derive_seed
from pate.values import Released
from pipelines.config.experiment import Config
from pipelines.run.progress import Progress
from pipelines.run.stages import Done, run_stage
from pipelines.storage.run_folder import RunStore

ENCODER_FILE = "encoder.safetensors"


def represent(
    config: Config, study: Study, pool_mark: str, store: RunStore, progress: Progress
) -> PackedEncoder | None:
    """The encoder that the configuration asks for, made from the public pool; ``None`` if it asks for none.

    Args:
        config: the experiment.
        study: only its pool and the shape of its inputs are read.
        pool_mark: fingerprint of the pool.
        store: the encoder is kept in its public folder.
        progress: told of updates.
    """
    if config.features is None:
        return None
    settings, representation, pool = config.features, config.features.build(), study.pool.inputs
    path = store.public_folder("features") / ENCODER_FILE

    def work() -> Done:
        torch.set_num_threads(settings.threads)
        with progress.bar("features", representation.updates(len(pool))) as on_done:
            encoder = representation.fit(
                pool,
                seed=derive_seed(config.seed, "features"),
                device="cuda" if torch.cuda.is_available() else "cpu",
                after_step=lambda _step, _loss: on_done(1),
            )
        content = encoder.pack()
        write_atomically(path, content)
        line = f"{encoder.width} features by {settings.kind}, from {len(pool)} public inputs"
        return Done(outputs=[path], note={"sha256": hashlib.sha256(content).hexdigest()}, line=line)

    inputs = {"features": settings.model_dump(mode="json"), "seed": config.seed, "pool": pool_mark}
    note = run_stage(store, "features", inputs, work, progress)
    return PackedEncoder(
        representation=representation, input_shape=study.input_shape, content=path.read_bytes(), sha256=note["sha256"]
    )


def choose_queries(config: Config, study: Study, encoder: PackedEncoder | None) -> Released[list[int]]:
    """Positions in the pool, from the pool and the configuration's seed alone: fixed before the first vote."""
    count, pool = config.labelling.max_asked, study.pool.inputs
    if config.labelling.queries == "random":
        return Released.public(random_queries(len(pool), count, config.seed))
    return Released.public(central_queries(_features(pool, encoder), count, config.seed))


def seen(inputs: Any, encoder: PackedEncoder | None) -> Any:
    """Inputs as teachers or a student see them: themselves, or their features. Shape ``[N, ...]``."""
    return inputs if encoder is None else encoder.open().encode(inputs)


def _features(pool: npt.NDArray[np.float32], encoder: PackedEncoder | None) -> npt.NDArray[np.float32]:
    """What distances between inputs are measured on: features, or each input's numbers over their deviations."""
    if encoder is not None:
        return encoder.open().features(pool)
    flat: npt.NDArray[np.float32] = pool.reshape(len(pool), -1)
    if pool.ndim == 2:
        flat = (flat - flat.mean(axis=0)) / (flat.std(axis=0) + 1e-6)
    return flat
