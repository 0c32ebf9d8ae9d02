"""Two vote matrices of equal shape and the same answers: everything public is the same, byte for byte.

Put aside is only what a clock or a random name decides: times, durations, MLflow's ids, and the ledger's hashes,
which cover times.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pate.ledger import PrivacyLedger

pytestmark = pytest.mark.slow
NORMAL = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?", "TIME"),
    (r"\b1[789]\d{8}(\.\d+|\d{3})?\b", "TIME"),  # seconds or milliseconds since 1970
    (r"\b(m-)?[0-9a-f]{32}\b", "ID"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "ID"),
)


def normalised(text: str, hashes: dict[str, str]) -> str:
    """Without times and random names; a hash over such a thing becomes the name of what it is the hash of."""
    text = re.sub(r"\b[0-9a-f]{64}\b", lambda found: hashes.get(found[0], found[0]), text)
    for pattern, word in NORMAL:
        text = re.sub(pattern, word, text)
    return text


def hashes_over_times(home: Path) -> dict[str, str]:
    """Hash -> what it covers: the two forms of the report, which say when they were made, and the ledger's rows."""
    found = {hashlib.sha256(path.read_bytes()).hexdigest(): path.name for path in home.glob("runs/*/public/report.*")}
    ledger = PrivacyLedger(home / "ledger")
    found |= {entry.hash: f"row {entry.seq}" for entry in ledger.entries()}
    ledger.close()
    return found


def unsalted(body: str) -> dict[str, object]:
    """A row's body without the salt and the digest that it decides."""
    return {name: value for name, value in json.loads(body).items() if name not in ("salt", "units_sha256")}


def dump(path: Path) -> str:
    """A database as text, rows of each table sorted, since ids decide their order."""
    db = sqlite3.connect(path)
    lines = list(db.iterdump())
    db.close()
    return "\n".join(lines)


def public(home: Path) -> dict[str, object]:
    """Everything public, by its normalised place."""
    found: dict[str, object] = {}
    hashes = hashes_over_times(home)
    for path in sorted(home.rglob("*")):
        parts = path.relative_to(home).parts
        if not path.is_file() or "private" in parts or parts[0] == "ledger":
            continue
        name = normalised("/".join(parts), hashes)
        if path.suffix == ".db":
            found[name] = sorted(normalised(dump(path), hashes).splitlines())
            continue
        content = path.read_bytes()
        try:
            found[name] = normalised(content.decode(), hashes)
        except UnicodeDecodeError:
            found[name] = content
    ledger = PrivacyLedger(home / "ledger")
    rows = [json.loads(line) for line in ledger.export()]
    ledger.verify()
    ledger.close()
    found["ledger"] = [[row["seq"], row["account"], row["kind"], unsalted(row["body"])] for row in rows]
    return found


def votes(home: Path) -> np.ndarray:
    (path,) = home.glob("runs/*/private/votes/votes.npy")
    return np.load(path, allow_pickle=False)


def test_other_votes_and_the_same_answers_give_the_same_public_bytes(tmp_path: Path, tables) -> None:
    (tmp_path / "CANARY-PATH").mkdir()
    (tmp_path / "configs").mkdir()
    tables.write(tmp_path / "CANARY-PATH" / "good.csv", tables.rows(120, True, 3))
    tables.write(tmp_path / "pool.csv", tables.rows(60, False, 1))
    tables.write(tmp_path / "evaluation.csv", tables.rows(40, False, 2))
    config = tmp_path / "configs" / "study.yaml"
    mechanism = "{kind: confident-gnmax, threshold: 3, sigma_threshold: 2, sigma: 2, max_answered: 12}"
    text = tables.CONFIG.replace("NAME", "study").replace("FILE", "good.csv")
    text = text.replace("{kind: gnmax, sigma: 2}", mechanism)
    text += "tracking: {system_metrics: false}\n"  # how busy a process was is what a clock decides
    figure = "sanitised: {order: 3, beta: 0.1, sigma_ss: 4, tau_s: 0.3}"
    config.write_text(text.replace("accountant: gaussian}", f"accountant: gaussian, {figure}}}"))
    PrivacyLedger(tmp_path / "new" / "ledger").close()  # one key, so that hashes of the same inputs agree
    home, homes, said = tmp_path / "home", [tmp_path / "first", tmp_path / "second"], []
    for number, kept_home in enumerate(homes):
        shutil.copytree(tmp_path / "new", home)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
        driver = Path(__file__).with_name("same_answers_driver.py")
        done = subprocess.run(
            [sys.executable, str(driver), str(config), str(number), "inject"],
            capture_output=True, text=True, check=False, env={**kept, "PATE_HOME": str(home), "COLUMNS": "300"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said.append((normalised(done.stdout, {}), normalised(done.stderr, {})))
        home.rename(kept_home)
    first, second = (votes(home) for home in homes)
    assert first.shape == second.shape
    assert (first != second).mean() > 0.3
    one, other = (public(home) for home in homes)
    assert said[0] == said[1]
    assert one.keys() == other.keys()
    different = [name for name in one if one[name] != other[name]]
    assert different == []
    assert {"mlflow/mlflow.db", "ledger"} <= one.keys()
    assert "31416" in str(one["ledger"]), "the figure, too, was injected"
    print(f"{len(one)} public files and the ledger: the same, {(first != second).mean():.0%} of the votes differ")
