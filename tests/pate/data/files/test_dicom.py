"""DICOM files: the picture as a viewer shows it, the patient as the unit, and nothing else."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, generate_uid

from pate.data.body import Split
from pate.data.files.images import ImageSource, Pixels, image_study, read_images
from pate.data.records import Study
from pate.errors import InputError

GREY = np.clip(np.add.outer(np.linspace(0, 180, 12), np.linspace(0, 70, 8)), 0, 255).astype(np.uint8)
FORM = Pixels(height=12, width=8, channels=1)
CANARY = "CANARY-7731"


def dicom(path: Path, values: np.ndarray, *, bits: int = 12, **tags: Any) -> Path:
    """Write a file as scanners do; ``tags`` are further attributes."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    found = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    found.SOPClassUID, found.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    found.PatientID, found.PatientName, found.StudyDate = "P1", f"{CANARY}^X", "20240229"
    found.Rows, found.Columns = values.shape[-3:-1] if values.shape[-1] == 3 else values.shape[-2:]
    found.SamplesPerPixel = 3 if values.shape[-1] == 3 else 1
    found.PhotometricInterpretation = "RGB" if values.shape[-1] == 3 else "MONOCHROME2"
    found.BitsAllocated = values.dtype.itemsize * 8
    found.BitsStored, found.HighBit = bits, bits - 1
    found.PixelRepresentation = int(values.dtype.kind == "i")
    found.PixelData = values.tobytes()
    for name, value in tags.items():
        setattr(found, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    found.save_as(path, enforce_file_format=True)
    return path


def read(path: Path, **words: Any) -> np.ndarray:
    return read_images([str(path)], Pixels(height=12, width=8, channels=1, **words), key="data")[0, 0]


def near(found: np.ndarray, expected: np.ndarray = GREY / 255) -> bool:
    return bool(np.abs(found - expected).max() < 1.5 / 255)


def scaled(bits: int) -> np.ndarray:
    return np.rint(GREY * ((2**bits - 1) / 255)).astype(np.uint16)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_stored_bits_give_black_and_white(tmp_path: Path, bits: int) -> None:
    assert near(read(dicom(tmp_path / "a.dcm", scaled(bits), bits=bits)))


def test_8_bits_and_colours(tmp_path: Path) -> None:
    assert near(read(dicom(tmp_path / "a.dcm", GREY, bits=8)))
    colours = np.repeat(GREY[..., None], 3, axis=-1)
    assert near(read(dicom(tmp_path / "b.dcm", colours, bits=8, PlanarConfiguration=0)))


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", 4095 - scaled(12), PhotometricInterpretation="MONOCHROME1")
    assert near(read(path))


def test_a_declared_window_counts_in_rescaled_units_and_goes_before_the_files(tmp_path: Path) -> None:
    hounsfield = (GREY.astype(np.int16) * 4 - 1000).astype(np.int16)
    stored = ((hounsfield + 1024) / 2).astype(np.int16)
    tags = {"RescaleSlope": 2, "RescaleIntercept": -1024, "WindowCenter": 5000, "WindowWidth": 10}
    path = dicom(tmp_path / "a.dcm", stored, bits=16, **tags)
    assert near(read(path, window=(-1000, -1000 + 4 * 255)))
    assert read(path).max() == 0, "all below the file's own window"


def test_the_files_window_by_each_function_of_the_standard(tmp_path: Path) -> None:
    stored = scaled(12)
    linear = dicom(tmp_path / "a.dcm", stored, WindowCenter=[2048, 7], WindowWidth=[4096, 7])
    assert near(read(linear))
    exact = dicom(tmp_path / "b.dcm", stored, WindowCenter=1000, WindowWidth=500, VOILUTFunction="LINEAR_EXACT")
    assert np.allclose(read(exact), np.clip((stored - 750.0) / 500, 0, 1), atol=1e-4)
    sigmoid = dicom(tmp_path / "c.dcm", stored, WindowCenter=1000, WindowWidth=500, VOILUTFunction="SIGMOID")
    assert np.allclose(read(sigmoid), 1 / (1 + np.exp(-4 * (stored - 1000.0) / 500)), atol=1e-4)


def test_rescaling_moves_the_range_of_stored_bits(tmp_path: Path) -> None:
    assert near(read(dicom(tmp_path / "a.dcm", scaled(12), RescaleSlope=3, RescaleIntercept=-1024)))
    signed = (scaled(12).astype(np.int32) - 2048).astype(np.int16)
    assert near(read(dicom(tmp_path / "b.dcm", signed, RescaleSlope=1, RescaleIntercept=0)))


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"NumberOfFrames": 2, "PixelData": scaled(12).tobytes() * 2}, "multi-frame DICOM"),
        ({"PixelData": scaled(12).tobytes()[:50]}, "truncated or no image"),
        ({"BitsStored": 8, "HighBit": 7}, "beyond its stored bits"),
        ({"PhotometricInterpretation": "CANARY"}, "photometric interpretation"),
        ({"WindowCenter": 1, "WindowWidth": 0}, "impossible window"),
        ({"RescaleSlope": -1, "RescaleIntercept": 0}, "rescale slope"),
    ],
)
def test_what_is_no_single_picture_is_refused_by_name(tmp_path: Path, tags: dict[str, Any], reason: str) -> None:
    path = dicom(tmp_path / "a.dcm", scaled(12), **tags)
    with pytest.raises(InputError, match="1 of 1 records") as caught:
        read(path)
    assert reason in (caught.value.private_detail or "")
    assert CANARY not in str(caught.value)


