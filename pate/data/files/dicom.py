"""DICOM files: one grey or colour picture, and the patient's id. No other attribute is read.

Black and white are, in this order, those of ``data.pixels.window`` (in rescaled units, such as Hounsfield), of the
file's own table or window of values of interest (as a viewer shows it), or of its stored bits.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pate.data.files.picture import Pixels, Unreadable, Values, between

if TYPE_CHECKING:
    from pydicom import Dataset

SUFFIXES = frozenset({".dcm", ".dicom", ".dic", ".ima"})
DIRECTORY = "DICOMDIR"
"""Name of a table of contents, which holds no picture."""
MOST_PIXELS = 2**27
_PREAMBLE = 128
_TAGS = [
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData", "WindowCenter", "WindowWidth",
    "VOILUTFunction", "VOILUTSequence", "RescaleIntercept", "RescaleSlope", "RescaleType", "ModalityLUTSequence",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData",
]  # fmt: skip


def has_mark(path: Path) -> bool:
    """Return ``True`` for a file with the mark of DICOM, whatever its name."""
    try:
        with path.open("rb") as file:
            return file.read(_PREAMBLE + 4)[_PREAMBLE:] == b"DICM"
    except OSError:
        return False


def patient_of(path: Path) -> str | None:
    """Return the patient's id; ``None`` if the file has none or is no DICOM file."""
    from pydicom import dcmread  # noqa: PLC0415 - only DICOM needs it

    try:
        found = dcmread(path, stop_before_pixels=True, force=True, specific_tags=["PatientID"]).get("PatientID")
    except Exception:  # the picture is refused later
        return None
    return str(found) if found else None


def read_dicom(path: Path, pixels: Pixels) -> Values | npt.NDArray[np.uint8]:
    """Read a picture: brightness in [0, 1] ``[H, W]``, or colours in 8 bits ``[H, W, 3]``.

    Raises:
        Unreadable: it cannot be used.
        Exception: the decoder's own errors, whose text may quote the file.
    """
    from pydicom import dcmread  # noqa: PLC0415

    found = dcmread(path, force=True, specific_tags=_TAGS)
    _require_one_picture(found)
    colours = str(found.PhotometricInterpretation)
    if int(found.SamplesPerPixel) == 1 and colours not in ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"):
        raise Unreadable("DICOM of an unknown photometric interpretation", "convert it to MONOCHROME2")
    if int(found.PixelRepresentation) == 0:  # bits that are not stored must be empty: checked below
        found.pixel_array_options(correct_unused_bits=False)
    stored = found.pixel_array
    if colours == "PALETTE COLOR":
        return _palette(stored, found)
    if stored.ndim == 3:
        if stored.dtype != np.uint8:
            raise Unreadable("DICOM of 16 bits for each channel of a colour", "convert them to 8 bits")
        return stored.astype(np.uint8)
    values = _shown(stored, found, pixels)
    return 1 - values if colours == "MONOCHROME1" else values


def _require_one_picture(found: Dataset) -> None:
    """Refuse files of none or several pictures, and those that cannot be decoded here."""
    if "PixelData" not in found:
        raise Unreadable("DICOM without a picture", "leave reports and other documents out")
    if int(found.get("NumberOfFrames") or 1) > 1:
        raise Unreadable("multi-frame DICOM", "write each frame that counts to a file of its own")
    if int(found.Rows) * int(found.Columns) > MOST_PIXELS:
        raise Unreadable("a picture that is too large", f"reduce it to {MOST_PIXELS} pixels")
    syntax = found.file_meta.get("TransferSyntaxUID") if hasattr(found, "file_meta") else None
    if syntax is None or not syntax.is_compressed:
        return
    from pydicom.pixels.decoders.base import get_decoder  # noqa: PLC0415

    try:
        known = get_decoder(syntax).is_available
    except NotImplementedError:
        known = False
    if not known:
        raise Unreadable(
            "compressed DICOM that no installed decoder reads",
            "install the extra `dicom`, or decompress them, for example by dcmdjpeg or gdcmconv --raw",
        )


def _shown(stored: npt.NDArray[Any], found: Dataset, pixels: Pixels) -> Values:
    """Return stored grey values as brightness in [0, 1], before any inversion."""
    from pydicom.pixels.processing import apply_modality_lut, apply_voi  # noqa: PLC0415

    bits, signed = int(found.BitsStored), int(found.PixelRepresentation) == 1
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if int(stored.min()) < low or int(stored.max()) > high:
        raise Unreadable("DICOM with values beyond its stored bits", "write it again without overlays in the pixels")
    values = apply_modality_lut(stored, found)
    if pixels.window is not None:
        return between(values, *pixels.window)
    if found.get("VOILUTSequence"):
        deepest = int(found.VOILUTSequence[0].LUTDescriptor[2])
        return between(apply_voi(values, found), 0, 2**deepest - 1)
    centre, width = _first(found.get("WindowCenter")), _first(found.get("WindowWidth"))
    if centre is not None and width is not None:
        return _windowed(values, centre, width, str(found.get("VOILUTFunction") or "LINEAR"))
    if found.get("ModalityLUTSequence"):
        raise Unreadable("DICOM with a table of values and no window", "declare data.pixels.window ([black, white])")
    slope = float(1 if found.get("RescaleSlope") is None else found.RescaleSlope)
    intercept = float(found.get("RescaleIntercept") or 0)
    if not slope > 0:
        raise Unreadable("DICOM with a rescale slope that is not positive", "declare data.pixels.window")
    return between(values, low * slope + intercept, high * slope + intercept)


def _windowed(values: npt.NDArray[Any], centre: float, width: float, function: str) -> Values:
    """Return values in a window, by the three functions of the standard (PS3.3 C.11.2.1)."""
    if not (np.isfinite(centre) and np.isfinite(width) and width > 0):
        raise Unreadable("DICOM with an impossible window", "declare data.pixels.window ([black, white])")
    if function == "SIGMOID":
        bounded = np.clip(-4 * (np.asarray(values, dtype=np.float64) - centre) / width, -60, 60)
        return (1 / (1 + np.exp(bounded))).astype(np.float32)
    if function == "LINEAR_EXACT":
        return between(values, centre - width / 2, centre + width / 2)
    if function != "LINEAR":
        raise Unreadable("DICOM with an unknown function of its window", "declare data.pixels.window ([black, white])")
    if width <= 1:
        return (np.asarray(values, dtype=np.float64) > centre - 0.5).astype(np.float32)
    return between(values, centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2)


def _palette(stored: npt.NDArray[Any], found: Dataset) -> npt.NDArray[np.uint8]:
    from pydicom.pixels.processing import apply_color_lut  # noqa: PLC0415

    colours = apply_color_lut(stored, found)
    return (colours >> 8).astype(np.uint8) if colours.dtype == np.uint16 else colours.astype(np.uint8)


def _first(value: Any) -> float | None:
    """Return a number, or the first of several."""
    if value is None or value == "":
        return None
    return (
        float(value[0]) if not isinstance(value, str | float | int) and hasattr(value, "__getitem__") else float(value)
    )
