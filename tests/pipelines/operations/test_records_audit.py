"""From records to votes: one changed unit reaches no more teachers than are charged, in every kind of file.

Tasks run in this process, through the same functions as in Ray's workers, so that a mutant is seen by all of them. One
test sends them to Ray.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

import pate.data.files.table
import pate.data.study
import pate.models.fused
import pate.teachers.training
from pate.auditing.moved_votes import most_moved
from pate.auditing.record_changes import Kind
from pate.data import PrivateRecords
from pate.errors import InputError
from pate.models.dense_stack import DenseStack
from pate.randomness import generator
from pipelines.cli.app import run
from pipelines.cluster.worker import Failure, checked
from pipelines.config.experiment import load
from pipelines.data import sources
from pipelines.operations import records_audit
from pipelines.operations.records_audit import KINDS, Findings, audit_records
from pipelines.run import account

Write = Callable[[Path], dict[str, Any]]
"""Writes a study into a folder and gives the sections of its configuration."""
TEACHERS = 6
CONFIGS = Path(__file__).parents[3] / "configs"


class InThisProcess:
    """What the pipeline asks of a Ray session, one task after the other."""

    cpus, gpus = 2, 0

    def session(self) -> InThisProcess:
        return self

    def share(self, value: Any) -> Any:
        return value

    def try_all(self, jobs: Any, needs: Any, limits: Any) -> Iterator[tuple[int, Any]]:
        for position, job in enumerate(jobs):
            arguments = job.arguments() if callable(job.arguments) else job.arguments
            try:
                result = job.function(**arguments)
            except InputError as error:
                result = Failure(public=str(error), private="")
            except Exception as error:
                result = Failure(public=None, private=repr(error))
            yield position, checked(result, job)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tasks run in this process."""

    @contextmanager
    def session(*_: Any, **__: Any) -> Iterator[InThisProcess]:
        yield InThisProcess()

    monkeypatch.setattr(records_audit, "ray_session", session)
    monkeypatch.setattr("pipelines.cluster.session.on_demand", session)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def patients(rows: int, seed: int, name: str = "") -> pd.DataFrame:
    """Records of about a third as many patients at three sites; a patient is at one site."""
    rng = np.random.default_rng(seed)
    unit = rng.integers(rows // 3, size=rows)
    ill = rng.integers(2, size=rows)
    return pd.DataFrame(
        {
            "patient": [f"{name}{100 + n}" for n in unit],
            "site": [f"site {'abc'[n % 3]}" for n in unit],
            "lab": np.round(rng.normal(size=rows) + 2 * ill, 4),
            "age": rng.integers(20, 90, size=rows),
            "ward": rng.choice(["x", "y", "z"], size=rows),
            "ill": np.where(ill == 1, "yes", "no"),
        }
    )


def table(folder: Path, own: pd.DataFrame, **changes: Any) -> dict[str, Any]:
    """A study of tables; records are in ``own``."""
    own.to_csv(folder / "own.csv", index=False)
    patients(80, 1, "pool ").to_csv(folder / "pool.csv", index=False)
    patients(40, 2, "held ").to_csv(folder / "evaluation.csv", index=False)
    return {
        "source": "table",
        "data_id": "d",
        "task": "ill",
        "private_files": ["own.csv"],
        "pool_files": ["pool.csv"],
        "evaluation_files": ["evaluation.csv"],
        "pool": 60,
        "evaluation": 30,
        "label": {"column": "ill", "classes": ["no", "yes"]},
        "unit": "patient",
        "features": {
            "numeric": [{"columns": ["lab", "age"], "missing": {"strategy": "public_median"}, "clip": 4}],
            "categorical": [{"columns": ["ward"], "unknown": "ignore", "missing": "category"}],
        },
        **changes,
    }


def with_ids(folder: Path) -> dict[str, Any]:
    return {"data": table(folder, patients(90, 0))}


def with_ids_of_text(folder: Path) -> dict[str, Any]:
    return {"data": table(folder, patients(90, 0, "Pat-"))}


def without_ids(folder: Path) -> dict[str, Any]:
    own = patients(90, 0).drop_duplicates(["lab", "age", "ward", "ill"])
    return {"data": table(folder, own, unit=None)}


def with_unlabelled(folder: Path) -> dict[str, Any]:
    own = patients(90, 0)
    own.loc[::7, "ill"] = ""
    return {"data": table(folder, own, unit=None, label={"column": "ill", "classes": ["no", "yes"], "missing": "drop"})}


def at_sites(folder: Path) -> dict[str, Any]:
    sites = [{"site": f"site {name}", "teachers": 2} for name in "abc"]
    return {"data": table(folder, patients(90, 0), site="site"), "partition": {"by": "site", "sites": sites}}


def in_files_of_sites(folder: Path) -> dict[str, Any]:
    own, names = patients(90, 0).drop_duplicates(["lab", "age", "ward", "ill"]), "abc"
    for name in names:
        own[own["site"] == f"site {name}"].to_csv(folder / f"{name}.csv", index=False)
    files = [{"path": f"{name}.csv", "site": f"site {name}"} for name in names]
    return {"data": table(folder, own, unit=None, private_files=files), "partition": {"by": "site"}}


def with_joins(folder: Path) -> dict[str, Any]:
    data = with_ids(folder)["data"]
    for name in ("own", "pool", "evaluation"):
        whole = pd.read_csv(folder / f"{name}.csv", dtype=str)
        whole["stay"] = [f"{name}-{n}" for n in range(len(whole))]
        whole.drop(columns=["lab", "ward"]).to_csv(folder / f"{name}.csv", index=False)
        whole[["stay", "lab", "ward"]].iloc[:-3].to_csv(folder / f"{name}-labs.csv", index=False)
    for name, key in (("own", "private"), ("pool", "pool"), ("evaluation", "evaluation")):
        join = [{"path": f"{name}-labs.csv", "column": "stay", "unmatched": "drop"}]
        data[f"{key}_files"] = [{"path": f"{name}.csv", "join": join}]
    return {"data": data}


def in_parquet(folder: Path) -> dict[str, Any]:
    own = patients(90, 0)
    data = table(folder, own, private_files=["own.parquet"])
    own["patient"] = own["patient"].astype(int)
    own.to_parquet(folder / "own.parquet")
    return {"data": data}


def drawn_by_unit(folder: Path) -> dict[str, Any]:
    data = table(folder, patients(200, 0), split={"by": "unit", "records_may_be_published": True})
    return {"data": {**data, "pool_files": [], "evaluation_files": []}}


def drawn_by_position(folder: Path) -> dict[str, Any]:
    own = patients(200, 0).drop_duplicates(["lab", "age", "ward", "ill"])
    data = table(folder, own, unit=None, split={"by": "record", "records_may_be_published": True})
    return {"data": {**data, "pool_files": [], "evaluation_files": []}}


def drawn_by_site(folder: Path) -> dict[str, Any]:
    own = patients(200, 0)
    own["site"] = [f"site {n}" for n in own["patient"].astype(int) % 12]
    data = table(folder, own, site="site", split={"by": "site", "records_may_be_published": True})
    return {"data": {**data, "pool_files": [], "evaluation_files": []}}


def drawn_by_site_which_is_the_unit(folder: Path) -> dict[str, Any]:
    data = drawn_by_site(folder)["data"]
    return {"data": {**data, "unit": "site"}}


def at_two_sites(folder: Path) -> dict[str, Any]:
    """Some patients are at two sites, which is declared."""
    own, sites = patients(90, 0), [{"site": f"site {name}", "teachers": 2} for name in "abc"]
    own.loc[::5, "site"] = "site a"
    own = own[~((own["site"] == "site a") & (own["patient"].astype(int) % 5 == 0))]
    partition = {"by": "site", "sites": sites, "group_size": 2}
    return {"data": table(folder, own, site="site"), "partition": partition}


def archives(folder: Path, units: bool, dtype: str) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    for name, count in (("own", 60), ("pool", 60), ("evaluation", 30)):
        labels = rng.integers(2, size=count)
        images = (rng.integers(0, 100, size=(count, 4, 4)) + 100 * labels[:, None, None]).astype(np.uint8)
        found = {"images": images / 255 if dtype == "float" else images, "labels": labels}
        np.savez(folder / f"{name}.npz", **found, patient=np.array([f"{name} {n // 3}" for n in range(count)]))
    return {
        "source": "npz",
        "data_id": "d",
        "task": "ill",
        "classes": ["no", "yes"],
        **{f"{key}_files": [f"{name}.npz"] for key, name in zip(PARTS, ("own", *PARTS[1:]), strict=True)},
        "pool": 60,
        "evaluation": 30,
        "unit_array": "patient" if units else None,
    }


PARTS = ("private", "pool", "evaluation")


def in_archives_with_ids(folder: Path) -> dict[str, Any]:
    return {"data": archives(folder, True, "uint8")}


def in_archives_without_ids(folder: Path) -> dict[str, Any]:
    return {"data": archives(folder, False, "float")}


def images(folder: Path) -> dict[str, Any]:
    from PIL import Image

    rng = np.random.default_rng(4)
    for name, count in zip(PARTS, (60, 60, 30), strict=True):
        lines = ["path,label,unit"]
        for n in range(count):
            path = f"{name}/{'yes' if n % 2 else 'no'}/{n:03d}.png"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            pixels = (rng.integers(0, 100, size=(5, 5)) + 100 * (n % 2)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / path)
            lines.append(f"{path},{'yes' if n % 2 else 'no'},{name} {n // 3}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return {
        "source": "images",
        "data_id": "d",
        "task": "ill",
        "classes": ["no", "yes"],
        "pixels": {"height": 4, "width": 4, "channels": 1},
        "pool": 60,
        "evaluation": 30,
    }


def in_folders(folder: Path) -> dict[str, Any]:
    return {"data": {**images(folder), **{f"{name}_files": [name] for name in PARTS}}}


def in_manifests(folder: Path) -> dict[str, Any]:
    return {"data": {**images(folder), **{f"{name}_files": [f"{name}.csv"] for name in PARTS}}}


def in_declared_manifests(folder: Path) -> dict[str, Any]:
    """Columns of other names, and names of files that stand in folders below."""
    sections = in_manifests(folder)
    for name in PARTS:
        head, *lines = (folder / f"{name}.csv").read_text().splitlines()
        assert head == "path,label,unit"
        bare = [f"{line.split('/')[-1]},77" for line in lines]
        (folder / name / f"{name}.csv").write_text("\n".join(["image,finding,patient,age", *bare]) + "\n")
    files = {f"{name}_files": [f"{name}/{name}.csv"] for name in PARTS}
    manifest = {"path": "image", "label": "finding", "unit": "patient"}
    return {"data": {**sections["data"], **files, "manifest": manifest}}


def fused(folder: Path) -> dict[str, Any]:
    teachers = {"model": {"kind": "mlp", "hidden": [8]}, "training": {"epochs": 4}, "strategy": "fused"}
    return {**with_ids(folder), "teachers": teachers}


def trees(folder: Path) -> dict[str, Any]:
    return {**with_ids(folder), "teachers": {"model": {"kind": "boosted-trees"}}}


def unclipped(folder: Path) -> dict[str, Any]:
    """Numbers reach teachers as they are."""
    features = {"numeric": [{"columns": ["lab", "age"], "scale": "none"}]}
    return {"data": table(folder, patients(90, 0), features=features)}


def trees_unclipped(folder: Path) -> dict[str, Any]:
    return {**trees(folder), **unclipped(folder)}


STUDIES: tuple[Write, ...] = (
    with_ids, with_ids_of_text, without_ids, with_unlabelled, at_sites, in_files_of_sites, with_joins, in_parquet,
    drawn_by_unit, drawn_by_position, drawn_by_site, drawn_by_site_which_is_the_unit,
    at_two_sites, in_archives_with_ids, in_archives_without_ids,
    in_folders, in_manifests, in_declared_manifests, fused, trees, unclipped, trees_unclipped,
)  # fmt: skip


def audited(folder: Path, write: Write, *, records: int = len(KINDS), **audit: Any) -> Findings:
    """The audit of a small study."""
    sections: Mapping[str, Any] = write(folder)
    content = {
        "name": "small",
        "privacy": {"epsilon": 1000, "delta": 1e-5, "accountant": "gaussian"},
        "teachers": {"model": {"kind": "logistic"}, "training": {"steps": 10}},
        "labelling": {"max_asked": 40, "mechanism": {"kind": "gnmax", "sigma": 2}},
        "student": {"learner": "supervised", "spec": {"model": {"kind": "logistic"}, "train": {"steps": 1}}},
        **sections,
        "partition": {"teachers": TEACHERS, **sections.get("partition", {})},
    }
    content["teachers"] = {"bundle_size": 3, **content["teachers"]}
    (folder / "study.yaml").write_text(yaml.safe_dump(content))
    return audit_records(load(folder / "study.yaml"), records=records, **audit)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("write", STUDIES, ids=lambda write: write.__name__)
def test_one_changed_unit_reaches_one_teacher(tmp_path: Path, write: Write) -> None:
    found = audited(tmp_path, write)
    assert not [row for row in found.rows if row.broken], found.rows
    assert any(row.teachers for row in found.rows)


def deal_by_order(records: Any, *, teachers: int, seed: int, sites: Any = None) -> Any:
    """As pate dealt before: units in the order of their first appearance, as many to each teacher."""
    index: dict[str, int] = {}
    group_N = np.array([index.setdefault(str(name), len(index)) for name in records.units_N])
    return (generator(seed, "partition").permutation(len(index)) % teachers)[group_N]


def deals_by_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(import_module("pate.data.partition"), "deal", deal_by_order)


def fits_the_encoder_on_private_records(patch: pytest.MonkeyPatch) -> None:
    own, divide, fit = [], pate.data.files.table.divide, pate.data.files.table.fit_encoder

    def divided(*given: Any, **named: Any) -> Any:
        parts = divide(*given, **named)
        own.append(parts.private)
        return parts

    patch.setattr(pate.data.files.table, "divide", divided)
    patch.setattr(pate.data.files.table, "fit_encoder", lambda _, *columns: fit(own[-1].table(), *columns))


def shares_a_generator(patch: pytest.MonkeyPatch) -> None:
    """Seeds are drawn one after the other, from where the last teacher's records left the generator."""
    fit = pate.teachers.training.fit_teachers

    def fitted(model: Any, partitions: Any, teachers: Any, seeds: Any, fitting: Any) -> Any:
        rng, drawn = np.random.default_rng(seeds[0]), []
        for _, labels in partitions:
            drawn.append(int(rng.integers(2**62)))
            rng.permutation(len(labels))
        return fit(model, partitions, teachers, drawn, fitting)

    patch.setattr(pate.teachers.training, "fit_teachers", fitted)


def averages_gradients(patch: pytest.MonkeyPatch) -> None:
    """A little of the mean gradient of a stack reaches every model in it."""
    gradients = DenseStack.gradients

    def coupled(stack: DenseStack, *given: Any) -> None:
        gradients(stack, *given)
        for parameter in stack.parameters:
            parameter.grad.mul_(0.99).add_(parameter.grad.mean(dim=0, keepdim=True), alpha=0.01)

    patch.setattr(DenseStack, "gradients", coupled)


def standardises_over_the_stack(patch: pytest.MonkeyPatch) -> None:
    """Inputs of all models of a stack are centred together."""
    laid_out = pate.models.fused._laid_out

    def centred(*given: Any) -> Any:
        inputs_R, labels_R = laid_out(*given)
        return inputs_R - inputs_R.mean(dim=0, keepdim=True), labels_R

    patch.setattr(pate.models.fused, "_laid_out", centred)


def counts_places_after_dropping(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PrivateRecords, "positions", lambda records: np.arange(len(records)))


def says_how_many(patch: pytest.MonkeyPatch) -> None:
    """The number of records is said before the charge."""
    opened = account.open_account

    def told(ledger: Any, config: Any, study: Any, queries: Any, units: Any) -> Any:
        sys.stderr.write(f"{len(list(units.known_by))} hashes\n")
        return opened(ledger, config, study, queries, units)

    patch.setattr(account, "open_account", told)


def says_what_is_wrong(patch: pytest.MonkeyPatch) -> None:
    for module in (pate.data.files.table, pate.data.study, sources):
        patch.setattr(module, "private_side", nullcontext)


MUTANTS: tuple[tuple[Callable[[pytest.MonkeyPatch], None], Write, Kind], ...] = (
    (deals_by_order, with_ids, Kind.WITHDRAWN),
    (fits_the_encoder_on_private_records, with_ids, Kind.REPLACED),
    (shares_a_generator, with_ids, Kind.WITHDRAWN),
    (averages_gradients, fused, Kind.RELABELLED),
    (standardises_over_the_stack, fused, Kind.REPLACED),
    (counts_places_after_dropping, with_unlabelled, Kind.UNLABELLED),
    (counts_places_after_dropping, without_ids, Kind.WITHDRAWN),
    (says_how_many, with_ids, Kind.ADDED),
    (says_what_is_wrong, with_ids, Kind.UNKNOWN),
)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("mutate", "write", "kind"), MUTANTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_run_in_which_a_unit_reaches_others_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mutate: Any, write: Write, kind: Kind
) -> None:
    mutate(monkeypatch)
    nothing, found = audited(tmp_path, write, records=3, kinds=(kind,)).rows
    assert not nothing.broken
    assert found.broken
    assert (found.told > 0) == (mutate in {says_how_many, says_what_is_wrong, fits_the_encoder_on_private_records})


