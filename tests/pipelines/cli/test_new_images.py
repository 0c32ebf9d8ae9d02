"""`pate new` for folders and manifests of images: a configuration that runs, from public images alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.cli.app import run
from pipelines.config.experiment import Config, load
from pipelines.data.sources import deal, load_study
from pipelines.operations.doctor import examine

CANARY = "CANARY-7731"


def pictures(root: Path, count: int, seed: int, *, deep: bool = False, colour: bool = False) -> Path:
    """Write bright and dark pictures in a folder for each class."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        label = ("ill", "well")[number % 2]
        shape = (20, 16, 3) if colour else (20, 16)
        grey = np.clip(rng.normal(170 if label == "ill" else 80, 25, shape), 0, 255)
        image = Image.fromarray((grey * 16).astype(np.uint16) if deep else grey.astype(np.uint8))
        (root / label).mkdir(parents=True, exist_ok=True)
        image.save(root / label / f"{CANARY}-{number}.png")
    return root


def manifest(root: Path, count: int, seed: int, header: str = "file,finding,patient,age") -> Path:
    pictures(root, count, seed)
    lines = [header]
    for number in range(count):
        label = ("ill", "well")[number % 2]
        values = {
            "file": f"{label}/{CANARY}-{number}.png",
            "finding": label,
            "patient": f"p{seed}-{number // 3}",
            "age": "77",
        }
        lines.append(",".join(values[name] for name in header.split(",")))
    (root / "list.csv").write_text("\n".join(lines) + "\n")
    return root / "list.csv"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    return tmp_path


def written(place: Path) -> Config:
    return load(place / "mine" / "mine.yaml")


