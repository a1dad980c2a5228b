"""Pictures of phones, cameras, scanners and microscopes: read, or refused with what to do; never black."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo.errors import InputError
from zoo.inputs.find import SUFFIXES
from zoo.inputs.pictures import formats
from zoo.inputs.pictures.depth import UnfitError, factor, require_visible, to_gray
from zoo.runner import load_image

RAMP = np.linspace(0, 1, 64).reshape(8, 8)


def stored(tmp_path: Path, values: Any, name: str = "a.tif") -> Path:
    Image.fromarray(values).save(tmp_path / name)
    return tmp_path / name


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_gray_of_fewer_bits_than_are_stored(tmp_path: Path, name: str, bits: int) -> None:
    path = stored(tmp_path, np.round(RAMP * ((1 << bits) - 1)).astype(np.uint16), name)
    np.testing.assert_allclose(load_image(path, 8, 8)[..., 0], RAMP * 255, atol=1.5)


def test_fourteen_bits_are_dark_and_visible(tmp_path: Path) -> None:
    pixels = load_image(stored(tmp_path, np.round(RAMP * 16383).astype(np.uint16)), 8, 8)
    assert 60 <= pixels.max() <= 64


@pytest.mark.parametrize("white", [1.0, 255.0, 4095.0, 65535.0])
def test_floats(tmp_path: Path, white: float) -> None:
    pixels = load_image(stored(tmp_path, (RAMP * white).astype(np.float32)), 8, 8)
    np.testing.assert_allclose(pixels[..., 0], RAMP * 255, atol=1.5)


@pytest.mark.parametrize(
    "values",
    [RAMP.astype(np.float32) - 1, np.full((8, 8), 1 << 20, np.int32), np.full((8, 8), np.nan, np.float32)],
)
def test_values_without_a_known_white_are_refused(tmp_path: Path, values: Any) -> None:
    with pytest.raises(InputError, match=r"a.tif cannot be used: its values go from .* save it with 8 or 16"):
        load_image(stored(tmp_path, values), 8, 8)


def test_all_tiles_of_a_picture_have_one_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.zeros((8, 8), np.uint16)
    values[0], values[7] = 200, 4095
    whole = load_image(stored(tmp_path, values), 8, 8)
    monkeypatch.setattr("zoo.inputs.pictures.picture_memory.TILE", 8)
    np.testing.assert_array_equal(load_image(tmp_path / "a.tif", 8, 8), whole)
    assert (whole[0].max(), whole[7].max()) == (12, 255)


def deep_colour(bits: int) -> bytes:
    """A TIFF file of 8x8 pixels in colour of 16 bits a sample, which Pillow cannot write."""
    import struct

    pixels = np.round(np.repeat(RAMP[..., np.newaxis], 3, axis=2) * ((1 << bits) - 1)).astype("<u2").tobytes()
    entries = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 3, 134), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 140),
               (277, 3, 1, 3), (278, 3, 1, 8), (279, 4, 1, len(pixels)), (284, 3, 1, 1)]  # fmt: skip
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(struct.pack("<HHII", *one) for one in entries)
    return head + b"\0\0\0\0" + struct.pack("<3H", 16, 16, 16) + pixels


def test_colour_of_sixteen_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(deep_colour(16))
    np.testing.assert_allclose(load_image(path, 8, 8)[..., 1], RAMP * 255, atol=1.5)
    path.write_bytes(deep_colour(12))
    with pytest.raises(InputError, match="16 bits fill 12 or fewer, so that it would be black; save it with 8 bits"):
        load_image(path, 8, 8)


def test_a_photo_of_two_views(tmp_path: Path, photos: tuple[Path, Path]) -> None:
    with Image.open(photos[0]) as photo:
        photo.save(tmp_path / "a.mpo", "MPO", save_all=True, append_images=[photo.rotate(180)])
        photo.save(tmp_path / "a.jpg", "JPEG")
    difference = load_image(tmp_path / "a.mpo", 32, 32).astype(int) - load_image(tmp_path / "a.jpg", 32, 32)
    assert abs(difference).max() <= 2


def test_photos_for_the_press_are_no_negatives(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (200, 30, 30)).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert abs(load_image(tmp_path / "a.jpg", 8, 8)[4, 4].astype(int) - (200, 30, 30)).max() < 8


def test_colours_that_are_not_read_are_named(tmp_path: Path) -> None:
    Image.new("LAB", (8, 8), (128, 128, 128)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a.tif cannot be used: its colours are in the space L\*a\*b\*"):
        load_image(tmp_path / "a.tif", 8, 8)


def test_tiff_files_that_pillow_does_not_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(deep_colour(16).replace(b"\x15\x01\x03\0\x01\0\0\0\x03", b"\x15\x01\x03\0\x01\0\0\0\x05"))
    with pytest.raises(InputError, match="is a TIFF file that is damaged or of a kind that Pillow does not read"):
        load_image(path, 8, 8)


@pytest.mark.parametrize("tags", [{50706: b"\1\4\0\0"}, {254: 1, 330: 8}])
def test_raw_files_of_cameras_are_no_small_pictures(tmp_path: Path, tags: dict[int, Any]) -> None:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    info = ImageFileDirectory_v2()
    for tag, value in tags.items():
        info.tagtype[tag] = 1 if isinstance(value, bytes) else 4
        info[tag] = value
    Image.new("RGB", (16, 12)).save(tmp_path / "a.dng", "TIFF", tiffinfo=info)
    with pytest.raises(InputError, match="is a camera's raw file, of which only a preview could be read; export it"):
        load_image(tmp_path / "a.dng", 8, 8)


@pytest.mark.parametrize("brands", [b"heic\0\0\0\0mif1heic", b"mif1\0\0\0\0mif1miaf", b"msf1\0\0\0\0msf1"])
def test_photos_of_phones(monkeypatch: pytest.MonkeyPatch, brands: bytes) -> None:
    monkeypatch.setitem(formats.PLUGINS, "HEIF", "no_such_module")
    formats.is_installed.cache_clear()
    content = (b"\0\0\0\x18ftyp" + brands).ljust(100, b"\0")
    with pytest.raises(InputError, match="is a HEIF file, .* pip install pillow-heif, or save it as PNG or JPEG"):
        load_image(io.BytesIO(content), 8, 8)
    formats.is_installed.cache_clear()


def test_films_are_named() -> None:
    with pytest.raises(InputError, match="is a film, .*; save its frames as JPEG"):
        load_image(io.BytesIO(b"\0\0\0\x18ftypqt  \0\0\0\0qt  ".ljust(100, b"\0")), 8, 8)


def test_the_suffixes_of_all_formats_are_looked_for() -> None:
    """Icons apart, which lie in folders of pictures without being any."""
    Image.init()
    kinds = {"HEIF": ".heic"} | {Image.EXTENSION[suffix]: suffix for suffix in SUFFIXES if suffix in Image.EXTENSION}
    assert set(formats.PLUGINS) - {"ICO", "MPO"} <= set(kinds) | {"HEIF"}


@pytest.mark.parametrize(
    ("high", "bits"), [(255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 16), (65535, 16)]
)
def test_the_fewest_bits_that_hold_the_highest_value(high: int, bits: int) -> None:
    image = Image.fromarray(np.array([[0, high]], np.int32))
    assert factor(image) == 255 / (2**bits - 1)


def test_values_above_sixteen_bits_and_below_zero_are_unfit() -> None:
    for low, high in ((0, 65536), (-1, 1)):
        with pytest.raises(UnfitError, match=f"its values go from {low} to {high}, and"):
            factor(Image.fromarray(np.array([[low, high]], np.int32)))
    assert factor(Image.fromarray(np.array([[0, 1]], np.float32))) == 255
    assert factor(Image.fromarray(np.array([[0, 1.5]], np.float32))) == 1


def test_values_are_multiplied_cut_and_rounded_down() -> None:
    image = Image.fromarray(np.array([[0, 1, 127, 200, 128.5]], np.float32))
    np.testing.assert_array_equal(np.asarray(to_gray(image, 2)), [[0, 2, 254, 255, 255]])
    np.testing.assert_array_equal(np.asarray(to_gray(image, 0.5)), [[0, 0, 63, 100, 64]])


def test_colours_below_a_sixteenth_of_a_sample_are_lost() -> None:
    require_visible(Image.new("RGB", (2, 2), (0, 16, 0)))
    require_visible(Image.new("RGB", (2, 2), (0, 0, 0)))
    for highest in (1, 15):
        with pytest.raises(UnfitError, match="it would be black"):
            require_visible(Image.new("RGB", (2, 2), (0, highest, 0)))


@pytest.mark.parametrize("value", [0, 200, 255])
def test_a_picture_of_one_value_is_one(value: int) -> None:
    assert factor(Image.fromarray(np.full((2, 2), value, np.int32))) == 1
