"""Whatever one unit's records become, one teacher's votes change and nothing public does: random tables, without Ray.

The way is that of a run: files -> study -> deal -> bundle of teachers -> votes.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pate.auditing.moved_votes import most_moved
from pate.errors import RecordsRefused
from pate.models import ModelSpec, TrainSpec
from pate.teachers import train_bundle, vote
from pipelines.config.experiment import Config, load
from pipelines.data.fingerprints import fingerprints
from pipelines.data.sources import deal, load_study

Row: TypeAlias = list[str]
TEACHERS, QUERIES = 5, 20
COLUMNS = ["patient", "site", "lab", "ward", "ill"]
CONFIG: dict[str, Any] = {
    "name": "small",
    "data": {
        "source": "table",
        "data_id": "d",
        "task": "ill",
        "private_files": ["own.csv"],
        "pool_files": ["pool.csv"],
        "evaluation_files": ["evaluation.csv"],
        "pool": QUERIES,
        "evaluation": 10,
        "label": {"column": "ill", "classes": ["no", "yes"], "missing": "drop"},
        "features": {
            "numeric": [{"columns": ["lab"], "missing": {"strategy": "public_median", "indicator": True}, "clip": 4}],
            "categorical": [{"columns": ["ward"], "unknown": "ignore", "missing": "category"}],
        },
    },
    "partition": {"teachers": TEACHERS},
    "privacy": {"epsilon": 1000, "delta": 1e-5, "accountant": "gaussian"},
    "teachers": {"model": {"kind": "logistic"}, "training": {"steps": 5}},
    "labelling": {"max_asked": QUERIES, "mechanism": {"kind": "gnmax", "sigma": 2}},
    "student": {"learner": "supervised", "spec": {"model": {"kind": "logistic"}, "train": {"steps": 1}}},
}

numbers = st.one_of(
    st.floats(-5, 5).map(lambda number: f"{number:.3f}"),
    st.sampled_from(["", "1e300", "-1", "inf", "text", "9" * 40, "0x1F", " 3 ", '"', "1,5"]),
)
values = st.tuples(
    numbers,
    st.one_of(st.sampled_from(["x", "y", "z", ""]), st.text(max_size=3)),
    st.sampled_from(["no", "yes", "no", "yes", "", "maybe"]),
)
usual = st.tuples(
    st.floats(-5, 5).map(lambda number: f"{number:.3f}"),
    st.sampled_from(["x", "y", "z"]),
    st.sampled_from(["no", "yes", ""]),
)
ids = st.sampled_from(["7", "8", "12", "A1", "b2", "\u00e9", "11.5", "id 3", "x" * 40])


@pytest.fixture(scope="module", params=["ids", "sites", "positions"])
def study(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Config]:
    folder = tmp_path_factory.mktemp(request.param)
    rng = np.random.default_rng(0)
    for name, count in (("pool", 40), ("evaluation", 20)):
        rows = [[f"p{n}", "a", f"{rng.normal():.3f}", "xyz"[n % 3], ("no", "yes")[n % 2]] for n in range(count)]
        write(folder / f"{name}.csv", rows)
    content = {**CONFIG, "data": dict(CONFIG["data"]), "partition": dict(CONFIG["partition"])}
    if request.param == "positions":
        content["data"]["equal_records"] = "different_units"
    else:
        content["data"]["unit"] = "patient"
    if request.param == "sites":
        content["data"]["site"] = "site"
        content["partition"] |= {"by": "site", "sites": [{"site": "a", "teachers": 2}, {"site": "b", "teachers": 3}]}
    (folder / "study.yaml").write_text(yaml.safe_dump(content))
    return folder, load(folder / "study.yaml")


def write(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


def votes_of(config: Config) -> tuple[Any, Any]:
    """Private votes of all teachers, and what is public; ``None`` twice where the run ends in the one sentence."""
    try:
        found = load_study(config)
        parts, records = deal(config, found), found.held_here
    except RecordsRefused:
        return None, None
    model = ModelSpec(kind="logistic")
    own = [(records.features[parts.rows(n)], records.labels_N[parts.rows(n)]) for n in range(TEACHERS)]
    weights = train_bundle(
        own, teachers=range(TEACHERS), model=model, train=TrainSpec(steps=5), input_shape=found.input_shape, classes=2,
        seed=config.seed, strategy="fused",
    )  # fmt: skip
    votes_TQ = vote(weights, found.pool.inputs[:QUERIES], model=model, classes=2)
    return votes_TQ, (found.classes, found.encoding, fingerprints(found)["pool"], fingerprints(found)["evaluation"])


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_one_units_records_may_become_anything(study: tuple[Path, Config], data: st.DataObject) -> None:
    folder, config = study
    by_position = "positions" in folder.name
    drawn = data.draw(st.lists(st.tuples(ids, usual), min_size=1, max_size=25))
    rows = [[name, "ab"[len(name) % 2], *cells] for name, cells in drawn]
    write(folder / "own.csv", rows)
    before, public = votes_of(config)
    assume(before is not None)
    if by_position:
        changed = list(rows)
        where = data.draw(st.integers(0, len(rows)))
        changed[where : where + 1] = [data.draw(st.one_of(st.just([]), values.map(lambda cells: ["7", "a", *cells])))]
    else:
        unit = data.draw(ids)
        changed = [row for row in rows if row[0] != unit]
        for cells in data.draw(st.lists(values, max_size=4)):
            changed.insert(data.draw(st.integers(0, len(changed))), [unit, "ab"[len(unit) % 2], *cells])
    write(folder / "own.csv", changed)
    after, said = votes_of(config)
    if after is not None:
        assert most_moved(before, after) <= 1
        assert int((before != after).any(axis=1).sum()) <= 1
        assert said == public
