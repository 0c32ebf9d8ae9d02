"""The public record of a run: released values only, on disk first, delivered later.

A ``Tracker`` writes to the run's outbox (``<run>/public/tracking/outbox.jsonl``) and needs no server; delivery to
MLflow is done by ``pipelines.tracking.delivery`` (another process, while the run works) and by
``pipelines.tracking.mlflow.sink`` (in this process, as ``pate sync`` does). Importing this module imports neither
MLflow nor torch.

    with Tracker.open(run_folder / "public", run_id="smoke-1a2b3c4d", insecure=False) as campaign:
        campaign.params(Released.public(config.model_dump()))
        with campaign.phase("labels") as labels:
            labels.series("queries_answered", released_curve)
        with campaign.phase("student") as student:
            student.metrics(Released.public({"loss": 0.3}), step=1)
            student.model(Released.public("student"), Released.public(ModelCard(...)))

A resumed run records again from the start without duplicates: a parameter, a metric's step, a data set, a file's
content and a model are recorded once; a tag and the status of a phase are recorded when they
change.
"""

from __future__ import annotations

import hashlib
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, TypeVar, final

from pate.errors import PrivacyViolation, expected
from pate.student.export import read_spec
from pate.values import Released, released_value
from pipelines.tracking.cards import DatasetCard, Evaluation, ModelCard, check_key, check_name, to_texts
from pipelines.tracking.outbox import Outbox, Recorded, digest_of

__all__ = ["CAMPAIGN", "DESCRIPTION_TAG", "SWEEP", "DatasetCard", "Evaluation", "ModelCard", "Tracker"]

CAMPAIGN = "campaign"
"""Phase name of a run itself, the parent of its other phases."""
SWEEP = "sweep"
"""Phase name of a sweep, which has no phases; its runs are records of their own."""
ROOTS = (CAMPAIGN, SWEEP)
TRACKING_FOLDER = "tracking"
DESCRIPTION_TAG = "mlflow.note.content"
"""Tag that MLflow's pages show as the description of a run or model."""

Values = TypeVar("Values", bound=Mapping[str, Any])
Numbers = TypeVar("Numbers", bound=Mapping[str, float])
Series = TypeVar("Series", bound=Sequence[float])
PathLike = TypeVar("PathLike", bound=str | PurePath)


