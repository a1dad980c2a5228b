"""The words for how pixels are prepared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoo.errors import OptionError
from zoo.pixels import ALLOWED, CAFFE, NAMED, TORCH, preparation
from zoo.published import MINUS_1_TO_1, RAW, Preparation

PIXELS = np.array([[10.0, 20.0, 30.0], [255.0, 0.0, 128.0]])


def prepared(words: Any) -> Any:
    """The two pixels as a model would take them."""
    found = preparation(words)
    return PIXELS[:, list(found.order)] * found.scale + found.offset


@pytest.mark.parametrize("mode", NAMED)
def test_the_names_are_those_of_keras_applications(mode: str) -> None:
    from keras.applications import imagenet_utils

    expected = imagenet_utils.preprocess_input(PIXELS.copy(), mode=mode, data_format="channels_last")
    np.testing.assert_allclose(prepared(mode), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("-1,1", PIXELS / 127.5 - 1),
        ((0, 1), PIXELS / 255),
        ("0,1:bgr", PIXELS[:, ::-1] / 255),
        ("bgr", PIXELS[:, ::-1]),
        ("0,255", PIXELS),
        ("mean=127.5", PIXELS - 127.5),
        ("mean=1,2,3:std=2,4,8", (PIXELS - [1, 2, 3]) / [2, 4, 8]),
        # Mean and deviation are of red, green and blue, in whatever order the model takes them.
        ("bgr:std=2,4,8:mean=1,2,3", ((PIXELS - [1, 2, 3]) / [2, 4, 8])[:, ::-1]),
        (Preparation((2.0,) * 3), 2 * PIXELS),
    ],
)
def test_ranges_and_means(words: Any, expected: Any) -> None:
    np.testing.assert_allclose(prepared(words), expected, atol=1e-9)


def test_two_names_for_one_preparation_are_near() -> None:
    assert preparation("mean=123.68,116.779,103.939:bgr").is_near(CAFFE)
    assert preparation("mean=123.675,116.28,103.53:std=58.395,57.12,57.375").is_near(TORCH)
    assert preparation("-1,1").is_near(MINUS_1_TO_1)
    assert preparation("0,255").is_near(RAW)


@pytest.mark.parametrize(
    "words",
    [
        "", "imagenet", "1,-1", "1,1", "1", "0,inf", "0,1,2", "nan,1", "mean", "mean=", "mean=1,2", "mean=a", "std=0",
        "std=1,-1,1", "mean=1:mean=2", "bgr:bgr", "0,1:mean=3", "0,1:0,1", "size=3", "tf:bgr", 3, ("a", "b"),
    ],
)  # fmt: skip
def test_other_words_are_refused_with_what_is_allowed(words: Any) -> None:
    with pytest.raises(OptionError) as caught:
        preparation(words)
    assert str(caught.value).endswith(ALLOWED)
    assert "\n" not in str(caught.value)
