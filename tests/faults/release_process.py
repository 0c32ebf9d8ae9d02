"""A process that releases and is killed; prints one JSON line for each of its lives.

It imports the ledger and the door only, once, and lives as a forked child each time. It can be told to die before
the n-th step that reaches the disk or draws noise (every SQL statement, every file opened or renamed, every draw,
both sides), or is killed from outside at a random moment.

    python release_process.py FOLDER KILLS SEED
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from pathlib import Path

import numpy as np

from pate.accounting import ComposedEvent, ConfidentGNMaxEvent, PrivacyEvent, data_independent_epsilon
from pate.accounting.events import SanitisedReleaseEvent
from pate.accounting.sanitised.gap_bound import gap_costs
from pate.aggregation import ConfidentGNMax, ExactNoise
from pate.aggregation.release import release
from pate.ledger import Account, PrivacyLedger, schema
from pate.votes import VoteHistogram

DELTA = 1e-5
ACCOUNT = Account(name="ward", epsilon=1e6, delta=DELTA, accountant="gaussian", unit="patient")
FIGURE = SanitisedReleaseEvent(order=3.0, beta=0.1, sigma_ss=5.0, tau_s=30.0)
KEYS = [f"input {i}".encode() for i in range(40)]


def campaign(folder: Path, queries: int, batch_size: int) -> list[list[int]]:
    """One campaign of Confident-GNMax: every third input is refused for sure, the others get a label that only the
    noise decides, so that a second draw would show; it ends early and shows an estimate with wide noise."""
    counts = np.full((queries, 3), 50, dtype=np.int64)
    counts[::3] = 1
    with PrivacyLedger(folder) as ledger:
        ledger.register(ACCOUNT)
        answers = release(
            ledger,
            account="ward",
            task="t",
            mechanism=ConfidentGNMax(threshold=25, sigma_threshold=3.0, sigma=8.0, max_answered=queries // 2),
            votes=VoteHistogram(counts_QC=counts, teachers=150),
            query_keys=KEYS[:queries],
            noise=ExactNoise(),
            moved_votes=1,
            sanitised=FIGURE,
            batch_size=batch_size,
        )
    estimate = answers.value.estimate
    return [answers.value.labels_Q.tolist(), [estimate.cost_steps, estimate.width_steps]]


class Steps:
    """Counts the steps of this life and ends it before the n-th."""

    def __init__(self, folder: Path, last: int | None) -> None:
        self.folder, self.last, self.count, self.names = str(folder), last, 0, []
        sys.addaudithook(self._file)
        drawn = ExactNoise.gaussian

        def gaussian(source: ExactNoise, sigma: float, size: int) -> np.ndarray:
            self.step("draw: before")
            noise = drawn(source, sigma, size)
            self.step("draw: after")
            return noise

        def connect(path: str) -> sqlite3.Connection:
            db = connected(path)
            db.set_trace_callback(lambda sql: self.step(f"sql: {' '.join(sql.split()[:3])}"))
            return db

        connected, schema.connect = schema.connect, connect
        ExactNoise.gaussian = gaussian

    def step(self, name: str) -> None:
        if self.count == self.last:
            Path(f"{self.folder}.died").write_text(name)
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1
        self.names.append(name)

    def _file(self, event: str, arguments: tuple) -> None:
        if event in ("open", "os.rename") and isinstance(arguments[0], str | Path):
            path = str(arguments[0])
            if path.startswith(self.folder + "/") and "sqlite3" not in path:
                self.step(f"{event}: {Path(path).name.lstrip('.').split('.')[0]}")


def life(folder: Path, queries: int, batch_size: int, last: int | None, delay: float | None = None) -> int:
    """Fork, run the campaign, die or end; returns the wait status."""
    child = os.fork()
    if child == 0:
        steps = Steps(folder, last)
        everything = campaign(folder, queries, batch_size)
        steps.step("shown")
        (folder.parent / f"{folder.name}.shown").write_text(json.dumps(everything))
        (folder.parent / f"{folder.name}.steps").write_text(json.dumps(steps.names))
        os._exit(0)
    if delay is not None:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def observe(folder: Path, status: int, queries: int, **facts: object) -> None:
    """State that an onlooker sees: charges, cost of the answers so far, and the answers."""
    copy = folder.with_name("onlooker")  # opening a ledger repairs it, so the next life gets it as it was left
    if folder.exists():
        shutil.copytree(folder, copy)
    with PrivacyLedger(copy) as ledger:
        ledger.verify()
        stored = ledger.stored_answers("ward", "t", ledger.key.queries(KEYS[:queries]))
        asked = [answer for answer in stored if answer is not None]
        labels = sum(answer >= 0 for answer in asked)
        estimates = ledger.estimates("ward")
        released: list[PrivacyEvent] = [estimate.release for estimate in estimates]
        if asked:
            counts = {"max_asked": len(asked), "max_answered": max(1, labels)}
            released.append(ConfidentGNMaxEvent(threshold=25, sigma_threshold=3.0, sigma=8.0, **counts))
        cost = data_independent_epsilon(ComposedEvent(events=tuple(released)), DELTA, "gaussian").epsilon
        shown = folder.parent / f"{folder.name}.shown"
        died = folder.parent / f"{folder.name}.died"
        line = {
            "killed": os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL,
            "charged": sum(ledger.spent(account.name).epsilon for account in ledger.accounts()),
            "released": cost,
            "stored": stored,
            "figures": [[estimate.cost_steps, estimate.width_steps] for estimate in estimates],
            "shown": json.loads(shown.read_text()) if shown.exists() else None,
            "died": died.read_text() if died.exists() else None,
            **facts,
        }
        died.unlink(missing_ok=True)
    shutil.rmtree(copy)
    print(json.dumps(line), flush=True)


def sweep(folder: Path) -> int:
    """Die before every step in turn, each time in a new ledger, and run again; returns how many kills it took."""
    kills = 0
    while True:
        here = folder / f"sweep-{kills}"
        status = life(here, 6, 2, kills)
        observe(here, status, 6, ledger=here.name)
        if not os.WIFSIGNALED(status):
            print(json.dumps({"steps": json.loads((folder / f"{here.name}.steps").read_text())}), flush=True)
            return kills
        kills += 1
        observe(here, life(here, 6, 2, None), 6, ledger=here.name)
        shutil.rmtree(here)


def at_random(folder: Path, kills: int, rng: random.Random) -> None:
    """Killed from outside at random moments, the same campaign each time until it is done."""
    done, number = 0, 0
    while done < kills:
        here = folder / f"random-{number}"
        shown = folder / f"{here.name}.shown"
        while done < kills and not shown.exists():
            status = life(here, 40, 1, None, delay=rng.uniform(0.0, 0.05))
            done += os.WIFSIGNALED(status)
            observe(here, status, 40, ledger=here.name)
        observe(here, life(here, 40, 1, None), 40, ledger=here.name)
        number += 1


if __name__ == "__main__":
    place, all_kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    loaded = sorted({"torch", "ray", "mlflow"} & set(sys.modules))
    print(json.dumps({"loaded": loaded}), flush=True)
    gap_costs(8.0, 150, 3, FIGURE.order)  # once, not in every life
    swept = sweep(place)
    at_random(place, all_kills - swept, random.Random(seed))
