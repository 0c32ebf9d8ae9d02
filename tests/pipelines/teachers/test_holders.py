"""Records at sites give the same teachers as records here, and the driver learns sizes and keyed hashes alone."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pate.data import PrivateRecords
from pate.errors import InputError, PateError
from pate.ledger import PrivacyLedger
from pipelines.config.experiment import Config, load
from pipelines.data.sources import deal, load_study
from pipelines.teachers import enrolment, site_records
from pipelines.teachers.holders import HeldAtSites, HeldHere
from pipelines.teachers.site_records import survey

CONFIG = """
name: NAME
data:
  source: table
  data_id: NAME
  task: ill
  private_files: [{path: a.csv, site: a}, {path: b.csv, site: b}, {path: c.csv, site: c}]
  pool_files: [pool.csv]
  evaluation_files: [evaluation.csv]
  pool: 40
  evaluation: 20
  label: {column: ill, classes: ["no", "yes"]}
  unit: patient
  features: {numeric: [{columns: [lab, age], scale: public}]}
partition: {teachers: 7, by: site}
privacy: {epsilon: 100, delta: 1e-5, accountant: gaussian}
teachers:
  model: {kind: logistic}
  training: {steps: 5}
labelling: {max_asked: 10, mechanism: {kind: gnmax, sigma: 4}}
student:
  learner: supervised
  spec: {model: {kind: logistic}, train: {steps: 5}}
