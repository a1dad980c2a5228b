"""Inputs of files that others made: what is checked when a file is opened, and how pixels get in."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from zoo.errors import InputError, ModelFileError
from zoo.inputs.preprocessing import PictureShape, picture_shape
from zoo.runner.entry import held_range, open_entry
from zoo.runner.loading.session import Session, TensorInfo
from zoo.tflite.normalization import Normalization

PATH = Path("other.tflite")
EVERY = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
"""Every pixel once."""
OURS = {"input": {"values": "pixels 0..255"}}


def opened(dtype: str, scale: float = 0.0, zero_point: int = 0, shape: tuple[int, ...] = (1, 16, 16, 1)) -> Session:
    """A loaded file with such an input and no metadata."""
    tensor = TensorInfo("pixels", shape, np.dtype(dtype), scale, zero_point)
    file = SimpleNamespace(metadata={}, path=PATH, main=SimpleNamespace(tensors=()))
    found = SimpleNamespace(input=tensor, path=PATH, file=file)
    return cast("Session", found)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((224, 160, 3), PictureShape(224, 160, 3)),
        ((28, 28, 1), PictureShape(28, 28, 1)),
        ((3, 224, 160), PictureShape(224, 160, 3, "first")),
        ((1, 28, 28), PictureShape(28, 28, 1, "first")),
        ((28, 28), PictureShape(28, 28, 1, "none")),
        ((128, 6), None),
        ((3, 3), None),
        ((224, 224, 4), None),
        ((784,), None),
        ((), None),
        ((1, 5, 2, 3, 3), None),
    ],
)
def test_a_shape_says_how_an_input_takes_pictures(shape: tuple[int, ...], expected: PictureShape | None) -> None:
    assert picture_shape(shape) == expected


def test_pixels_get_the_order_of_the_axes() -> None:
    pixels = np.arange(2 * 3 * 3).reshape(2, 3, 3)
    np.testing.assert_array_equal(PictureShape(2, 3, 3, "first").arrange(pixels)[2], pixels[:, :, 2])
    gray = pixels[..., :1]
    np.testing.assert_array_equal(PictureShape(2, 3, 1, "none").arrange(gray), gray[..., 0])
    assert PictureShape(2, 3, 3).arrange(pixels) is pixels


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "int64", "uint8"])
def test_an_integer_input_without_a_scale_gets_raw_pixels(dtype: str) -> None:
    entry = open_entry(opened(dtype), {})
    stored = entry.stored(EVERY)
    assert stored.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(stored, EVERY)
    assert not entry.unsure


def test_an_integer_input_that_does_not_hold_pixels_needs_their_range() -> None:
    with pytest.raises(ModelFileError, match=r"int8 without a scale.*give their range: --input-range -128,127"):
        open_entry(opened("int8"), {})
    stored = open_entry(opened("int8"), {}, (-128, 127)).stored(EVERY)
    np.testing.assert_array_equal(stored, EVERY.astype(int) - 128)


@pytest.mark.parametrize("dtype", ["bool", "S3", "O", "complex64"])
def test_an_input_that_takes_no_numbers_is_refused(dtype: str) -> None:
    with pytest.raises(ModelFileError, match="neither pictures nor numbers"):
        open_entry(opened(dtype), {})


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point"),
    [
        ("uint8", 1 / 255, 0),
        ("uint8", 1 / 256, 0),
        ("uint8", 1.0, 0),
        ("uint8", 2 / 255, 127),
        ("uint8", 1 / 128, 128),
        ("int8", 1 / 255, -128),
        ("int8", 1.0, -128),
        ("int8", 2 / 255, -1),
    ],
)
def test_a_quantized_input_over_all_pixels_stores_them_as_they_are(dtype: str, scale: float, zero_point: int) -> None:
    entry = open_entry(opened(dtype, scale, zero_point), {})
    np.testing.assert_array_equal(entry.stored(EVERY), EVERY.astype(int) + np.iinfo(dtype).min)
    assert not entry.unsure


@pytest.mark.parametrize(
    ("dtype", "held", "trained"),
    [
        ("uint8", (0, 0.8), (0, 1)),
        ("int8", (0, 0.55), (0, 1)),
        ("uint8", (-1, 0.7), (-1, 1)),
        ("int8", (-0.9, 1.0), (-1, 1)),
        ("uint8", (0, 200), (0, 255)),
    ],
)
def test_pixels_are_stored_by_the_scale_of_an_input_calibrated_on_darker_pictures(
    dtype: str, held: tuple[float, float], trained: tuple[float, float]
) -> None:
    scale = (held[1] - held[0]) / 255
    session = opened(dtype, scale, round(np.iinfo(dtype).min - held[0] / scale))
    entry = open_entry(session, {})
    real = session.input.dequantize(entry.stored(EVERY))
    meant = trained[0] + EVERY.astype(np.float32) / 255 * (trained[1] - trained[0])
    low, high = held_range(session.input)
    np.testing.assert_allclose(real, meant.clip(low, high), atol=scale)
    assert not entry.unsure


def test_a_quantized_input_of_an_unusual_range_is_told_and_can_be_set() -> None:
    # The pixels of Keras' caffe mode: mean colours taken off, -124..151.
    session = opened("uint8", 275 / 255, 115)
    entry = open_entry(session, {})
    np.testing.assert_array_equal(entry.stored(EVERY), EVERY)
    assert "holds -124" in entry.unsure
    assert "--input-range" in entry.unsure
    asked = open_entry(session, {}, (-110, 145))
    assert not asked.unsure
    np.testing.assert_allclose(session.input.dequantize(asked.stored(EVERY)), EVERY - 110.0, atol=1)


def test_metadata_says_what_a_quantized_input_means(monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened("int8", 4.45 / 255, -4)
    stated = Normalization((0.485 * 255,), (0.225 * 255,))
    monkeypatch.setattr("zoo.tflite.normalization.stated", lambda _: stated)
    entry = open_entry(session, {})
    assert not entry.unsure
    np.testing.assert_allclose(session.input.dequantize(entry.stored(EVERY)), stated(EVERY), atol=4.45 / 255)


def test_an_int16_input_says_nothing_of_its_pixels() -> None:
    session = opened("int16", 1 / 32767)
    with pytest.raises(ModelFileError, match=r"int16 for -1\.\.1 and does not say .* --input-range"):
        open_entry(session, {})
    stored = open_entry(session, {}, (0, 1)).stored(EVERY)
    np.testing.assert_allclose(session.input.dequantize(stored), EVERY / 255.0, atol=1e-4)


def test_a_quantized_file_of_ours_stores_pixels_whatever_its_scale_is() -> None:
    session = opened("uint8", 275 / 255, 115)
    entry = open_entry(session, OURS)
    np.testing.assert_array_equal(entry.stored(EVERY), EVERY)
    assert not entry.unsure
    with pytest.raises(InputError, match="takes no input range"):
        open_entry(session, OURS, (0, 1))


def test_means_of_channels_find_them_where_they_stand_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.tflite.normalization.stated", lambda _: Normalization((1.0, 2.0, 3.0), (2.0,)))
    entry = open_entry(opened("float32", shape=(1, 3, 8, 9)), {})
    stored = entry.stored(np.full((1, 3, 8, 9), 9, np.uint8))
    assert stored.shape == (1, 3, 8, 9)
    np.testing.assert_array_equal(stored[0, :, 0, 0], [4, 3.5, 3])


def test_windows_of_a_sensor_that_look_like_gray_pictures_are_still_taken() -> None:
    ours = {"input": {"values": "as in training"}}
    for session, card in [(opened("float32", shape=(1, 64, 64)), {}), (opened("float32", shape=(1, 64, 64)), ours)]:
        entry = open_entry(session, card)
        assert entry.picture == PictureShape(64, 64, 1, "none")
        assert entry.takes_values
    assert not open_entry(opened("float32", shape=(1, 64, 64)), OURS).takes_values
    assert not open_entry(opened("float32"), {}).takes_values


def test_values_that_an_integer_input_cannot_hold_are_refused() -> None:
    tokens = TensorInfo("tokens", (1, 3), np.dtype(np.int8), 0.0, 0)
    np.testing.assert_array_equal(tokens.store(np.array([[1, 2, -3]], np.float32), pixels=False), [[1, 2, -3]])
    for wrong in (0.5, 128, -129, 1e9, float("nan")):
        with pytest.raises(InputError, match="'tokens' is int8 and takes whole numbers -128..127, got"):
            tokens.store(np.array([[1, wrong, 2]], np.float32), pixels=False)
