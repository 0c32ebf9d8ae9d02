"""Files that lie about their size, or nest without end, end in one line and exit code 2, at once."""

from __future__ import annotations

import json
import struct
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from pate.errors import InputError
from pate.npy_file import load_npy
from pipelines.cli.app import run
from pipelines.config.experiment import load
from pipelines.results.vote_files import read_numbers

SMOKE = (Path(__file__).parents[2] / "configs" / "smoke.yaml").read_text()


def laughs(levels: int, items: int, first: str) -> str:
    lines = [f"a0: &a0 {first}"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * items)}]")
    return (
        "\n".join(lines)
        + "\n"
        + SMOKE.replace("description: The smallest complete run.", f"description: *a{levels - 1}")
    )


def changed(before: str, after: str) -> str:
    assert before in SMOKE
    return SMOKE.replace(before, after)


YAML = {
    "billion laughs": laughs(10, 10, "lol"),
    "one long text many times": f'a: &a "{"x" * 900_000}"\nb: [{", ".join(["*a"] * 4_000)}]\n' + SMOKE,
    "merged maps": "a0: &a0 {k: v}\n" + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 40)),
    "itself": "a: &a [*a]\n",
    "deep lists": "a: " + "[" * 100_000,
    "deep maps": "".join(" " * level + f"a{level}:\n" for level in range(900)),
    "a large file": SMOKE + "# x\n" * 400_000,
    "a list as a key": "? [a, b]\n: 1\n",
    "a map as a key": "{a: 1}: 2\n",
    "a number as a key": "1: 2\n" + SMOKE,
    "nothing as a key": "~: 2\n" + SMOKE,
    "an impossible day": changed("max_asked: 40", "max_asked: 2001-99-99"),
    "a number of 5,000 digits": changed("max_asked: 40", f"max_asked: {'9' * 5000}"),
    "a seed of 400 digits": changed("description:", f"seed: {'9' * 400}\ndescription:"),
    "an epsilon of 400 digits": changed("epsilon: 10", f"epsilon: {'9' * 400}"),
    "1e15 queries": changed("max_asked: 40", "max_asked: 1000000000000000"),
    "1e15 inputs": changed("pool: 200", "pool: 1000000000000000"),
    "1e15 teachers": changed("teachers: 20", "teachers: 1000000000000000"),
    "a batch beyond 64 bits": changed("max_asked: 40", "max_asked: 40\n  batch_size: 10000000000000000000000"),
    "threads": changed("learner: supervised", "learner: supervised\n  threads: 100000"),
    "updates": changed("steps: 100", "steps: 100000000000000"),
    "no noise": changed("sigma: 5", "sigma: 1e-300"),
    "noise beyond 64 bits": changed("sigma: 5", "sigma: 1e300"),
    "a pool of one": changed("pool: 200", "pool: 1").replace("max_asked: 40", "max_asked: 1"),
    "a python object": changed("The smallest complete run.", '!!python/object/apply:os.system ["true"]'),
    "bytes": changed("The smallest complete run.", '!!binary "a"'),
    "a set": "!!set {a, b}\n",
    "a model with a slash": SMOKE + "tracking: {registered_model: ward/7}\n",
    "a model with a colon": SMOKE + 'tracking: {registered_model: "ward:7"}\n',
    "a model without a name": SMOKE + 'tracking: {registered_model: ""}\n',
    "a model with a long name": SMOKE + f"tracking: {{registered_model: {'x' * 300}}}\n",
    "an experiment without a name": SMOKE + 'tracking: {experiment: ""}\n',
    "an experiment with a long name": SMOKE + f"tracking: {{experiment: {'x' * 501}}}\n",
    "an experiment on two lines": SMOKE + 'tracking: {experiment: "a\\nb"}\n',
    "a scheme that is none": SMOKE + 'tracking: {uri: "ftp://x"}\n',
    "a host that is none": SMOKE + 'tracking: {uri: "http://[::1"}\n',
    "a port that is none": SMOKE + 'tracking: {uri: "http://x:99999999"}\n',
    "a folder as a store": SMOKE + 'tracking: {uri: "sqlite:////tmp"}\n',
}


