"""Canaries in every private place, and zero hits wherever anybody else may look: on success and on every failure."""

from __future__ import annotations

import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("egress")]
CANARIES = (
    "CANARY-PATIENT", "CANARY-WARD", "CANARY-PATH", "CANARY-COLUMN", "CANARY-NUMBER", "CANARY-LABEL",
    "CANARY-EXCEPTION", "CANARY-TALK", "7319.8", "4871.39",
)  # fmt: skip


@dataclass(frozen=True)
class Done:
    folder: Path
    out: str
    err: str

    @property
    def home(self) -> Path:
        return self.folder / "home"


@pytest.fixture(scope="module")
def done(tables) -> Iterator[Done]:
    folder = Path(tempfile.mkdtemp(prefix="pate-e-", dir="/tmp"))  # socket paths are short
    for name in ("configs", "CANARY-PATH", "tmp"):
        (folder / name).mkdir()
    tables.write(folder / "pool.csv", tables.rows(60, False, 1))
    tables.write(folder / "evaluation.csv", tables.rows(40, False, 2))
    good = tables.rows(120, True, 3)
    private = folder / "CANARY-PATH"
    tables.write(private / "good.csv", good)
    bad = {
        "number": [*good, ["CANARY-PATIENT-x", "CANARY-NUMBER", "1", "a", "yes"]],
        "label": [*good, ["CANARY-PATIENT-x", "1", "1", "a", "CANARY-LABEL"]],
        "column": [["CANARY-COLUMN", *good[0][1:]], *good[1:]],
        "ragged": [*good, ["CANARY-PATIENT-x", "1", "1", "a", "yes", "CANARY-NUMBER"]],
        "missing": [*good, ["CANARY-PATIENT-x", "", "1", "a", "yes"]],
    }
    for name, lines in bad.items():
        tables.write(private / f"{name}.csv", lines)
        text = tables.CONFIG.replace("NAME", f"bad-{name}").replace("FILE", f"{name}.csv")
        (folder / "configs" / f"bad-{name}.yaml").write_text(text)
    text = tables.CONFIG.replace("NAME", "bad-nowhere").replace("FILE", "nowhere.csv")
    (folder / "configs" / "bad-nowhere.yaml").write_text(text)
    for name in ("good", "teachers", "votes", "door", "student"):
        (folder / "configs" / f"{name}.yaml").write_text(
            tables.CONFIG.replace("NAME", name).replace("FILE", "good.csv")
        )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
    environment = {**kept, "PATE_HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "COLUMNS": "200"}
    driver = Path(__file__).with_name("egress_driver.py")
    ran = subprocess.run(
        [sys.executable, str(driver), str(folder)],
        capture_output=True, text=True, env=environment, timeout=500, check=False, cwd=folder / "tmp",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    yield Done(folder=folder, out=ran.stdout, err=ran.stderr)
    shutil.rmtree(folder)


LAB, AGE = 7319.8246, 4871.3902
"""As in the private tables."""


def patterns() -> list[bytes]:
    """The canaries as text, in two encodings of numbers, and reversed in no way."""
    numbers = [struct.pack(f"<{kind}", value) for value in (LAB, AGE) for kind in "fd"]
    return [text.encode() for text in CANARIES] + numbers


def public_files(done: Done) -> list[Path]:
    """Everything below PATE_HOME and the temporary folder that is not in a folder named private."""
    every = [*done.home.rglob("*"), *(done.folder / "tmp").rglob("*")]
    return [path for path in every if path.is_file() and "private" not in path.relative_to(done.folder).parts]


def hits(path: Path) -> list[bytes]:
    content = path.read_bytes()
    return [pattern for pattern in patterns() if pattern in content]


def test_every_way_to_fail_failed_and_the_good_run_ended(done: Done) -> None:
    codes = dict(re.findall(r"== pate run (\S+)\.yaml --quiet\n(?:.*\n)*?== (\d+)", done.out))
    assert {name: code for name, code in codes.items() if code not in {"1", "2"}} == {}
    assert set(codes) == {
        "bad-number", "bad-label", "bad-column", "bad-ragged", "bad-missing", "bad-nowhere", "teachers", "votes",
        "door", "student",
    }, done.out  # fmt: skip
    assert "== pate run good.yaml\n" in done.out
    assert re.search(r"== pate run good\.yaml\n(?:.*\n)*?== 0\n", done.out), done.err


def test_no_canary_on_the_terminal(done: Done) -> None:
    for stream in (done.out, done.err):
        assert not [line for line in stream.splitlines() if any(canary in line for canary in CANARIES)]


def test_no_canary_in_any_public_file_nor_in_the_mlflow_store_nor_in_the_ledger(done: Done) -> None:
    files = public_files(done)
    names = {path.name for path in files}
    assert {"mlflow.db", "ledger.sqlite3", "report.html", "labels.json", "outbox.jsonl"} <= names
    found = {str(path.relative_to(done.folder)): hits(path) for path in files}
    assert {path: what for path, what in found.items() if what} == {}
    assert not [path for path in files if "CANARY" in str(path)]
    print(f"{len(files)} public files, {len(patterns())} canaries, 0 hits")


def test_the_canaries_would_be_found_where_they_are(done: Done) -> None:
    """The search itself: the private side and the tables hold them."""
    assert hits(done.folder / "CANARY-PATH" / "good.csv")
    private = [path for path in done.home.rglob("incidents/*") if path.is_file()]
    assert any(b"CANARY-EXCEPTION" in path.read_bytes() for path in private)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in private)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in done.home.rglob("private"))


