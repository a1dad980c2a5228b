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


def opened(
    dtype: str,
    scale: float = 0.0,
    zero_point: int = 0,
    shape: tuple[int, ...] = (1, 16, 16, 1),
    *,
    name: str = "pixels",
    path: Path = PATH,
) -> Session:
    """A loaded file with such an input and no metadata."""
    tensor = TensorInfo(name, shape, np.dtype(dtype), scale, zero_point)
    file = SimpleNamespace(metadata={}, path=path, main=SimpleNamespace(tensors=()))
    found = SimpleNamespace(input=tensor, path=path, file=file)
    return cast("Session", found)


def holding(low: float, high: float) -> Session:
    """A loaded file whose uint8 input holds the values from `low` to `high`, near enough."""
    scale = (high - low) / 255
    return opened("uint8", scale, round(-low / scale))


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


def states(monkeypatch: pytest.MonkeyPatch, found: Normalization | None) -> None:
    """Has the metadata of every file state a normalization."""
    monkeypatch.setattr("zoo.tflite.normalization.stated", lambda _: found)


def test_a_float_input_gets_raw_pixels_and_the_user_is_told_that_this_is_a_guess() -> None:
    entry = open_entry(opened("float32"), {})
    np.testing.assert_array_equal(entry.stored(EVERY), EVERY)
    assert "other.tflite was not made by this package and does not say how its pixels are scaled" in entry.unsure
    assert "it gets 0..255" in entry.unsure
    assert not entry.known


def test_what_metadata_state_of_a_float_input_is_done_and_no_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    states(monkeypatch, Normalization((127.5,), (127.5,)))
    entry = open_entry(opened("float32"), {})
    np.testing.assert_allclose(entry.stored(EVERY), EVERY / 127.5 - 1.0, atol=1e-6)
    assert not entry.unsure
    states(monkeypatch, Normalization((0.0,), (1.0,)))
    entry = open_entry(opened("float32"), {})
    assert (entry.normalization, entry.unsure) == (None, "")


def test_metadata_without_a_normalization_say_that_there_is_none() -> None:
    session = opened("float32")
    session.file.metadata["TFLITE_METADATA"] = b""
    entry = open_entry(session, {})
    assert (entry.normalization, entry.unsure) == (None, "")


@pytest.mark.parametrize("name", ["normalized_input_image_tensor", "normalized_input_image_tensor:0"])
def test_inputs_of_the_object_detection_api_are_known_by_their_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = open_entry(opened("float32", name=name), {})
    np.testing.assert_allclose(entry.stored(EVERY), EVERY / 127.5 - 1.0, atol=1e-6)
    assert not entry.unsure
    # An integer input of that name holds pixels, and metadata know better than a name.
    np.testing.assert_array_equal(open_entry(opened("uint8", name=name), {}).stored(EVERY), EVERY)
    states(monkeypatch, Normalization((0.0,), (255.0,)))
    np.testing.assert_allclose(open_entry(opened("float32", name=name), {}).stored(EVERY), EVERY / 255.0, atol=1e-6)


def test_float_files_of_teachable_machine_are_known_and_the_user_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path("model_unquant.tflite")
    entry = open_entry(opened("float32", path=path), {})
    np.testing.assert_allclose(entry.stored(EVERY), EVERY / 127.5 - 1.0, atol=1e-6)
    assert "was made by Teachable Machine" in entry.known
    assert not entry.unsure
    states(monkeypatch, Normalization((0.0,), (255.0,)))
    stated = open_entry(opened("float32", path=path), {})
    np.testing.assert_allclose(stated.stored(EVERY), EVERY / 255.0, atol=1e-6)
    assert not stated.known


