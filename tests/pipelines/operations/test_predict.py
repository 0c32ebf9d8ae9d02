"""From raw rows to scores: one small study, its run, its registered model and ``pate predict``."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import numpy as np
import pandas as pd
import pytest

from pate.scoring.scorer import load_student
from pate.student.export import load_exported
from pate.student.student import Student
from pipelines.cli.app import run as pate
from pipelines.config.experiment import load
from pipelines.data.sources import load_study

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("predict"),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]
CONFIG = """
name: scored
data:
  source: table
  data_id: scored
  task: ill
  private_files: [CANARY-PATH/private.csv]
  pool_files: [public/first.csv, public/second.csv]
  evaluation_files: [public/evaluation.csv]
  pool: 90
  evaluation: 80
  format: {missing: ["NA", "?"], replace: [{column: lab, text: "<5", by: "4.5"}]}
  label: {column: ill, classes: ["no", "yes"]}
  unit: patient
  features:
    numeric: [{columns: [lab, age], missing: {strategy: public_median, indicator: true}}]
    categorical: [{columns: [ward], unknown: ignore, missing: category}]
partition: {teachers: 6, by: unit}
privacy: {epsilon: 100, delta: 1e-5, accountant: gaussian}
teachers:
  model: {kind: logistic}
  training: {steps: 20, learning_rate: 0.05}
  bundle_size: 3
labelling: {max_asked: 60, mechanism: {kind: gnmax, sigma: 2}}
student:
  learner: supervised
  spec: {model: {kind: mlp}, train: {steps: 40, learning_rate: 0.05}}
