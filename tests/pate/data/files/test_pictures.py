"""One picture in many writings is one tensor, or is refused with its reason in the private detail."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pate.data.files.images import Pixels, read_images
from pate.errors import InputError

HEIGHT, WIDTH = 120, 80
GREY = (np.linspace(0, 200, HEIGHT)[:, None] * 0.7 + np.linspace(0, 1, WIDTH)[None] * 60).astype(np.uint8)
"""Brighter from left to right and from top to bottom."""
TOLERANCE = 2.5 / 255
"""Rounding of 8 bits, twice, and the loss of JPEG."""
Form = npt.NDArray[np.float32]


def l8(path: Path) -> Path:
    return saved(Image.fromarray(GREY), path / "l.png")


def rgb(path: Path) -> Path:
    return saved(Image.fromarray(GREY).convert("RGB"), path / "rgb.jpg", quality=98)


def cmyk(path: Path) -> Path:
    return saved(Image.fromarray(GREY).convert("CMYK"), path / "cmyk.jpg", quality=98)


def palette(path: Path) -> Path:
    return saved(Image.fromarray(GREY).convert("P"), path / "p.png")


def rgba(path: Path) -> Path:
    alpha = np.full((HEIGHT, WIDTH), 255, dtype=np.uint8)
    alpha[:20] = 0
    return saved(Image.fromarray(np.dstack([GREY, GREY, GREY, alpha])), path / "rgba.png")


def grey_and_alpha(path: Path) -> Path:
    return saved(Image.fromarray(np.dstack([GREY, np.full_like(GREY, 9)])), path / "la.png")


def turned(path: Path) -> Path:
    exif = Image.Exif()
    exif[274] = 6
    image = Image.fromarray(GREY).transpose(Image.Transpose.ROTATE_90).convert("RGB")
    return saved(image, path / "exif.jpg", quality=98, exif=exif)


def png_of_16_bits(path: Path) -> Path:
    return saved(Image.fromarray(GREY.astype(np.uint16) * 257), path / "l16.png")


def png_of_12_in_16_bits(path: Path) -> Path:
    return saved(Image.fromarray(twelve_bits().astype(np.uint16)), path / "l12.png")


def tiff_of_12_in_16_bits(path: Path) -> Path:
    return saved(Image.fromarray(twelve_bits().astype(np.uint16)), path / "l12.tif")


def tiff_where_white_is_zero(path: Path) -> Path:
    tags = {262: 0}
    return saved(Image.fromarray(4095 - twelve_bits().astype(np.uint16)), path / "w12.tif", tiffinfo=tags)


def tiff_of_32_bits(path: Path) -> Path:
    return saved(Image.fromarray(twelve_bits()), path / "i32.tif")


def tiff_of_floats(path: Path) -> Path:
    return saved(Image.fromarray((GREY / 255).astype(np.float32)), path / "f32.tif")


def pgm_of_12_bits(path: Path) -> Path:
    (path / "l12.pgm").write_bytes(b"P5 %d %d 4095\n" % (WIDTH, HEIGHT) + twelve_bits().astype(">u2").tobytes())
    return path / "l12.pgm"


def twelve_bits() -> npt.NDArray[np.int32]:
    return np.rint(GREY * (4095 / 255)).astype(np.int32)


def saved(image: Image.Image, path: Path, **words: object) -> Path:
    image.save(path, **words)
    return path


def read(path: Path, **words: object) -> Form:
    channels = words.pop("channels", 1)
    return read_images([str(path)], Pixels(height=60, width=40, channels=channels, **words), key="data")[0]


WRITINGS: dict[Callable[[Path], Path], dict[str, object]] = {
    l8: {},
    rgb: {},
    cmyk: {},
    palette: {},
    rgba: {},
    grey_and_alpha: {},
    turned: {},
    png_of_16_bits: {"bits": 16},
    png_of_12_in_16_bits: {"bits": 12},
    tiff_of_12_in_16_bits: {"bits": 12},
    tiff_where_white_is_zero: {"bits": 12},
    tiff_of_32_bits: {"window": (0, 4095)},
    tiff_of_floats: {"window": (0, 1)},
    pgm_of_12_bits: {},
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("write", WRITINGS)
def test_every_writing_of_a_picture_is_the_same_tensor(
    tmp_path: Path, write: Callable[[Path], Path], channels: int
) -> None:
    expected = np.asarray(Image.fromarray(GREY).resize((40, 60), Image.Resampling.BILINEAR)) / 255
    found = read(write(tmp_path), channels=channels, **WRITINGS[write])
    assert found.shape == (channels, 60, 40)
    assert found.dtype == np.float32
    assert np.abs(found - expected[None]).max() < TOLERANCE


@pytest.mark.parametrize("declared", [{"bits": 12}, {"window": (0, 4095)}])
def test_a_range_for_deep_files_leaves_those_of_8_bits_as_they_are(tmp_path: Path, declared: dict[str, object]) -> None:
    assert np.array_equal(read(l8(tmp_path)), read(l8(tmp_path), **declared))


def test_values_are_clipped_by_a_window_and_keep_more_than_8_bits(tmp_path: Path) -> None:
    found = read(png_of_12_in_16_bits(tmp_path), window=(1000, 2000))
    assert found.min() == 0
    assert found.max() == 1
    assert len(np.unique(found)) > 256


def truncated(path: Path) -> Path:
    content = rgb(path).read_bytes()
    (path / "truncated.jpg").write_bytes(content[: int(len(content) * 0.6)])
    return path / "truncated.jpg"


def corrupt(path: Path) -> Path:
    content = l8(path).read_bytes()
    (path / "corrupt.png").write_bytes(content[:200] + bytes(50) + content[250:])
    return path / "corrupt.png"


def colour_of_16_bits(path: Path) -> Path:
    colour = np.repeat(GREY[..., None].astype(">u2") * 16, 3, axis=-1)
    rows = b"".join(b"\0" + row.tobytes() for row in colour)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(c)) + t + c + struct.pack(">I", zlib.crc32(t + c)) for t, c in parts]
    (path / "rgb16.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path / "rgb16.png"


def pages(path: Path) -> Path:
    image = Image.fromarray(GREY)
    return saved(image, path / "pages.tif", save_all=True, append_images=[image])


def not_a_number(path: Path) -> Path:
    values = (GREY / 255).astype(np.float32)
    values[3, 3] = np.nan
    return saved(Image.fromarray(values), path / "nan.tif")


@pytest.mark.parametrize(
    ("write", "declared", "reason", "remedy"),
    [
        (truncated, {}, "truncated", "restore the files"),
        (corrupt, {}, "truncated or no image", "restore the files"),
        (png_of_16_bits, {}, "more than 8 bits without a range", r"data\.pixels\.bits"),
        (png_of_12_in_16_bits, {}, "more than 8 bits without a range", r"data\.pixels\.bits"),
        (tiff_of_32_bits, {}, "more than 8 bits without a range", r"data\.pixels\.bits"),
        (png_of_16_bits, {"bits": 12}, r"beyond data\.pixels\.bits", r"data\.pixels\.bits"),
        (tiff_of_floats, {"bits": 12}, "floating-point values without a range", r"data\.pixels\.window"),
        (not_a_number, {"window": (0, 1)}, "no numbers", "replace"),
        (colour_of_16_bits, {"bits": 12}, "16 bits for each channel", "8 bits"),
        (pages, {}, "several pictures", "file of its own"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_its_reason(
    tmp_path: Path, write: Callable[[Path], Path], declared: dict[str, object], reason: str, remedy: str
) -> None:
    with pytest.raises(InputError, match=remedy) as caught:
        read(write(tmp_path), **declared)
    assert "1 of 1: " in (caught.value.private_detail or "")
    assert re.search(reason, caught.value.private_detail or "")


def test_reasons_are_counted_in_the_private_detail(tmp_path: Path) -> None:
    paths = [png_of_12_in_16_bits(tmp_path), tiff_of_12_in_16_bits(tmp_path), truncated(tmp_path), l8(tmp_path)]
    with pytest.raises(InputError, match=r"3 of 4 records.*data\.pixels\.bits") as caught:
        read_images([str(path) for path in paths], Pixels(height=4, width=4, channels=1), key="data")
    detail = caught.value.private_detail or ""
    assert "2 of 4: more than 8 bits" in detail
    assert "1 of 4: missing, truncated or no image" in detail
    assert "l.png" not in detail


def test_a_range_that_leaves_all_images_dark_is_refused(tmp_path: Path) -> None:
    """Twelve bits that are declared as sixteen would be nearly black."""
    path = png_of_12_in_16_bits(tmp_path)
    with pytest.raises(InputError, match=r"a quarter of their range; declare data\.pixels\.bits"):
        read_images([str(path)] * 8, Pixels(height=4, width=4, channels=1, bits=16), key="data")
    assert read(path, window=(0, 65535)).max() < 0.1, "a window is taken at its word"
    assert read(path, bits=16).max() < 0.1, "one image may be dark"


def test_a_window_that_leaves_most_images_without_contrast_is_refused(tmp_path: Path) -> None:
    """A window of floats makes whole numbers white."""
    paths = [str(png_of_12_in_16_bits(tmp_path))] * 8
    with pytest.raises(InputError, match=r"a quarter of their range") as caught:
        read_images(paths, Pixels(height=4, width=4, channels=1, window=(-2, -1)), key="data")
    assert "8 all black or white" in (caught.value.private_detail or "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"bits": 8}, "9 <= data.pixels.bits"),
        ({"window": (1, 1)}, "black below white"),
        ({"window": (0, float("inf"))}, "black below white"),
        ({"bits": 12, "window": (0, 1)}, "data.pixels.bits or data.pixels.window"),
    ],
)
def test_a_range_must_be_possible(words: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Pixels(height=4, width=4, channels=1, **words)