def test_the_means_of_imagenet_are_taken_off_where_the_user_says_so() -> None:
    pixels = np.full((1, 8, 9, 3), 100, np.uint8)
    # (pixel / 255 - mean) / std, as torchvision states them: https://pytorch.org/vision/stable/models.html
    wanted = (100 / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    last = open_entry(opened("float32", shape=(1, 8, 9, 3)), {}, "imagenet").stored(pixels)
    np.testing.assert_allclose(last, np.broadcast_to(wanted, last.shape), atol=1e-5)
    first = open_entry(opened("float32", shape=(1, 3, 8, 9)), {}, "imagenet").stored(pixels.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(first.transpose(0, 2, 3, 1), last)
    with pytest.raises(
        InputError, match=r"other\.tflite takes gray pictures, and the input range imagenet is for colour"
    ):
        open_entry(opened("float32"), {}, "imagenet")


@pytest.mark.parametrize("asked", [(1,), (0, 1, 2), ("low", "high"), "none", 3])
def test_a_range_that_is_not_two_numbers_is_refused(asked: object) -> None:
    with pytest.raises(InputError, match=r"^input_range=.* is not allowed; give two finite numbers"):
        open_entry(opened("float32"), {}, cast("tuple[float, float]", asked))


@pytest.mark.parametrize("asked", [(1, 1), (1, 0), (0, float("inf")), (float("nan"), 1)])
def test_a_range_that_is_empty_or_open_is_refused(asked: tuple[float, float]) -> None:
    with pytest.raises(InputError, match=r"^input range .* is not allowed: give two finite numbers"):
        open_entry(opened("float32"), {}, asked)


def test_only_a_file_of_another_that_takes_pictures_takes_a_range() -> None:
    for session, card in ((opened("float32", shape=(1, 12)), {}), (opened("float32"), OURS)):
        for asked in ((0, 1), "imagenet"):
            with pytest.raises(
                InputError, match=r"^other\.tflite takes no input range: it is made by this package, or"
            ):
                open_entry(session, card, asked)


def test_a_range_that_the_user_gives_is_done_whatever_the_type() -> None:
    tenth = EVERY / 255 * 10
    np.testing.assert_allclose(open_entry(opened("float32"), {}, (0, 10)).stored(EVERY), tenth, atol=1e-5)
    # Raw pixels need nothing done.
    assert open_entry(opened("float32"), {}, (0, 255)).normalization is None
    # Whole numbers are rounded.
    np.testing.assert_array_equal(open_entry(opened("uint8"), {}, (0, 10)).stored(EVERY), np.rint(tenth))
    quantized = opened("uint8", 0.05, 20)
    real = quantized.input.dequantize(open_entry(quantized, {}, (0, 10)).stored(EVERY))
    np.testing.assert_allclose(real, tenth, atol=0.03)
    for dtype in ("float32", "uint8"):
        assert not open_entry(opened(dtype, shape=(1, 64, 64)), {}, (0, 10)).takes_values


@pytest.mark.parametrize(
    ("mean", "std", "fits"),
    [(1, 1, True), (3, 3, True), (1, 3, True), (3, 1, True), (2, 2, False), (3, 2, False), (4, 4, False)],
)
def test_metadata_have_one_mean_for_all_channels_or_one_for_each(
    mean: int, std: int, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    states(monkeypatch, Normalization((1.0,) * mean, (2.0,) * std))
    session = opened("float32", shape=(1, 8, 9, 3))
    if fits:
        assert open_entry(session, {}).stored(np.full((1, 8, 9, 3), 9, np.uint8)).mean() == 4
        return
    with pytest.raises(ModelFileError, match=f"damaged metadata: {mean} means and {std} stds for 3 channels"):
        open_entry(session, {})


def test_what_metadata_state_of_an_int16_input_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    states(monkeypatch, Normalization((0.0,), (255.0,)))
    session = opened("int16", 1 / 32767)
    real = session.input.dequantize(open_entry(session, {}).stored(EVERY))
    np.testing.assert_allclose(real, EVERY / 255.0, atol=1e-4)


def test_metadata_are_asked_before_the_usual_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    # An input of 0..1 could be a narrow one of -1..1, and would count as one of 0..1.
    states(monkeypatch, Normalization.from_range(-1, 1))
    session = holding(0, 1)
    real = session.input.dequantize(open_entry(session, {}).stored(EVERY))
    np.testing.assert_allclose(real, (EVERY / 127.5 - 1.0).clip(0, 1), atol=1 / 255)


@pytest.mark.parametrize(
    ("low", "high", "known"),
    [
        (0, 1.015, True), (0, 0.9, True), (-0.012, 1, True), (-0.1, 1, True), (-0.03, 0.9, False),
        (0, 0.51, True), (0, 0.49, False), (-1.03, 1, True), (-1.06, 1, False), (-0.1, 0.8, False),
        (0, 130, True), (0, 120, False), (0, 259, True), (0, 262, False), (5, 140, True),
    ],
)  # fmt: skip
def test_an_input_counts_as_scaled_to_a_usual_range_if_it_covers_half_and_reaches_hardly_beyond(
    low: float, high: float, known: bool
) -> None:
    assert (not open_entry(holding(low, high), {}).unsure) is known


def test_an_input_that_lacks_more_than_a_step_and_a_half_stores_scaled_pixels() -> None:
    for steps, as_it_is in ((1, True), (2, False)):
        # 255 steps from 0, and as many to 255, of a range that is narrower by so many.
        upper = opened("uint8", 255 / (255 + steps), 0)
        lower = opened("uint8", 255 / (255 + steps), -steps)
        for session in (upper, lower):
            entry = open_entry(session, {})
            assert (entry.normalization is None, entry.stores_pixels) == (as_it_is, as_it_is)
            assert not entry.unsure


def test_values_are_stored_by_the_scale_of_the_input_and_pixels_of_ours_as_they_are() -> None:
    values = opened("int8", 0.5, 3, shape=(1, 12))
    for card in ({}, {"input": {"values": "as in training"}}, OURS):
        entry = open_entry(values, card)
        assert (entry.picture, entry.takes_values, entry.stores_pixels) == (None, True, False)
        np.testing.assert_array_equal(entry.stored(np.full((1, 12), 2.5, np.float32)), np.full((1, 12), 8))
    # A net of ours that takes pictures as values, as it was trained.
    trained = open_entry(opened("int8", 0.5, 3), {"input": {"values": "as in training"}})
    assert (trained.takes_values, trained.stores_pixels) == (False, False)
    assert open_entry(opened("int8", 0.5, 3), OURS).stores_pixels
    for damaged in ({"input": "pixels"}, {"other": 1}):
        assert open_entry(opened("int8", 0.5, 3), damaged).stores_pixels


def test_values_of_an_input_without_a_batch_of_pictures_are_normalized_along_the_last_axis() -> None:
    entry = open_entry(opened("float32", shape=(1, 3, 8, 9)), {}, "imagenet")
    one = entry.stored(np.full((9, 3), 100, np.uint8))
    np.testing.assert_allclose(one[0], (100 - np.array([123.675, 116.28, 103.53])) / [58.395, 57.12, 57.375], atol=1e-5)