def test_folders_give_classes_size_and_colours_from_the_public_side(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(place / "private", 120, 0)
    pictures(place / "public", 90, 1)
    assert run(["new", "mine", "--from", "private", "--public", "public"]) == 0
    printed = capsys.readouterr()
    assert "90 public images looked at: grey, used as 16 x 16; classes ill, well" in printed.err
    text = (place / "mine" / "mine.yaml").read_text()
    assert CANARY not in text + printed.out + printed.err
    assert text.count("#") > 15, "the file explains itself"
    study = load_study(written(place))
    assert study.classes == ("ill", "well")
    assert study.input_shape == (1, 16, 16)
    assert (len(study.held_here), len(study.pool), len(study.evaluation)) == (120, 60, 30)


def test_colours_and_bits_are_those_of_the_public_images(place: Path) -> None:
    pictures(place / "private", 20, 0, deep=True)
    pictures(place / "public", 20, 1, deep=True)
    assert run(["new", "mine", "--from", "private", "--public", "public"]) == 0
    assert written(place).data.pixels.bits == 12
    assert 0.3 < load_study(written(place)).held_here.features.mean() < 0.7
    pictures(place / "photos", 20, 1, colour=True)
    assert run(["new", "photographs", "--from", "photos", "--public", "photos", "--json"]) == 0
    assert load(place / "photographs" / "photographs.yaml").data.pixels.channels == 3


def test_manifests_with_columns_of_any_name_and_one_for_each_hospital(place: Path) -> None:
    for number, name in enumerate(("north", "south", "public")):
        manifest(place / name, 90, number)
    asked = ["new", "mine", "--path", "file", "--label", "finding", "--unit", "patient"]
    asked += ["--from", "north/list.csv", "--from", "south/list.csv", "--public", "public/list.csv"]
    assert run(asked) == 0
    config = written(place)
    study = load_study(config)
    assert config.privacy.unit == "patient"
    assert config.partition.by == "site"
    assert set(study.held_here.sites_N.tolist()) == {"site_1", "site_2"}
    assert "77" not in (place / "mine" / "mine.yaml").read_text()
    patient_of = dict(line.split(",")[::2] for line in (place / "public" / "list.csv").read_text().splitlines()[1:])
    asked_of = {patient_of["/".join(Path(path).parts[-2:])] for path in study.pool.paths or ()}
    assert len(asked_of) == 20
    assert not asked_of & set(study.evaluation.units_E.tolist()), "no public patient is divided"


def test_the_written_configuration_gives_the_doctor_nothing_to_say(place: Path) -> None:
    pictures(place / "private", 120, 0)
    pictures(place / "public", 90, 1)
    assert run(["new", "mine", "--from", "private", "--public", "public"]) == 0
    assert examine(place / "home", written(place), {}) == []


def test_the_usual_columns_of_a_public_manifest_are_recognised(place: Path) -> None:
    for number, name in enumerate(("private", "public")):
        path = manifest(place / name, 60, number, "file,finding")
        path.write_text(path.read_text().replace("file,finding", "path,label"))
    assert run(["new", "mine", "--from", "private/list.csv", "--public", "public/list.csv"]) == 0
    assert deal(written(place), load_study(written(place))).teachers == 10


def test_one_finding_of_several(place: Path) -> None:
    for number, name in enumerate(("private", "public")):
        path = manifest(place / name, 60, number)
        path.write_text(path.read_text().replace(",ill,", ",Mass|Effusion,"))
    asked = ["new", "mine", "--path", "file", "--label", "finding", "--from", "private/list.csv"]
    asked += ["--public", "public/list.csv"]
    assert run(asked) == 2, "A|B is no class"
    assert not (place / "mine").exists()
    assert run([*asked, "--contains", "Mass", "--names", "none,mass"]) == 0
    study = load_study(written(place))
    assert study.classes == ("none", "mass")
    assert np.bincount(study.held_here.labels_N).tolist() == [30, 30]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "public images by --public"),
        (["--public", "private/ill"], "labelled public images"),
        (["--public", "private", "--positive", "1"], "no --positive with images"),
        (["--public", "nowhere"], "--public [0]"),
        (["--public", "private", "--contains", "Mass"], "a public label that lists the finding"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    place: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(place / "private", 20, 0)
    assert run(["new", "mine", "--from", "private", *words]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert error.count("\n") == 0
    assert not (place / "mine").exists()


@pytest.mark.slow
def test_the_configuration_validates_and_runs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures(place / "private", 300, 0)
    pictures(place / "public", 150, 1)
    assert run(["new", "mine", "--from", "private", "--public", "public"]) == 0
    assert run(["validate", "mine/mine.yaml"]) == 0
    assert run(["run", "mine/mine.yaml"]) == 0
    printed = capsys.readouterr()
    assert CANARY not in printed.out + printed.err


def scans(root: Path, count: int, seed: int) -> Path:
    """Write DICOM files as a scanner does: no suffix, 12 of 16 bits, two for each patient."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    rng = np.random.default_rng(seed)
    for number in range(count):
        label = ("ill", "well")[number % 2]
        grey = np.clip(rng.normal(2600 if label == "ill" else 1300, 300, (20, 16)), 0, 4095).astype(np.uint16)
        meta = FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, "1.2.840.10008.5.1.4.1.1.1.1"
        meta.MediaStorageSOPInstanceUID = generate_uid()
        path = root / label / f"IM{number:04d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        found = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        found.SOPClassUID, found.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        found.PatientID, found.PatientName, found.StudyDate = f"{seed}-{number // 2}", CANARY, "20240229"
        found.Rows, found.Columns, found.SamplesPerPixel = 20, 16, 1
        found.PhotometricInterpretation, found.PixelRepresentation = "MONOCHROME2", 0
        found.BitsAllocated, found.BitsStored, found.HighBit = 16, 12, 11
        found.PixelData = grey.tobytes()
        found.save_as(path, enforce_file_format=True)
    return root


def test_scans_are_recognised_and_their_patients_are_protected(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scans(place / "private", 60, 0)
    scans(place / "public", 30, 1)
    assert run(["new", "mine", "--from", "private", "--public", "public"]) == 0
    config = written(place)
    assert (config.privacy.unit, config.partition.by) == ("patient", "unit")
    assert config.data.pixels.bits is None, "each file has its own"
    study = load_study(config)
    assert len(set(study.held_here.units_N.tolist())) == 30
    assert 0.3 < study.held_here.features.mean() < 0.7
    text = (place / "mine" / "mine.yaml").read_text()
    printed = capsys.readouterr()
    for private in (CANARY, "0-1", "2024"):
        assert private not in text + printed.out + printed.err, private