"""
SIZES = {"a": 40, "b": 11, "c": 3}


def table(path: Path, patients: list[str], seed: int, label: str | None = None) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        f"{p},{rng.normal():.4f},{rng.normal():.4f},{label or ['yes', 'no'][i % 2]}" for i, p in enumerate(patients)
    ]
    path.write_text("\n".join(["patient,lab,age,ill", *rows]) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, (site, size) in enumerate(SIZES.items()):
        names = [f"{site}{number // 2}" for number in range(size)]  # two records of each patient
        table(tmp_path / f"{site}.csv", names, seed, "yes" if site == "c" else None)
    table(tmp_path / "pool.csv", [f"p{n}" for n in range(40)], 7)
    table(tmp_path / "evaluation.csv", [f"e{n}" for n in range(20)], 8)
    return tmp_path


def config(folder: Path, more: str = "", name: str = "here", **changes: str) -> Config:
    text = CONFIG.replace("NAME", name) + more
    for old, new in changes.items():
        text = text.replace(old, new)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return load(path)


SITES = "sites: {folder: /nowhere}\n"


def at_sites(config: Config, folder: Path) -> tuple[HeldAtSites, str]:
    """As the driver does it, with the tasks in this process."""
    study, ledger = load_study(config), PrivacyLedger(folder / "ledger")
    assert study.private is None or study.benchmark is not None
    readers = enrolment.site_readers(config, study)
    found = [pickle.loads(pickle.dumps(survey(reader, ledger.key.reveal(), b"salt"))) for reader in readers]
    ledger.close()
    manifest = enrolment.manifest_of(config, found)
    return enrolment.held_at_sites(config, study, manifest), manifest


def loaded(holder: Any, teachers: list[int]) -> list[tuple[Any, Any]]:
    return pickle.loads(pickle.dumps(holder.source(teachers))).load()


def test_teachers_get_the_same_records_whoever_holds_them(folder: Path) -> None:
    local = config(folder)
    study = load_study(local)
    here = HeldHere(study.held_here, deal(local, study))
    there, _ = at_sites(config(folder, SITES, "there"), folder)
    assert here.sites() == [None] * 7
    assert there.sites() == ["a", "a", "a", "b", "b", "c", "c"]
    for teacher in range(7):
        ((mine, labels),), ((other, its_labels),) = loaded(here, [teacher]), loaded(there, [teacher])
        assert np.array_equal(mine, other)
        assert np.array_equal(labels, its_labels)
    assert sum(len(labels) for _, labels in loaded(there, [0, 1, 2])) == 40


def test_a_one_class_hospital_is_a_teacher_like_any_other(folder: Path) -> None:
    there, _ = at_sites(config(folder, SITES, "there"), folder)
    assert sorted(label for _, labels in loaded(there, [5, 6]) for label in labels) == [1, 1, 1]


def test_the_ledger_knows_the_same_units_whoever_holds_the_records(folder: Path) -> None:
    local = config(folder)
    study, ledger = load_study(local), PrivacyLedger(folder / "ledger")
    here = HeldHere(study.held_here, deal(local, study)).units(ledger.key)
    ledger.close()
    there = at_sites(config(folder, SITES, "there"), folder)[0].units(ledger.key)
    assert set(here.known_by) == set(there.known_by)


def test_the_survey_holds_no_record_no_id_and_no_plain_hash(folder: Path) -> None:
    _, manifest = at_sites(config(folder, SITES, "there"), folder)
    row = json.loads(manifest)["sites"][0]
    assert set(row) == {"place", "salt", "fingerprint", "units", "teachers", "known_by"}
    study = load_study(config(folder))
    for content in (b"id:a0", study.held_here.features[0].tobytes(), *study.held_here.content_keys()[:2]):
        for found in (content, hashlib.sha256(content).digest()):
            assert found.hex() not in manifest


def test_a_patient_in_two_hospitals_is_found_by_the_keyed_hashes_and_refused_or_declared(
    folder: Path, records_refused
) -> None:
    for site in ("a", "b"):
        with (folder / f"{site}.csv").open("a") as file:
            file.write("of-two-hospitals,0.5,0.5,yes\n")
    with records_refused(r"(?s)partition.group_size=1.*1 units in up to 2 partitions") as error:
        at_sites(config(folder, SITES, "there"), folder)
    assert "of-two-hospitals" not in f"{error.value}{error.value.private_detail}", "not a word that a hash spells"
    declared = config(folder, SITES, "declared", **{"by: site}": "by: site, group_size: 2}"})
    assert at_sites(declared, folder)[0].partitions_per_unit == 2


def test_records_that_changed_since_the_survey_are_refused(folder: Path, records_refused) -> None:
    there, _ = at_sites(config(folder, SITES, "there"), folder)
    site_records._found.clear()
    with (folder / "c.csv").open("a") as file:
        file.write("c9,0.5,0.5,yes\n")
    with records_refused("records of site c as when the run began"):
        loaded(there, [6])


def test_a_hospital_as_the_privacy_unit_is_one_unit_and_one_teacher(folder: Path) -> None:
    sites = "sites: {folder: /nowhere, protects: site}\n"
    hospital = {"accountant: gaussian}": "accountant: gaussian, unit: hospital}"}
    whole = config(folder, sites, "whole", **{"teachers: 7": "teachers: 3", **hospital})
    there, _ = at_sites(whole, folder)
    assert there.sites() == ["a", "b", "c"]
    assert [len(labels) for _, labels in (loaded(there, [t])[0] for t in range(3))] == [40, 11, 3]
    with pytest.raises(InputError, match="one teacher for each hospital"):
        at_sites(config(folder, sites, "many", **hospital), folder)


def test_records_that_do_not_fit_the_pool_are_refused_at_their_site(folder: Path, records_refused) -> None:
    (folder / "b.csv").write_text("patient,lab,age,ill\nb0,CANARY,1,yes\n")
    with records_refused("numbers in column 'lab'"):
        at_sites(config(folder, SITES, "there"), folder)


def test_hospitals_of_a_public_set_are_dealt_to_the_nodes_of_a_rehearsal(tmp_path: Path) -> None:
    text = CONFIG[: CONFIG.index("data:")] + "data: {source: digits, data_id: d, private: 400, pool: 200}\n"
    text += CONFIG[CONFIG.index("partition:") :]
    (tmp_path / "digits.yaml").write_text(text.replace("NAME", "digits") + "sites: {folder: /n, nodes: [x, y]}\n")
    there, _ = at_sites(load(tmp_path / "digits.yaml"), tmp_path)
    assert set(there.sites()) == {"x", "y"}
    assert sum(len(labels) for teacher in range(7) for _, labels in loaded(there, [teacher])) == 400


@pytest.mark.parametrize(
    ("more", "changes", "match"),
    [
        (SITES, {"by: site": "by: unit"}, "Expected partition.by: site"),
        (SITES, {"path: b.csv, site: b": "path: b.csv"}, "a site for each of data.private_files"),
        ("sites: {folder: teachers}\n", {}, "absolute path"),
        ("sites: {folder: /n, protects: site}\n", {}, "privacy.unit: hospital"),
        (SITES + "faults: {quorum_sites: 0}\n", {}, "faults.quorum_sites"),
    ],
)
def test_a_configuration_of_sites_that_cannot_work_is_refused(
    folder: Path, more: str, changes: dict[str, str], match: str
) -> None:
    with pytest.raises(PateError, match=match):
        config(folder, more, "wrong", **changes)


def test_a_pool_out_of_records_at_sites_is_refused(folder: Path) -> None:
    named = "  pool_files: [pool.csv]\n  evaluation_files: [evaluation.csv]\n"
    changes = {named: "  split: {records_may_be_published: true}\n"}
    changes |= {"pool: 40": "pool: 10", "evaluation: 20": "evaluation: 5"}
    with pytest.raises(InputError, match=r"data\.pool_files where sites is given"):
        load_study(config(folder, SITES, "drawn", **changes))


def test_quorum_and_patience_are_no_part_of_the_run_id(folder: Path) -> None:
    assert config(folder, SITES, "x").run_id == config(folder, SITES + "faults: {quorum_sites: 2}\n", "x").run_id


def test_patients_of_a_protected_hospital_are_known_again_where_patients_are_protected(folder: Path) -> None:
    whole = {"teachers: 7": "teachers: 3", "accountant: gaussian}": "accountant: gaussian, unit: hospital}"}
    ledger = PrivacyLedger(folder / "ledger")
    hospital = at_sites(config(folder, "sites: {folder: /nowhere, protects: site}\n", "whole", **whole), folder)[0]
    here = load_study(config(folder)).held_here
    moved = PrivateRecords(features=here.features + 1, labels_N=here.labels_N, units_N=here.units_N)
    assert set(hospital.units(ledger.key).known_by) & set(ledger.key.units(moved.known_by()))
    ledger.close()
