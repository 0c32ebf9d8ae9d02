"""The student's part of a run, tried for a moment before anything is charged.

What its settings and the data do not allow (images for a learner of tables, an encoder of another network, more
memory than there is) would else be found after the answers were paid for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from pate.errors import PateError, expected
from pate.models import TreesSpec
from pate.randomness import derive_seed
from pate.student import LabeledPool, StudentSpec
from pipelines.config.student import BoostedTreesConfig
from pipelines.run.context import Run
from pipelines.run.features import encoded

MOST_INPUTS = 512


def rehearse(run: Run) -> None:
    """Train the student for one update on made-up labels, and throw it away.

    Args:
        run: with its encoder, before its campaign is charged.

    Raises:
        InputError: the student cannot be trained on these inputs with these settings.
    """
    if run.folder.stages.was_finished("labels"):
        return
    study, classes = run.study, len(run.study.classes)
    labels_M = np.full(min(len(study.pool), MOST_INPUTS), -1, dtype=np.int64)
    asked = min(len(labels_M), run.config.labelling.max_asked)
    labels_M[:asked] = np.arange(asked) % classes
    config = run.config.student.model_copy(update={"spec": _short(run.config.student.spec)})
    if isinstance(config, BoostedTreesConfig):
        config = config.model_copy(update={"self_training": min(1, config.self_training)})
    try:
        seen = encoded(study.pool.inputs[: len(labels_M)], run.student_encoder)
        student = config.build().fit(
            LabeledPool.of(seen, labels_M, classes),
            seed=derive_seed(run.config.seed, "rehearsal"),
            device="cuda" if torch.cuda.is_available() else "cpu",
            start=run.encoder.open() if run.encoder and run.config.student.start == "features" else None,
        )
        if run.student_encoder is not None:
            student = student.behind(run.student_encoder.open(), study.input_shape)
        student.predict_proba(study.evaluation.inputs[:2])
    except PateError:
        raise
    except (RuntimeError, ValueError, TypeError, MemoryError, OverflowError) as error:
        raise expected(
            "a student that can be trained on these inputs, on this machine",
            "correct the student section; nothing was charged",
            found=type(error).__name__,
            reason=" ".join(str(error).split())[:200],
        ) from error


def _short(spec: StudentSpec | TreesSpec) -> Any:
    """The same student, fitted for one update or round."""
    if isinstance(spec, TreesSpec):
        return replace(spec, rounds=1)
    return replace(spec, train=replace(spec.train, epochs=None, steps=1))