@pytest.mark.parametrize("name", YAML)
def test_a_configuration_that_asks_too_much_is_one_line_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    path = tmp_path / "c.yaml"
    path.write_text(YAML[name])
    began = time.process_time()
    tracemalloc.start()
    code = run(["validate", str(path)])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    said = capsys.readouterr()
    assert (code, said.out) == (2, ""), said
    assert said.err.startswith("pate: error: ")
    assert said.err.count("\n") == 1
    assert len(said.err) < 2000
    assert most < 200e6
    assert time.process_time() - began < 30


def test_aliases_within_bounds_stay_possible(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        SMOKE.replace("{kind: logistic}", "&m {kind: logistic}", 1).replace("{kind: logistic}\n    t", "*m\n    t")
    )
    assert "*m" in path.read_text()
    assert load(path).student.model_kind == "logistic"


def npy(header: str, content: bytes = b"\0" * 64, version: bytes = b"\x01\x00") -> bytes:
    text = header.encode("latin-1")
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + content


def described(shape: object, kind: str = "<f8") -> str:
    return f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}\n"


NPY = {
    "terabytes": npy(described((10**6, 10**6))),
    "more than 64 bits": npy(described((10**30, 10))),
    "overflow to little": npy(described((2**32, 2**32))),
    "negative": npy(described((-1, 8))),
    "true": npy(described("(True, 8)")),
    "fewer than there are": npy(described((1, 1))),
    "objects": npy(described((2, 4), "|O")),
    "deep": npy("(" * 5000),
    "words": npy("__import__('os').system('true')"),
    "no header": b"\x93NUMPY\x01\x00\xff\xff",
    "another version": npy(described((2, 4)), version=b"\x09\x09"),
    "no numpy file": b"hello",
    "empty": b"",
}


@pytest.mark.parametrize("name", NPY)
def test_an_array_whose_header_lies_is_one_line_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    path = tmp_path / "votes.npy"
    path.write_bytes(NPY[name])
    tracemalloc.start()
    with pytest.raises(InputError) as error:
        read_numbers(path, "votes")
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError):  # noqa: PT011 - any, but nothing else
        load_npy(path)


@pytest.mark.parametrize("content", [np.arange(12.0).reshape(3, 4), np.arange(4, dtype=np.int8), np.zeros((0, 3))])
def test_an_honest_array_is_read_as_numpy_reads_it(tmp_path: Path, content: np.ndarray) -> None:
    path = tmp_path / "a.npy"
    for order in ("C", "F"):
        np.save(path, np.asarray(content, order=order))
        np.testing.assert_array_equal(load_npy(path), content)
        assert load_npy(path).dtype == content.dtype


@pytest.mark.parametrize("body", [5, None, [1], "5", "[" * 50_000])
def test_an_exported_ledger_with_another_body_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body: object
) -> None:
    row = {"seq": 1, "account": "", "kind": "schema", "body": body, "at": "", "previous": "0" * 64, "hash": "0" * 64}
    path = tmp_path / "ledger.jsonl"
    path.write_text(json.dumps(row) + "\n")
    assert run(["ledger", "verify", "--file", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("pate: error: Expected")
    assert said.count("\n") == 1


@pytest.mark.parametrize("place", ["a file", "runs is a file", "mlflow is a file", "out of reach"])
def test_a_home_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    home = tmp_path / "home"
    if place == "out of reach":
        home = tmp_path / ("x" * 300)  # no file system takes such a name
    elif place == "a file":
        home.write_text("")
    else:
        home.mkdir()
        (home / place.split(maxsplit=1)[0]).write_text("")
    monkeypatch.setenv("PATE_HOME", str(home))
    (tmp_path / "c.yaml").write_text(SMOKE)
    assert run(["run", str(tmp_path / "c.yaml")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("pate: error: Expected ")
    assert "PATE_HOME" in said
    assert said.count("\n") == 1