"""
BIN = Path(sys.executable).parent
SCORES = ["prediction", "probability_no", "probability_yes"]


class Scored(NamedTuple):
    """A finished run."""

    home: Path
    study: Path
    run_id: str
    expected: np.ndarray

    @property
    def public(self) -> Path:
        return self.home / "runs" / self.run_id / "public"

    @property
    def evaluation(self) -> Path:
        return self.study / "public" / "evaluation.csv"

    @property
    def store(self) -> str:
        return f"sqlite:///{self.home}/mlflow/mlflow.db"


def write(path: Path, rows: int, seed: int, *, private: bool) -> None:
    """Records with every kind of cell that the configuration speaks of."""
    rng = np.random.default_rng(seed)
    lines = ["patient,lab,age,ward,ill"]
    for number in range(rows):
        ill = rng.random() < 0.5
        lab = rng.choice(["", "NA", "<5"]) if rng.random() < 0.2 else f"{rng.normal() + 2 * ill:.3f}"
        age = "?" if rng.random() < 0.1 else str(rng.integers(18, 90))
        ward = str(rng.choice(["a", "b", "1", "2.0", "", "CANARY-WARD" if private else f"new{seed}"]))
        lines.append(f"{'CANARY-' if private else 'p'}{number},{lab},{age},{ward},{'yes' if ill else 'no'}")
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    study, home = tmp_path_factory.mktemp("study"), tmp_path_factory.mktemp("home")
    write(study / "CANARY-PATH" / "private.csv", 300, 1, private=True)
    for seed, (name, rows) in enumerate([("first", 60), ("second", 60), ("evaluation", 80)], start=2):
        write(study / "public" / f"{name}.csv", rows, seed, private=False)
    (study / "study.yaml").write_text(CONFIG)
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "run", str(study / "study.yaml"), "--json"],
        env={**os.environ, "PATE_HOME": str(home)}, capture_output=True, text=True, timeout=500,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    run_id = json.loads(done.stdout)["run_id"]
    inputs = load_study(load(study / "study.yaml")).evaluation.inputs
    network = load_exported(home / "runs" / run_id / "public" / "student")
    student = Student(network=network, classes=2, input_shape=inputs.shape[1:], curve=())
    return Scored(home=home, study=study, run_id=run_id, expected=student.predict_proba(inputs))


@pytest.fixture
def command(
    scored: Scored, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("PATE_HOME", str(scored.home))

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = pate(["predict", scored.run_id, *map(str, words)])
        return (code, *capsys.readouterr())

    return call


def test_every_row_of_the_public_file_gets_the_students_own_probabilities(
    scored: Scored, command: Callable[..., Any]
) -> None:
    code, out, _ = command(scored.evaluation, "--id", "patient")
    found = pd.read_csv(io.StringIO(out))
    assert code == 0
    assert list(found.columns) == ["row", "patient", *SCORES]
    assert found["row"].tolist() == list(range(80))
    assert found["patient"].tolist() == [f"p{number}" for number in range(80)]
    np.testing.assert_array_equal(found[SCORES[1:]].to_numpy().astype(np.float32), scored.expected)
    names = np.array(["no", "yes"])[scored.expected.argmax(axis=1)]
    assert found["prediction"].tolist() == names.tolist()


def test_parquet_and_data_frames_get_the_same(scored: Scored, command: Callable[..., Any], tmp_path: Path) -> None:
    frame = pd.read_csv(scored.evaluation, keep_default_na=False)  # ages with a question mark are text, wards mixed
    frame["age"] = pd.to_numeric(frame["age"], errors="coerce")
    frame.drop(columns="ill").to_parquet(tmp_path / "rows.parquet")
    code, out, err = command(tmp_path / "rows.parquet", "--json")
    assert code == 0, err
    rows = json.loads(out)["records"]
    np.testing.assert_array_equal(np.float32([[row[name] for name in SCORES[1:]] for row in rows]), scored.expected)
    np.testing.assert_array_equal(load_student(scored.public).predict_proba(frame), scored.expected)


def test_what_cannot_be_scored_is_refused_in_one_line(
    scored: Scored, command: Callable[..., Any], tmp_path: Path
) -> None:
    frame = pd.read_csv(scored.evaluation, dtype=str, keep_default_na=False)
    paths = {name: tmp_path / f"{name}.csv" for name in ("without", "wrong", "empty", "taken")}
    frame.drop(columns=["lab", "ward"]).to_csv(paths["without"], index=False)
    frame.assign(lab="CANARY-CELL").to_csv(paths["wrong"], index=False)
    frame.head(0).to_csv(paths["empty"], index=False)
    paths["taken"].write_text("kept")
    for words, said in (
        ([paths["without"]], "missing=['lab', 'ward']"),
        ([paths["wrong"]], "'lab'"),
        ([paths["empty"]], "records"),
        ([scored.evaluation, "--id", "nobody"], "nobody"),
        ([tmp_path / "none.csv"], "exists"),
        ([scored.evaluation, "--output", paths["taken"]], "taken.csv"),
        ([scored.evaluation, "--output", tmp_path / "no" / "out.csv"], "folder"),
    ):
        code, out, err = command(*words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert said in err
        assert "CANARY" not in err
    assert paths["taken"].read_text() == "kept"
    assert command(scored.evaluation, "--output", tmp_path / "out.csv")[:2] == (0, "")
    assert len(pd.read_csv(tmp_path / "out.csv")) == 80


def model_folder(scored: Scored) -> Path:
    client = mlflow.MlflowClient(scored.store)
    version = client.get_model_version_by_alias("pate-scored", "candidate")
    return Path(version.source.removeprefix("file://"))


def test_the_model_names_its_columns_and_holds_nothing_private_and_no_pickle(scored: Scored) -> None:
    folder = model_folder(scored)
    described = (folder / "MLmodel").read_text()
    for name in ("lab", "age", "ward"):
        assert f'"name": "{name}", "required": true' in re.sub(r"\s+", " ", described)
    files = [path for path in folder.rglob("*") if path.is_file()]
    contents = {path.name: path.read_bytes() for path in files}
    with zipfile.ZipFile(folder / "code" / "pate.zip") as archive:
        contents |= {name: archive.read(name) for name in archive.namelist()}
    for name, content in contents.items():
        assert b"CANARY" not in content, name
        assert str(scored.study).encode() not in content, name
        assert content[:1] != b"\x80", name
    assert {"patient", "ill"} & set(re.findall(r"\w+", contents["preprocessing.json"].decode())) == set()


def test_a_fresh_process_scores_raw_rows_with_the_code_that_travels(scored: Scored, tmp_path: Path) -> None:
    code = (
        "import sys, mlflow, pandas\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "model = mlflow.pyfunc.load_model('models:/pate-scored@candidate')\n"
        "assert len(model.predict(model.input_example)) == 1\n"
        "model.predict(pandas.read_csv(sys.argv[2])).to_csv(sys.argv[3], index=False)\n"
        "import pate; print(pate.__file__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, scored.store, str(scored.evaluation), str(tmp_path / "out.csv")],
        env={**os.environ, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
        cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "pate.zip" in done.stdout
    found = pd.read_csv(tmp_path / "out.csv")
    assert list(found.columns) == SCORES
    np.testing.assert_array_equal(found[SCORES[1:]].to_numpy().astype(np.float32), scored.expected)


def test_a_server_answers_raw_json(scored: Scored, free_port: Callable[[], int], tmp_path: Path) -> None:
    port = free_port()
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(model_folder(scored))),
            *("--env-manager", "local", "--port", str(port)),
        ],
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PATH": f"{BIN}:{os.environ['PATH']}"},
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip

    def ask(path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    try:
        end = time.monotonic() + 240
        while True:
            assert server.poll() is None
            assert time.monotonic() < end
            try:
                ask("ping")
                break
            except OSError:
                time.sleep(0.3)
        frame = pd.read_csv(scored.evaluation)
        rows = json.loads(frame.to_json(orient="records"))  # null for missing, numbers as numbers
        assert any(row["lab"] is None for row in rows)
        answers = json.loads(ask("invocations", {"dataframe_records": rows}))["predictions"]
        found = np.float32([[row[name] for name in SCORES[1:]] for row in answers])
        np.testing.assert_array_equal(found, scored.expected)
        one = {"lab": "<5", "age": "?", "ward": "never seen"}
        (answer,) = json.loads(ask("invocations", {"dataframe_records": [one]}))["predictions"]
        assert answer["prediction"] in {"no", "yes"}
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask("invocations", {"dataframe_records": [{"lab": 1, "age": 2}]})
        assert "ward" in refused.value.read().decode()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def test_released_labels_name_the_public_file_and_row(scored: Scored) -> None:
    answers = json.loads((scored.public / "labels.json").read_text())["answers"]
    inputs = load_study(load(scored.study / "study.yaml")).pool.inputs
    scorer = load_student(scored.public)
    assert len(answers) == 60
    assert {row["file"] for row in answers} == {"public/first.csv", "public/second.csv"}
    for row in answers:
        table = pd.read_csv(scored.study / row["file"], dtype=str, keep_default_na=False)
        np.testing.assert_array_equal(scorer.encode(table.iloc[[row["row"]]])[0], inputs[row["input"]])
