"""``pate run`` on private tables full of canaries, once to its end and once for each way to fail.

    python egress_driver.py FOLDER

One process and one Ray, started as pate starts it, in FOLDER/ray, so that the session folder can be looked at
afterwards. The teachers are sabotaged from the driver: their functions travel to the workers with the task.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pate.votes import VoteMatrix
from pipelines.cli import app
from pipelines.cli.app import keep_private
from pipelines.cluster import session as ray_runtime
from pipelines.run import labels, student
from pipelines.teachers import training, voting

FAULT = "CANARY-EXCEPTION"


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _raise_row(source: Any, **_: Any) -> None:
    """A teacher that fails on its first record and quotes it."""
    raise RuntimeError(f"CANARY-EXCEPTION in {source.load()[0][0][0].tolist()}")


def _noisy_teacher(**arguments: Any) -> Any:
    """A teacher whose libraries talk."""
    import logging
    import warnings

    from pipelines.teachers.bundles import train_and_keep

    row = arguments["source"].load()[0][0][0].tolist()
    warnings.warn(f"CANARY-TALK {row}", stacklevel=1)
    logging.getLogger("some.library").warning("CANARY-TALK %s", row)
    return train_and_keep(**arguments)


def _raise_votes(weights: Any, inputs: Any, **_: Any) -> None:
    raise KeyError(f"CANARY-EXCEPTION {weights.content[:40].hex()}")


def _raise_histogram(votes: VoteMatrix) -> None:
    raise ValueError(f"CANARY-EXCEPTION {votes.labels_TQ.tolist()}")


def _talk_and_run(original: Callable[..., Any]) -> Callable[..., Any]:
    """A stage in whose process libraries talk, and a thread and a destructor fail."""

    class Dying:
        def __del__(self) -> None:
            raise RuntimeError(FAULT)

    def fail() -> None:
        raise RuntimeError(FAULT)

    def work(*arguments: Any, **named: Any) -> Any:
        warnings.warn(f"{FAULT} in a warning", stacklevel=1)
        logging.getLogger("some.library").error("%s in a log", FAULT)
        Dying()
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        return original(*arguments, **named)

    return work


def sabotages() -> dict[str, Any]:
    return {
        "teachers": (training, "train_and_keep", _raise_row),
        "votes": (voting, "vote_of_bundle", _raise_votes),
        "door": (VoteMatrix, "histogram", _raise_histogram),
        "student": (student, "save_exported", _raise_row_of_student),
    }


def _raise_row_of_student(*_: Any, **__: Any) -> None:
    raise RuntimeError(FAULT)


def pate(*words: str) -> None:
    print(f"== pate {' '.join(word.rpartition('/')[2] for word in words)}", flush=True)
    print(f"== {app.run(list(words))}", flush=True)


def main(folder: Path) -> None:
    keep_private(app._private)
    session = folder / "ray"
    session.mkdir(mode=0o700)
    ray_runtime._start_local(2, session)
    configs = sorted(folder.glob("configs/bad-*.yaml"))
    for config in configs:
        pate("run", str(config), "--quiet")
    for name, sabotage in sabotages().items():
        with replaced(*sabotage):
            pate("run", str(folder / "configs" / f"{name}.yaml"), "--quiet")
    with (
        replaced(training, "train_and_keep", _noisy_teacher),
        replaced(labels, "track_spend", _talk_and_run(labels.track_spend)),
    ):
        pate("run", str(folder / "configs" / "good.yaml"))
    for words in (["ledger", "show"], ["ledger", "verify"], ["ledger", "export"], ["doctor"]):
        pate(*words)
    for path in sorted(Path(os.environ["PATE_HOME"], "runs").glob("good-*")):
        pate("report", path.name)
        pate("report", path.name, "--json")
    ray_runtime.ray.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
