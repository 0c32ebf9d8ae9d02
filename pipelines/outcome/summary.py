"""The result of a run on one screen, rebuilt from the run's files."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from pate.accounting.rounding import up
from pate.files import write_atomically
from pate.values import BenchmarkOnly, Released, released_value
from pipelines.outcome import benchmark_metrics
from pipelines.outcome.benchmark_metrics import BenchmarkMetrics
from pipelines.outcome.metrics import alarms_of, words
from pipelines.storage.run_folder import RunFolder

_SHOWN = 3  # classes


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The result of a run.

    Attributes:
        released: public facts and metrics, by name.
        metrics: on a public benchmark, the comparison with the truth.
    """

    released: Released[dict[str, Any]]
    metrics: BenchmarkOnly[BenchmarkMetrics] | None

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``: benchmark-only metrics are under ``benchmark_only``."""
        content = dict(self.released.value)
        if self.metrics is not None:
            content["benchmark_only"] = {"source": self.metrics.source.name, **asdict(self.metrics.value)}
        return content

    def lines(self) -> list[tuple[str, str]]:
        """Names and values for a terminal."""
        facts = self.released.value
        rows = [
            ("run", facts["run_id"]),
            ("teachers", _teachers(facts)),
            ("queries", f"{facts['asked']} asked, {facts['answered']} answered"),
            (
                "epsilon",
                f"{up(facts['epsilon'])} at delta {facts['delta']:g} per {facts['unit']} (data-independent, "
                f"accountant {facts['accountant']}); budget {facts['budget']:g}",
            ),
        ]
        if facts.get("sanitised") is not None:
            rows.append(("sanitised", sanitised_words(facts["sanitised"])))
        if self.metrics is not None:
            rows.append(("label accuracy", f"{self.metrics.value.label_accuracy:.1%} of those answered *"))
        rows.append(("student", words(facts, what=" evaluation records")))
        rows += _classes(facts)
        if self.metrics is not None:
            rows.append(("one teacher", f"{self.metrics.value.single_teacher_accuracy:.1%} on average *"))
            rows.append(("pooled", f"{self.metrics.value.pooled_accuracy:.1%} with all private records, no privacy *"))
        rows.append(("report", str(facts["report"])))
        look = "" if facts["tracking"].startswith("http") else f"; view with: {_command('ui')}"
        rows.append(("tracking", facts["tracking"] + look))
        if facts["secure_noise"]:
            despite = ["--despite-alarms"] if alarms_of(facts) else []
            words_of = "register the student, if it is of use despite its alarms" if despite else "register the student"
            rows.append(("next", f"{words_of}: {_command('register', facts['run_id'], *despite)}"))
        else:
            rows.append(("warning", "insecure, seeded noise: no guarantee, not registered"))
        if self.metrics is not None:
            rows.append(("", f"* known only because {self.metrics.source.name} is a public benchmark"))
        return rows


def sanitised_words(shown: Mapping[str, Any]) -> str:
    """A sanitised estimate in words, with its spread and its limits."""
    return (
        f"{up(shown['epsilon'], 2)} ± {up(shown['standard_deviation'], 2)}, below {up(shown['upper'], 2)} with "
        f"{shown['confidence']:.0%} confidence ({shown['basis']}): a noisy estimate for these votes, no guarantee"
    )


def _teachers(facts: dict[str, Any]) -> str:
    lost = facts.get("teachers_lost", 0)
    trained = f"{facts['teachers'] - lost} {'voted elsewhere' if facts.get('votes_given') else 'trained'}"
    return f"{trained}, {lost} lost to infrastructure before the roster was frozen" if lost else trained


def _classes(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Accuracy of the worst classes, and the alarms; nothing for a summary of an older run."""
    known = [own for own in facts.get("student_by_class", []) if own["accuracy"] is not None]
    lowest = sorted(known, key=lambda own: float(own["accuracy"]))[:_SHOWN]
    shown = ", ".join(f"{own['class']} {own['accuracy']:.0%}" for own in lowest)
    rows = [("worst classes", f"{shown} correct")] if lowest else []
    return [*rows, *(("ALARM", alarm) for alarm in alarms_of(facts))]


def _command(*words: str) -> str:
    """A command that the user can copy, with pate's invocation and the PATE_HOME of this run."""
    here = os.environ.get("PATE_HOME")
    pate = Path(sys.argv[0])
    shown = pate.relative_to(Path.cwd()) if pate.is_relative_to(Path.cwd()) else pate
    return " ".join([*([f"PATE_HOME={here}"] if here else []), str(shown), *words])


def save(folder: RunFolder, released: Released[dict[str, Any]]) -> None:
    """Keep the public part."""
    write_atomically(folder.summary_file, json.dumps(released_value(released), indent=1))


def load(folder: RunFolder) -> Summary | None:
    """The summary of a finished run, or ``None``."""
    path = folder.summary_file
    if not path.exists():
        return None
    metrics = benchmark_metrics.load(folder.benchmark_file)
    facts = json.loads(path.read_text()) | {"report": str(folder.report_html)}  # which may have been moved
    return Summary(released=Released.public(facts), metrics=metrics)
