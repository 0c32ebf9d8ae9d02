"""What a run says before its charge is a function of public things alone.

Pairs of private files under one configuration: what is printed, written outside the private folders and returned is
the same to the byte, but for the number of an incident.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from pate.errors import InputError, RecordsRefused
from pate.ledger import Account, PrivacyLedger
from pipelines.cli.app import run

CANARY = "canary-7731"
CONFIG = """
name: ward
data:
  source: table
  data_id: ward
  task: ill
  private_files: [{path: private.csv}]
  pool_files: [pool.csv]
  evaluation_files: [evaluation.csv]
  pool: 40
  evaluation: 20
  label: {column: ill, classes: ["no", "yes"]}
  unit: patient
  site: hospital
  features:
    numeric: [{columns: [lab, age], scale: public}]
    categorical: [{columns: [stage], unknown: refuse, categories: [{column: stage, values: [I, II]}]}]
partition: {teachers: 6, by: site, sites: [{site: north, teachers: 4}, {site: south, teachers: 2}]}
privacy: {epsilon: 100, delta: 1e-5, accountant: gaussian}
teachers: {model: {kind: logistic}, training: {steps: 5}}
labelling: {max_asked: 10, mechanism: {kind: gnmax, sigma: 4}}
student: {learner: supervised, spec: {model: {kind: logistic}, train: {steps: 5}}}
"""


def frame(seed: int, count: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "patient": [f"p{seed}-{n}" for n in range(count)],
            "hospital": rng.choice(["north", "south"], count),
            "lab": rng.normal(size=count).round(3).astype(object),
            "age": rng.integers(20, 90, count).astype(object),
            "stage": rng.choice(["I", "II"], count),
            "ill": rng.choice(["no", "yes"], count),
        }
    )


@dataclass(frozen=True, kw_only=True)
class Said:
    """Everything public about a command that was run."""

    code: int
    out: str
    err: str
    files: dict[str, bytes]


@pytest.fixture
def public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run a command in a new PATE_HOME, on a private file and with changes of the configuration."""

    def say(
        *command: str,
        private: bytes,
        data: dict[str, Any] | None = None,
        prepare: Callable[[Path], None] = lambda home: None,
        **changes: Any,
    ) -> Said:
        number = len(list(tmp_path.glob("home-*")))
        home = tmp_path / f"home-{number}"
        home.mkdir()
        monkeypatch.setenv("PATE_HOME", str(home))
        prepare(home)
        content = yaml.safe_load(CONFIG)
        content = {**content, "data": {**content["data"], **(data or {})}, **changes}
        (tmp_path / "ward.yaml").write_text(yaml.safe_dump(content))
        (tmp_path / "private.csv").write_bytes(private)
        for seed, (name, count) in enumerate((("pool", 40), ("evaluation", 20)), start=1):
            if not (tmp_path / f"{name}.csv").exists():
                frame(seed, count).to_csv(tmp_path / f"{name}.csv", index=False)
        capsys.readouterr()
        code = run([*command, str(tmp_path / "ward.yaml")])
        printed = capsys.readouterr()
        hidden = {"private", "ledger"}  # both of mode 0700
        found = (path for path in home.rglob("*") if path.is_file() and not hidden & set(path.relative_to(home).parts))
        files = {str(path.relative_to(home)): _timeless(path.read_bytes()) for path in found}
        err = re.sub(r"pate incident \w+", "pate incident N", printed.err)
        return Said(code=code, out=printed.out, err=err, files=files)

    return say


def csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


def spoiled(column: str, value: object, row: int) -> bytes:
    table = frame(0).astype(object)
    table.loc[row, column] = value
    return csv(table)


def two_rows(**second: object) -> bytes:
    """A second record of the first patient, with these changes."""
    table = frame(0).astype(object)
    return csv(pd.concat([table, table.iloc[:1].assign(**second)], ignore_index=True))


def other(site: str) -> str:
    return "south" if site == "north" else "north"


