"""Stage ``queries``: the list of public inputs to ask, fixed before the first vote."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt

from pate.data import Study
from pate.features import PackedEncoder
from pate.features.selection import central_queries, random_queries
from pate.files import write_atomically
from pate.values import Released
from pipelines.config.experiment import Config
from pipelines.run.context import Run
from pipelines.run.stages import Done


def queries(run: Run) -> Released[list[int]]:
    """Positions in the pool, from the pool and the configuration's seed alone."""

    def work() -> Done:
        chosen = choose_queries(run.config, run.study, run.encoder)
        write_atomically(run.folder.queries_file, json.dumps(chosen))
        line = f"{len(chosen)} public inputs to ask"
        return Done(outputs=[run.folder.queries_file], note={"queries": chosen}, line=line)

    return Released.public(run.stage("queries", work)["queries"])


def choose_queries(config: Config, study: Study, encoder: PackedEncoder | None) -> list[int]:
    """The positions chosen by the stage."""
    settings, pool = config.labelling, study.pool.inputs
    if settings.queries == "random":
        return random_queries(len(pool), settings.max_asked, config.seed)
    return central_queries(_points(pool, encoder), settings.max_asked, config.seed)


def _points(pool: npt.NDArray[np.float32], encoder: PackedEncoder | None) -> npt.NDArray[np.float32]:
    """Points for distances: features, or each input's values divided by their standard deviations."""
    if encoder is not None:
        return encoder.open().features(pool)
    flat: npt.NDArray[np.float32] = pool.reshape(len(pool), -1)
    if pool.ndim == 2:
        flat = (flat - flat.mean(axis=0)) / (flat.std(axis=0) + 1e-6)
    return flat
