"""Stage ``features``: the representation of inputs, made from the public pool alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from pate.data import Study
from pate.features import PackedEncoder
from pate.files import bytes_hash, write_atomically
from pate.randomness import derive_seed
from pipelines.config.experiment import Config
from pipelines.data.fingerprints import fingerprints
from pipelines.progress import Progress
from pipelines.run.context import Run
from pipelines.run.stages import Done, run_stage
from pipelines.storage.run_folder import RunFolder


def features(run: Run) -> Run:
    """The run with its encoder; unchanged if none is configured."""
    return replace(run, encoder=fit_encoder(run.config, run.study, run.folder, run.progress))


def fit_encoder(config: Config, study: Study, folder: RunFolder, progress: Progress) -> PackedEncoder | None:
    """Fit the encoder on the public pool and keep it in the run's public folder; ``None`` if none is configured.

    Args:
        config: the experiment.
        study: only its pool and input shape are read.
        folder: of the run.
        progress: receives updates.
    """
    if config.features is None:
        return None
    settings, representation, pool = config.features, config.features.build(), study.pool.inputs
    path = folder.made(folder.encoder_file)

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
        return Done(outputs=[path], note={"sha256": bytes_hash(content)}, line=line)

    inputs = {"features": settings.model_dump(mode="json"), "seed": config.seed, "pool": fingerprints(study)["pool"]}
    note = run_stage(folder, "features", inputs, work, progress)
    return PackedEncoder(
        representation=representation, input_shape=study.input_shape, content=path.read_bytes(), sha256=note["sha256"]
    )


def encoded(inputs: Any, encoder: PackedEncoder | None) -> Any:
    """Inputs of teachers or a student: raw, or their features. Shape ``[N, ...]``."""
    return inputs if encoder is None else encoder.open().encode(inputs)