def test_errors_name_an_incident_that_shows_the_private_side(done: Done) -> None:
    incidents = re.findall(r"`pate incident ([0-9a-f]+)`", done.err)
    assert len(incidents) >= 8
    texts = [next(done.home.rglob(f"incidents/{incident}")).read_text() for incident in incidents]
    assert sum("CANARY" in text for text in texts) >= 8


def test_no_vote_leaves(done: Done) -> None:
    (path,) = done.home.glob("runs/good-*/private/votes/votes.npy")
    votes_TQ = np.load(path, allow_pickle=False)
    counts_QC = np.stack([(votes_TQ == c).sum(axis=0) for c in range(2)], axis=1)
    secrets = [
        *(row.tobytes() for row in votes_TQ if len(set(row.tolist())) > 1),  # zeros alone stand in any database
        *(str(row.tolist()).encode() for row in votes_TQ),
        *(str(counts_QC[:, c].tolist()).encode() for c in range(2)), counts_QC.tobytes(),
        str(counts_QC.tolist()).encode(),
    ]  # fmt: skip
    for file in public_files(done):
        content = file.read_bytes()
        assert not [secret for secret in secrets if secret in content], file.name
    for stream in (done.out, done.err):
        assert not [secret for secret in secrets if secret.decode(errors="replace") in stream]


def test_rays_session_folder_is_private_and_holds_nothing_beyond_what_workers_said(done: Done) -> None:
    """Workers' own output is the one place where a library of a teacher may talk; the folder is its owner's alone."""
    session = done.folder / "ray"
    assert stat.S_IMODE(session.stat().st_mode) == 0o700
    found = {}
    for path in session.rglob("*"):
        if path.is_file() and not path.is_symlink():
            what = [pattern for pattern in hits(path) if pattern != b"CANARY-TALK"]
            if what and not re.match(r"worker-.*\.(out|err)$", path.name):
                found[path.name] = what
    assert found == {}


def test_tampered_weights_and_a_pickle_in_their_place_are_refused(done: Done) -> None:
    """In a run that stopped at its student: removing the markers makes it read the weights again."""
    import pickle

    (run,) = done.home.glob("runs/student-*")
    weights = sorted((run / "private" / "teachers").glob("*.safetensors"))
    whole = weights[0].read_bytes()
    environment = {**os.environ, "PATE_HOME": str(done.home), "RAY_AUTH_MODE": "token"}
    for content in (whole[:-1] + bytes([whole[-1] ^ 1]), pickle.dumps({"layer": [1.0]})):
        weights[0].write_bytes(content)
        again = subprocess.run(
            [sys.executable, "-m", "pipelines", "run", str(done.folder / "configs" / "student.yaml"), "--quiet"],
            capture_output=True, text=True, env=environment, check=False,
        )  # fmt: skip
        assert again.returncode == 2
        assert "missing or altered" in again.stderr
    weights[0].write_bytes(whole)