REFUSED: dict[str, bytes] = {
    "text for a number": spoiled("lab", CANARY, 3),
    "text for another number": spoiled("age", "n/a", 50),
    "no value": spoiled("age", None, 7),
    "no value twice": csv(frame(0).assign(age=[None, None, *frame(0)["age"][2:]])),
    "a value beyond every number": spoiled("lab", "1e999", 3),
    "a value beyond single precision": spoiled("lab", 1e300, 3),
    "an unknown category": spoiled("stage", CANARY, 9),
    "no category": spoiled("stage", None, 9),
    "an unknown class": spoiled("ill", CANARY, 0),
    "no label": spoiled("ill", None, 11),
    "no id": spoiled("patient", None, 2),
    "an id that a program made missing": spoiled("patient", "NaN", 2),
    "a shortened id": spoiled("patient", "1.23457E+11", 2),
    "two spellings of an id": spoiled("patient", "P0-1", 0),
    "no site": spoiled("hospital", None, 4),
    "a site that is not listed": spoiled("hospital", CANARY, 4),
    "two spellings of a site": spoiled("hospital", "North", 4),
    "a unit at two sites": two_rows(hospital=other(frame(0)["hospital"][0])),
    "a column is missing": csv(frame(0).drop(columns="age")),
    "the label's column is missing": csv(frame(0).drop(columns="ill")),
    "a line too long": csv(frame(0)) + b"a,b,c,d,e,f,g,h,i\n",
    "no text": bytes(range(128, 256)) * 20,
    "no header": "\n".join(csv(frame(0)).decode().splitlines()[1:]).encode(),
    "nothing": b"",
}


@pytest.mark.parametrize("command", ["run", "validate", "doctor"])
def test_every_refusal_is_the_same_to_the_byte_and_nothing_is_written(
    public: Callable[..., Said], command: str
) -> None:
    said = {name: public(command, private=content) for name, content in REFUSED.items()}
    first = said["text for a number"]
    assert {name for name, found in said.items() if found != first} == set()
    if command == "run":
        assert first.code == 2
        assert first.err == f"pate: error: {RecordsRefused.SENTENCE} (details: `pate incident N`)\n"
        assert first.out == ""
        assert first.files == {}


