"""Rehearsal of the student and of user-defined teachers before anything is charged. Incompatible settings and data
(images for a learner of tables, an encoder of another network, insufficient memory) would otherwise be found
after the answers were charged.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from pate.data.records import FloatArray
from pate.errors import PateError, expected
from pate.models import CustomModel, EstimatorModel
from pate.models.own_parts import broken
from pate.randomness import derive_seed
from pate.student import LabeledPool, Student
from pate.student.export import save_exported
from pate.teachers.rehearsal import rehearse_teachers
from pate.values import Released
from pipelines.config.student import CustomLearnerConfig
from pipelines.run.context import Run
from pipelines.run.features import encoded

MOST_INPUTS = 512


def rehearse(run: Run) -> None:
    """Train the student for one update on synthetic labels, and discard it; own teachers likewise, on the pool.

    Args:
        run: with its encoder, before its campaign is charged.

    Raises:
        InputError: the student cannot be trained on these inputs with these settings, or user code for teachers does
            not meet its contract.
    """
    if run.folder.stages.was_finished("labels"):
        return
    study, classes = run.study, len(run.study.classes)
    _rehearse_own_teachers(run)
    labels_M = np.full(min(len(study.pool), MOST_INPUTS), -1, dtype=np.int64)
    asked = min(len(labels_M), run.config.labelling.max_asked)
    labels_M[:asked] = np.arange(asked) % classes
    config = run.config.student.shortened()
    try:
        seen = encoded(study.pool.inputs[: len(labels_M)], run.student_encoder)
        student = config.build().fit(
            LabeledPool.of(seen, labels_M, classes),
            seed=derive_seed(run.config.seed, "rehearsal"),
            device="cuda" if torch.cuda.is_available() else "cpu",
            start=run.encoder.open() if run.encoder and run.config.student.start == "features" else None,
        )
        if run.student_encoder is not None:
            student = student.with_encoder(run.student_encoder.open(), study.input_shape)
        proba = student.predict_proba(study.evaluation.inputs[:2])
        if isinstance(config, CustomLearnerConfig):
            _require_student(config, student, proba, study.pool.inputs[:8], classes)
    except PateError:
        raise
    except (RuntimeError, ValueError, TypeError, MemoryError, OverflowError) as error:
        raise expected(
            "a student that can be trained on these inputs, on this machine",
            "correct the student section; nothing was charged",
            found=type(error).__name__,
            reason=" ".join(str(error).split())[:200],
        ) from error


def _rehearse_own_teachers(run: Run) -> None:
    model = run.config.teachers.model
    if isinstance(model, CustomModel | EstimatorModel):
        rehearse_teachers(
            model,
            encoded(run.study.pool.inputs[:MOST_INPUTS], run.teachers_encoder),
            train=run.config.teachers.training,
            classes=len(run.study.classes),
            seed=derive_seed(run.config.seed, "rehearsal"),
        )


def _require_student(
    config: CustomLearnerConfig, student: Student, proba: FloatArray, example: FloatArray, classes: int
) -> None:
    """Refuse a student of an own learner that is no classifier, or that cannot be exported.

    Raises:
        InputError: as ``save_exported``; or its probabilities are not finite, or not one row of C for each input.
    """
    if proba.shape != (2, classes) or not np.isfinite(proba).all():
        raise broken(
            "student.builder", config.builder, f"outputs of shape {proba.shape}, or not finite, for two inputs"
        )
    with TemporaryDirectory() as folder:
        save_exported(Released.public(student.network), Released.public(example), Path(folder))