def test_a_report_without_a_picture_is_refused(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", scaled(12))
    from pydicom import dcmread

    found = dcmread(path)
    del found.PixelData
    found.save_as(path)
    with pytest.raises(InputError) as caught:
        read(path)
    assert "without a picture" in (caught.value.private_detail or "")


def test_a_compressed_file_without_a_decoder_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders import base

    path = dicom(tmp_path / "a.dcm", scaled(12), PixelData=encapsulate([bytes(100)]))
    from pydicom import dcmread

    found = dcmread(path)
    found.file_meta.TransferSyntaxUID = JPEGLSLossless
    found["PixelData"].is_undefined_length = True
    found.save_as(path)
    monkeypatch.setattr(base.Decoder, "is_available", property(lambda self: False))
    with pytest.raises(InputError, match=r"extra `dicom`, or decompress") as caught:
        read(path)
    assert "no installed decoder" in (caught.value.private_detail or "")


def test_run_length_encoding_is_read(tmp_path: Path) -> None:
    from pydicom import dcmread
    from pydicom.uid import RLELossless

    path = dicom(tmp_path / "a.dcm", scaled(12))
    found = dcmread(path)
    found.compress(RLELossless)
    found.save_as(path)
    assert near(read(path))


def test_nothing_but_the_picture_and_the_patient_is_read(tmp_path: Path) -> None:
    """Two files of one picture that differ in every other attribute are one tensor."""
    words = {"StudyDate": "19991231", "PatientName": "A^B", "InstitutionName": "X", "StudyDescription": "pneumonia"}
    one = dicom(tmp_path / "a.dcm", scaled(12))
    other = dicom(tmp_path / "b.dcm", scaled(12), **words)
    assert np.array_equal(read(one), read(other))


def test_broken_attributes_are_not_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    path = dicom(tmp_path / "a.dcm", scaled(12))
    content = path.read_bytes().replace(b"20240229", CANARY[:8].encode()).replace(b"P1", b"\xff\xfe")
    path.write_bytes(content)
    with caplog.at_level(logging.DEBUG):
        read(path)
    said = capfd.readouterr()
    assert CANARY[:8] not in said.out + said.err + caplog.text


def study(private: Path, folder: Path, **words: Any) -> Study:
    for number in range(10):
        for name in ("pool", "evaluation"):
            target = folder / name / ("" if name == "pool" else ["ill", "well"][number % 2]) / f"{number}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.roll(GREY, number)).save(target)
    return image_study(
        task="t",
        classes=("well", "ill"),
        private=(ImageSource(path=private, **words),),
        pool=(ImageSource(path=folder / "pool"),),
        evaluation=(ImageSource(path=folder / "evaluation"),),
        pixels=FORM,
        split=Split(),
        sizes=(6, 4),
    )


def scans(folder: Path, patients: list[str], names: str = "{}.dcm") -> Path:
    for number, patient in enumerate(patients):
        label = ["ill", "well"][number % 2]
        path = folder / label / names.format(number)
        dicom(path, np.roll(scaled(12), number), PatientID=patient, StudyDate=f"2024010{number % 9 + 1}")
    return folder


def test_the_patient_is_the_unit_in_the_canonical_form_of_ids(tmp_path: Path) -> None:
    found = study(scans(tmp_path / "mine", ["7", "7.0", "8", " 9"]), tmp_path)
    assert found.private.units_N is not None
    assert sorted(found.private.units_N.tolist()) == ["7", "7", "8", "9"]


def test_files_without_a_patient_are_refused_unless_each_file_is_its_own_unit(tmp_path: Path, records_refused) -> None:
    folder = scans(tmp_path / "mine", ["7", ""])
    with records_refused("an id in every record"):
        study(folder, tmp_path)
    assert study(folder, tmp_path, dicom_unit="image").private.units_N is None


@pytest.mark.parametrize("names", ["1.2.840.{}", "IM{}", "{}.img"])
def test_files_with_any_name_are_known_by_their_mark(tmp_path: Path, names: str) -> None:
    assert len(study(scans(tmp_path / "mine", ["7", "8", "9"], names), tmp_path).private) == 3


def test_dicom_beside_other_images_is_read_with_them(tmp_path: Path, records_refused) -> None:
    folder = scans(tmp_path / "mine", ["7", "8"])
    Image.fromarray(GREY).save(folder / "ill" / "other.png")
    assert len(study(folder, tmp_path, dicom_unit="image").private) == 3
    with records_refused("an id in every record"):
        study(folder, tmp_path)


def test_a_manifest_gives_the_unit_before_the_file(tmp_path: Path) -> None:
    scans(tmp_path / "mine", ["7", "7"])
    (tmp_path / "mine" / "list.csv").write_text("path,label,unit\nill/0.dcm,ill,a\nwell/1.dcm,well,b\n")
    found = study(tmp_path / "mine" / "list.csv", tmp_path)
    assert found.private.units_N is not None
    assert found.private.units_N.tolist() == ["a", "b"]