@final
class Tracker:
    """Records one phase of a run, or with ``Tracker.open`` the run itself; every value must be ``Released``.

    As a context manager it records how the phase ended: FINISHED, FAILED on an exception, KILLED on an interrupt.
    """

    __slots__ = ("_outbox", "_phase", "_record")

    def __init__(self, outbox: Outbox, record: Recorded, phase: str) -> None:
        self._outbox = outbox
        self._record = record
        self._phase = phase
        self._status("RUNNING")

    @classmethod
    def open(cls, public_folder: Path, *, run_id: str, insecure: bool, root: str = CAMPAIGN) -> Tracker:
        """Start, or continue, the record of a run in its public folder.

        Args:
            public_folder: ``<run>/public``.
            run_id: the run's name; the same in every attempt.
            insecure: ``True`` if the run's noise is seeded; no model of it can be recorded.
            root: the kind of record, ``CAMPAIGN`` or ``SWEEP``.

        Raises:
            InputError: another process records this run, or the folder belongs to a run with another id or noise
                source.
        """
        check_name("run", run_id)
        outbox = Outbox(public_folder / TRACKING_FOLDER)
        try:
            record = Recorded(public_folder, outbox.events, run_id=run_id, insecure=insecure)
        except ValueError:
            outbox.close()
            raise
        return cls(outbox, record, root)

    def phase(self, name: str) -> Tracker:
        """A child of the run, such as ``teachers``, ``labels`` or ``student``; never one per teacher or site."""
        check_name("phase", name)
        if self._phase != CAMPAIGN or name in ROOTS:
            raise expected("one level of phases below the run", "call phase() of the run's tracker", phase=name)
        return Tracker(self._outbox, self._record, name)

    def params(self, values: Released[Values]) -> None:
        """Parameters; nested mappings become dotted keys. A parameter never changes within a run.

        Raises:
            InputError: a key or value does not fit, or another value is on record.
        """
        content = released_value(values)
        texts = to_texts(content)
        for key, text in texts.items():
            known = self._record.params.get((self._phase, key), text)
            if known != text:
                raise expected(
                    f"parameter {key!r} as recorded before, {known!r}",
                    "record values that may change as tags",
                    found=text,
                )
        self._append("params", {k: v for k, v in texts.items() if (self._phase, k) not in self._record.params})

    def tags(self, values: Released[Values]) -> None:
        """Tags; the last value counts."""
        content = released_value(values)
        texts = to_texts(content)
        self._append("tags", {k: v for k, v in texts.items() if self._record.tags.get((self._phase, k)) != v})

    def metrics(self, values: Released[Numbers], *, step: int = 0) -> None:
        """One value per name at one step; if the step is already recorded, the first value stays."""
        self._points([(key, step, value) for key, value in released_value(values).items()])

    def series(self, name: str, values: Released[Series], *, first_step: int = 0) -> None:
        """A whole curve as one event: ``values[i]`` at step ``first_step + i``."""
        content = released_value(values)
        self._points([(name, step, value) for step, value in enumerate(content, start=first_step)])

    def curve(self, rows: Released[Sequence[tuple[int, Mapping[str, float]]]]) -> None:
        """Several metrics at several steps as one event: pairs of a step and the values there."""
        self._points([(key, step, value) for step, values in released_value(rows) for key, value in values.items()])

    def dataset(self, card: Released[DatasetCard]) -> None:
        """A public data set as an input of this phase."""
        self._append_once("dataset", asdict(released_value(card)))

    def artifact(self, path: Released[PathLike]) -> None:
        """One file of the run's public folder, by its path relative to that folder.

        Raises:
            PrivacyViolation: the path is outside the public folder.
        """
        relative, full = self._inside(released_value(path))
        if not full.is_file():
            raise expected("a file in the public folder", "write it before recording it", path=relative)
        self._append_once("artifact", {"path": relative, "sha256": hashlib.sha256(full.read_bytes()).hexdigest()})

    def model(
        self, folder: Released[PathLike], card: Released[ModelCard], evaluation: Released[Evaluation] | None = None
    ) -> None:
        """A student written by ``pate.student.export.save_exported`` to a subfolder of the public folder.

        Args:
            folder: its path relative to the public folder.
            card: its description in the registry.
            evaluation: metrics of the run that are metrics of this model.

        Raises:
            PrivacyViolation: the run or the model is insecure (its noise was seeded).
        """
        described = released_value(card)
        relative, full = self._inside(released_value(folder))
        if described.insecure or self._record.insecure:
            raise PrivacyViolation(
                "Expected noise from the operating system's entropy, got insecure=True; a model from seeded noise has "
                "no guarantee and is not registered"
            )
        spec = read_spec(full)
        body = {"folder": relative, "digest": spec.digest, "card": asdict(described)}
        if spec.preprocessing_digest is not None:
            body["preprocessing"] = spec.preprocessing_digest
        if evaluation is not None:
            body["evaluation"] = self._evaluated(released_value(evaluation))
        self._append_once("model", body)

    def close(self) -> None:
        """Release the outbox without recording how the run ended."""
        self._outbox.close()

    def __enter__(self) -> Tracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = "FINISHED" if kind is None else "FAILED" if issubclass(kind, Exception) else "KILLED"
        self._status(ended)
        if self._phase in ROOTS:
            self.close()

    def _status(self, status: str) -> None:
        known = self._record.status.get(self._phase)
        if status == known or (status == "RUNNING" and known == "FINISHED"):
            return
        body = {"status": status, "run_id": self._record.run_id, "insecure": self._record.insecure}
        self._append("status", body)

    def _points(self, points: Sequence[tuple[str, int, Any]]) -> None:
        fresh: list[list[str | int | float]] = []
        for key, step, value in points:
            check_key(key)
            if not isinstance(value, numbers.Real):
                raise expected("a real number", "convert it first", metric=key, type=type(value).__name__)
            if (self._phase, key, step) not in self._record.points:
                number = float(value)
                fresh.append([key, step, number if math.isfinite(number) else repr(number)])
        self._append("metrics", {"points": fresh} if fresh else {})

    def _evaluated(self, found: Evaluation) -> dict[str, Any]:
        """Record the metrics of the run, and return them with their times, for the model."""
        self._points([(key, 0, value) for key, value in found.metrics.items()])
        times = {key: self._record.points[self._phase, key, 0] for key in found.metrics}
        points = [[key, value, times[key]] for key, value in found.metrics.items()]
        return {"dataset": found.dataset, "fingerprint": found.fingerprint, "points": points}

    def _append(self, kind: str, body: dict[str, Any]) -> None:
        if body:
            self._record.note(self._outbox.append(kind, self._phase, body))

    def _append_once(self, kind: str, body: dict[str, Any]) -> None:
        if digest_of(kind, self._phase, body) not in self._record.digests:
            self._append(kind, body)

    def _inside(self, path: str | PurePath) -> tuple[str, Path]:
        """The path relative to the public folder, and the absolute path."""
        root = self._record.public_folder.resolve()
        full = (root / path).resolve()
        if full == root or not full.is_relative_to(root):
            raise PrivacyViolation("Expected a path inside the run's public folder, got one outside it")
        return full.relative_to(root).as_posix(), full
