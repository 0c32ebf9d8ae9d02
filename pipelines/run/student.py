"""Stage ``student``: trained on the released labels and the rest of the public pool, and exported."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import torch

from pate.arrays import IntArray
from pate.errors import expected
from pate.randomness import derive_seed
from pate.student import LabeledPool, Student
from pate.student.export import load_exported, save_exported
from pate.values import Released
from pipelines.data.raw_input import preprocessing_of
from pipelines.outcome.campaign import Campaign
from pipelines.run.context import Run
from pipelines.run.features import encoded
from pipelines.run.stages import Done
from pipelines.tracking.process_metrics import ProcessMetrics
from pipelines.tracking.tracker import Tracker


def student(run: Run, campaign: Released[Campaign]) -> Released[Student]:
    """Train and export the student."""
    run.folder.student.mkdir(exist_ok=True)

    def work() -> Done:
        pool = run.study.pool
        labels_M = campaign.value.over_pool(len(pool))
        labelled = int((labels_M >= 0).sum())
        if not labelled:
            raise expected("at least one answered query", "lower the threshold or ask more queries", answered=0)
        trained = _train(run, labels_M, labelled)
        raw = preprocessing_of(run.config, run.study)
        save_exported(
            Released.public(trained.network),
            Released.public(pool.inputs[:8]),
            run.folder.student,
            None if raw is None else Released.public(raw.to_json()),
        )
        again = f", the best of {trained.fits} fits" if trained.fits > 1 else ""
        line = f"{run.config.student.learner} on {labelled} labels and {len(pool)} public inputs{again}"
        return Done(outputs=sorted(run.folder.student.iterdir()), note={}, line=line)

    run.stage("student", work)
    return Released.public(
        Student(
            network=load_exported(run.folder.student),
            classes=len(run.study.classes),
            input_shape=run.study.input_shape,
            curve=(),
        )
    )


def _train(run: Run, labels_M: IntArray, labelled: int) -> Student:
    """The trained student, from raw inputs to logits."""
    config, encoder = run.config.student, run.student_encoder
    learner, classes = config.build(), len(run.study.classes)
    torch.set_num_threads(config.threads)
    with (
        run.tracker.phase("student") as tracker,
        ProcessMetrics(tracker) if run.config.tracking.system_metrics else nullcontext(),
        run.progress.bar("student", config.updates(labelled)) as on_done,
    ):
        trained = learner.fit(
            LabeledPool.of(encoded(run.study.pool.inputs, encoder), labels_M, classes),
            seed=derive_seed(run.config.seed, "student"),
            device="cuda" if torch.cuda.is_available() else "cpu",
            on_progress=_Progress(tracker, on_done),
            start=run.encoder.open() if run.encoder and config.start == "features" else None,
        )
    return trained if encoder is None else trained.with_encoder(encoder.open(), run.study.input_shape)


class _Progress:
    """Shows updates done and tracks the learning curve."""

    def __init__(self, tracker: Tracker, on_done: Any) -> None:
        self._tracker, self._on_done, self._seen = tracker, on_done, 0

    def __call__(self, point: Any) -> None:
        self._on_done(point.step - self._seen)
        self._seen = point.step
        curve = {f"student_{k}": v for k, v in asdict(point).items() if k != "step" and v is not None}
        self._tracker.metrics(Released.public(curve), step=point.step)
