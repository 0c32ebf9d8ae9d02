"""A whole run with made-up votes and without Ray. Told to inject, it puts the answers, and the figure that the campaign
buys, into the ledger before the door is asked for them.

python same_answers_driver.py CONFIG SEED_OF_VOTES [inject]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pate.accounting.sanitised.release import SanitisedEstimate
from pate.aggregation import campaign_event
from pate.aggregation.release import _campaign_id
from pate.votes import VoteMatrix
from pipelines.cli import app
from pipelines.cluster import session as ray_runtime
from pipelines.run import labels
from pipelines.run.account import request
from pipelines.teachers import training, voting
from pipelines.teachers.ensemble import ROSTER
from pipelines.teachers.roster import Roster

ANSWERED = 12


class NoRay:
    def session(self) -> None:
        return None


@contextmanager
def without_ray(*_: Any) -> Iterator[NoRay]:
    yield NoRay()


def injected(queries: int) -> list[int]:
    """Answers and refusals, from a fixed seed, that end with the last answer that is charged."""
    drawn = np.random.default_rng(99).integers(-1, 2, queries)
    return drawn[: int(np.flatnonzero(np.cumsum(drawn >= 0) == ANSWERED)[0]) + 1].tolist()


def main(config: Path, seed: int, inject: bool) -> int:
    rng, label_for_real = np.random.default_rng(seed), labels.charge_and_answer

    def train_teachers(team: Any, *_: Any, **__: Any) -> Roster:
        (team.folder / "weights").write_bytes(rng.bytes(100))
        roster = Roster(enrolled=team.config.partition.teachers)
        roster.save(team.folder / ROSTER)
        return roster

    def collect_votes(path: Path, team: Any, inputs: Any, *_: Any, **__: Any) -> voting.Voted:
        classes = len(team.study.classes)
        votes = rng.integers(-1, classes, (team.config.partition.teachers, len(inputs)))
        return voting.Voted(sha256=VoteMatrix.collect(votes, classes).save(path), unreachable=0)

    def label(ledger: Any, settings: Any, study: Any, votes: Any, queries: Any, progress: Any) -> Any:
        """Charge and persist as the campaign would, then go on with it as after a crash."""
        asked = request(settings, study, queries)
        account, mechanism, moved = asked["account"], asked["mechanism"], asked["moved_votes"]
        hashes = ledger.key.queries(asked["query_keys"])
        intent = ledger.reserve(
            account,
            campaign=_campaign_id(account, study.task, mechanism, hashes, moved, asked["noise"], asked["sanitised"]),
            task=study.task,
            event=campaign_event(mechanism, queries=len(hashes), moved_votes=moved, sanitised=asked["sanitised"]),
            queries=hashes,
            max_answered=mechanism.max_answers(len(hashes)),
        )
        answers = injected(len(hashes))
        ledger.persist(intent, list(zip(hashes[: len(answers)], answers, strict=True)))
        figure = SanitisedEstimate(release=asked["sanitised"], cost_steps=31416, width_steps=-2000, basis="injected")
        ledger.persist_estimate(intent, figure)
        return label_for_real(ledger, settings, study, votes, queries, progress)

    training.train_teachers, voting.collect_votes = train_teachers, collect_votes
    training.training_files = lambda team, _: [team.folder / "weights", team.folder / ROSTER]
    ray_runtime.on_demand = without_ray
    if inject:
        labels.charge_and_answer = label
    return app.run(["run", str(config)])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] == ["inject"]))