@pytest.mark.xdist_group("ray")
def test_the_command_prints_counts_over_runs_that_went_to_ray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    assert run(["audit", str(CONFIGS / "smoke.yaml"), "--records", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["kind"] for row in found["rows"]][:2] == ["nothing, run again", "unit withdrawn"]
    assert sum(row["runs"] for row in found["rows"]) == 4
    assert found["simulated"]
    assert not found["broken"]
    assert not (tmp_path / "home").exists()


@pytest.mark.usefixtures("here")
def test_a_broken_claim_is_the_commands_error_and_no_unit_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    says_how_many(monkeypatch)
    with_ids_of_text(tmp_path)
    audited(tmp_path, with_ids_of_text, records=1)
    assert run(["audit", str(tmp_path / "study.yaml"), "--records", "2"]) == 2
    seen = capsys.readouterr()
    assert "BROKEN" in seen.out
    assert seen.err.count("\n") == 1
    assert "Pat-" not in seen.out + seen.err
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("words", [["smoke.yaml"], ["--records", "3"], ["smoke.yaml", "--records", "3", "--keep"]])
def test_half_a_request_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", *words]) == 2
    assert "Expected CONFIG and --records together" in capsys.readouterr().err


def test_originals_are_read_and_copies_are_gone(tmp_path: Path, here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    audited(tmp_path, with_joins, records=1)
    before = {path: path.read_bytes() for path in tmp_path.glob("*.csv")}
    audit_records(load(tmp_path / "study.yaml"), records=len(KINDS))
    assert {path: path.read_bytes() for path in tmp_path.glob("*.csv")} == before
    assert not list((tmp_path / "tmp").iterdir())


def test_votes_that_moved_are_counted_on_the_worst_query() -> None:
    before = np.array([[0, 1, -1], [0, 1, 1], [1, 1, 0]], dtype=np.int8)
    after = np.array([[0, 0, -1], [0, 0, 0], [1, 1, 1]], dtype=np.int8)
    assert most_moved(before, before) == 0
    assert most_moved(before, after) == 2
    assert most_moved(before, after[:2]) == 3
