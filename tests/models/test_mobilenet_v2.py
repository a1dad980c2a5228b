from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.models.layers import make_divisible
from zoo.models.mobilenet_v2 import BLOCKS
from zoo.summary.table import outline

# (alpha, input size): every published width once, and every published resolution once.
PARITY = list(zip(zoo.spec("mobilenet_v2").published_values("alpha"), (192, 32, 128, 224, 160, 96), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "size"), PARITY)
def test_outputs_equal_those_of_keras_applications(
    alpha: float, size: int, randomize: Callable[..., Any], inputs_for: Callable[..., Any]
) -> None:
    import keras

    theirs = keras.applications.MobileNetV2(input_shape=(size, size, 3), alpha=alpha, weights=None, classes=10)
    ours = zoo.build("mobilenet_v2", alpha=alpha, input_size=size, num_classes=10)
    # The gain is below the usual 2, so that rounding errors of the scaled pixels do not grow from layer to layer.
    randomize(theirs, gain=1.5)
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    ours.set_weights(theirs.get_weights())
    pixels = inputs_for((size, size, 3), 3)
    expected = np.asarray(theirs(pixels / 127.5 - 1, training=False))
    assert np.ptp(expected, axis=0).max() > 0.01, "the inputs give the same answer: the comparison shows little"
    np.testing.assert_allclose(np.asarray(ours(pixels, training=False)), expected, rtol=0, atol=1e-5)


def test_layer_names() -> None:
    names = [row.name for row in outline("mobilenet_v2").rows]
    expected = ["rescale", "Conv1", "bn_Conv1", "Conv1_relu"]
    # Number of blocks that keep the stride and the channels, counted in the paper's table 2.
    residual = {2, 4, 5, 7, 8, 9, 11, 12, 14, 15}
    for i in range(17):
        if i > 0:
            expected += [f"mobl{i}_conv_expand", f"bn{i}_conv_bn_expand", f"conv_{i}_relu"]
        expected += [f"mobl{i}_conv_depthwise", f"bn{i}_conv_depthwise", f"conv_dw_{i}_relu"]
        expected += [f"mobl{i}_conv_project", f"bn{i}_conv_bn_project"]
        expected += [f"res_connect_{i}"] if i in residual else []
    expected += ["Conv_1", "Conv_1_bn", "out_relu", "global_average_pool", "dropout", "logits", "softmax"]
    assert names == expected


def test_the_table_of_the_paper() -> None:
    shapes = {row.name: row.output_shape for row in outline("mobilenet_v2").rows}
    assert shapes["Conv1"] == (112, 112, 32)
    # The last block of each line of table 2, and its output in the table.
    assert [shapes[f"mobl{i}_conv_project"] for i in (0, 2, 5, 9, 12, 15, 16)] == [
        (112, 112, 16),
        (56, 56, 24),
        (28, 28, 32),
        (14, 14, 64),
        (14, 14, 96),
        (7, 7, 160),
        (7, 7, 320),
    ]
    assert shapes["Conv_1"] == (7, 7, 1280)
    assert shapes["global_average_pool"] == (1280,)
    assert sum(repeats for _, _, repeats, _ in BLOCKS) == 17


def test_expansion_and_strides() -> None:
    rows = {row.name: row for row in outline("mobilenet_v2").rows}
    for i in range(1, 17):
        in_channels = rows[f"mobl{i - 1}_conv_project"].output_shape[-1]
        assert rows[f"mobl{i}_conv_expand"].output_shape[-1] == 6 * in_channels
    strided = [i for i in range(17) if rows[f"mobl{i}_conv_depthwise"].stride == (2, 2)]
    assert strided == [1, 3, 6, 13]
    # A depthwise convolution has a group for each channel.
    assert rows["mobl1_conv_depthwise"].groups == 96


@pytest.mark.parametrize(
    ("alpha", "first", "last"), [(0.35, 16, 1280), (0.5, 16, 1280), (1.3, 40, 1664), (1.4, 48, 1792)]
)
def test_the_width_multiplier(alpha: float, first: int, last: int) -> None:
    shapes = {row.name: row.output_shape for row in outline("mobilenet_v2", alpha=alpha).rows}
    assert shapes["Conv1"][-1] == first
    assert shapes["Conv_1"][-1] == last


@pytest.fixture(scope="module")
def narrowest() -> Any:
    """The net with eight channels in each layer before the last."""
    return zoo.build("mobilenet_v2", alpha=0.01, input_size=32, num_classes=2)


@pytest.mark.slow
def test_batch_norm_and_relu6(narrowest: Any) -> None:
    norms = [layer for layer in narrowest.layers if type(layer).__name__ == "BatchNormalization"]
    assert {(layer.epsilon, layer.momentum) for layer in norms} == {(1e-3, 0.999)}
    relus = [layer for layer in narrowest.layers if type(layer).__name__ == "ReLU"]
    assert {float(layer.max_value) for layer in relus} == {6.0}
    assert len(norms) == 52
    assert len(relus) == 35


@pytest.mark.parametrize(
    ("value", "rounded"),
    [(32 * 0.35, 16), (24 * 0.35, 8), (16 * 1.3, 24), (7, 8), (1, 8), (12, 16), (20, 24), (96, 96)],
)
def test_make_divisible(value: float, rounded: int) -> None:
    assert make_divisible(value) == rounded


def test_make_divisible_loses_at_most_a_tenth() -> None:
    for value in range(1, 2000):
        rounded = make_divisible(value / 2)
        assert rounded % 8 == 0
        assert rounded >= 0.9 * value / 2
        assert rounded <= max(8, value / 2 + 8)


@pytest.mark.slow
def test_any_positive_alpha_builds(narrowest: Any) -> None:
    assert narrowest.name == "mobilenet_v2_0.01_32"
    assert narrowest.get_layer("Conv1").filters == 8