def test_each_refusal_has_its_reason_in_the_incident(
    public: Callable[..., Said], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reasons = set()
    for content in REFUSED.values():
        public("run", private=content)
        home = max(tmp_path.glob("home-*"), key=lambda path: int(path.name.removeprefix("home-")))
        (incident,) = (home / "private" / "incidents").iterdir()
        assert run(["incident", incident.name]) == 0
        reasons.add(capsys.readouterr().out)
    assert len(reasons) >= len(REFUSED) - 3, "the operator is told what is wrong"


@pytest.mark.parametrize("command", ["validate", "doctor"])
def test_commands_that_release_nothing_say_the_same_of_good_and_bad_records(
    public: Callable[..., Said], command: str
) -> None:
    good = public(command, private=csv(frame(0)))
    assert public(command, private=csv(frame(5, 31))) == good
    assert public(command, private=REFUSED["no label"]) == good


def test_equal_records_without_ids_are_refused_like_all_others(public: Callable[..., Said]) -> None:
    without = {"unit": None, "site": None}
    more = {"data": without, "partition": {"teachers": 6, "by": "random"}}
    twice = public("run", private=two_rows(), **more)
    assert twice == public("run", private=REFUSED["no label"], **more)
    assert twice.code == 2
    assert RecordsRefused.SENTENCE in twice.err


def holding(*ids: str) -> Callable[[Path], None]:
    """A ledger with an account that can pay for nothing and holds these patients."""

    def prepare(home: Path) -> None:
        ledger = PrivacyLedger(home / "ledger")
        account = Account(name="elder", epsilon=0.001, delta=1e-5, accountant="gaussian", unit="patient")
        ledger.register(account, units=ledger.key.units(f"id:{name}".encode() for name in ids))
        ledger.close()

    return prepare


def test_an_account_that_shares_patients_stops_a_run_in_the_same_words_however_many_they_are(
    public: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.run.label_and_train.teachers", _stop)
    said = [
        public("run", private=csv(frame(0)), prepare=holding(*ids))
        for ids in (["p0-7"], ["p0-1", "p0-2", "p0-59"], frame(0)["patient"].tolist())
    ]
    public_bytes = [(found.code, found.out, found.err) for found in said]
    assert public_bytes[0] == public_bytes[1] == public_bytes[2]
    assert said[0].code == 2
    assert said[0].err.endswith(f"pate: error: {RecordsRefused.SENTENCE} (details: `pate incident N`)\n")
    assert "elder" not in said[0].err + said[0].out
    unknown = public("run", private=csv(frame(0)), prepare=holding("p9-1"))
    assert "stopped here" in unknown.err


def test_the_author_of_a_pool_learns_nothing_about_who_is_private(
    public: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool of two rows, the first of which is a private record or is not."""
    monkeypatch.setattr("pipelines.run.label_and_train.teachers", _stop)
    said = []
    for row in (frame(0).iloc[:1], frame(0).iloc[:1].assign(ill="yes"), frame(9).iloc[:1]):
        pd.concat([row, frame(8).iloc[:1]]).to_csv(tmp_path / "pool.csv", index=False)
        changes = {"labelling": {"max_asked": 1, "mechanism": {"kind": "gnmax", "sigma": 4}}, "data": {"pool": 2}}
        scale = {"numeric": [{"columns": ["lab", "age"], "scale": "none"}]}
        changes["data"]["features"] = {
            **scale,
            "categorical": yaml.safe_load(CONFIG)["data"]["features"]["categorical"],
        }
        found = public("run", private=csv(frame(0)), **changes)
        said.append((found.code, found.out, found.err))
    assert said[0] == said[1] == said[2]
    assert said[0][0] == 2
    assert "stopped here" in said[0][2]


@pytest.mark.parametrize(
    "private",
    [
        csv(frame(0).iloc[1:]),
        csv(frame(0).iloc[:7]),
        csv(frame(3, 200)),
        csv(frame(0).assign(hospital="north")),
        csv(frame(0).assign(ill="yes")),
        spoiled("patient", "somebody else", 3),
        two_rows(),
        csv(frame(0)[["ill", "age", "lab", "stage", "hospital", "patient"]]),
        csv(frame(0).assign(extra=CANARY)),
    ],
    ids=[
        "one fewer",
        "seven",
        "200",
        "one site",
        "one class",
        "another id",
        "a record twice",
        "order",
        "a column more",
    ],
)
def test_all_lines_and_files_before_the_teachers_are_the_same_whatever_the_records_are(
    public: Callable[..., Said], private: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.run.label_and_train.teachers", _stop)
    base, changed = (public("run", private=content) for content in (csv(frame(0)), private))
    assert base.files == changed.files
    assert any("public/tracking" in name for name in base.files)
    assert (base.code, base.out, base.err) == (changed.code, changed.out, changed.err)
    assert base.code == 2
    assert "account" in base.err + base.out


def _stop(*arguments: object) -> None:
    raise InputError("stopped here")


def _timeless(content: bytes) -> bytes:
    """Without the times of tracked events."""
    return re.sub(rb"\b1[0-9]{9}(\.[0-9]+|[0-9]{3})\b", b"TIME", content)


def test_a_joined_table_of_both_sides_is_private(public: Callable[..., Said], tmp_path: Path) -> None:
    """A private patient's row that is doubled stands in the table that the pool is joined with."""
    every = pd.concat([frame(seed, count)[["patient"]] for seed, count in ((0, 60), (1, 40), (2, 20))])
    labs = every.assign(dose=range(len(every)))
    data = {
        "private_files": [{"path": "private.csv", "join": [{"path": "labs.csv", "column": "patient"}]}],
        "pool_files": [{"path": "pool.csv", "join": [{"path": "labs.csv", "column": "patient"}]}],
        "evaluation_files": [{"path": "evaluation.csv", "join": [{"path": "labs.csv", "column": "patient"}]}],
    }
    said = []
    for patients in (["p0-3"], ["p0-3", "p0-4", "p0-5"]):
        pd.concat([labs, labs[labs["patient"].isin(patients)]]).to_csv(tmp_path / "labs.csv", index=False)
        said.append(public("run", private=csv(frame(0)), data=data))
    assert said[0] == said[1]
    assert said[0].err == f"pate: error: {RecordsRefused.SENTENCE} (details: `pate incident N`)\n"
