from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import zoo
from tests.narrow import narrow, narrow_applications
from zoo.errors import OptionError
from zoo.models.resnet import BLOCKS
from zoo.pixels import IMAGENET_MEAN
from zoo.summary.table import outline


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 75])
def test_outputs_equal_those_of_keras_applications(
    size: int, randomize: Callable[..., Any], inputs_for: Callable[..., Any]
) -> None:
    import keras

    with narrow(), narrow_applications():
        theirs = keras.applications.ResNet50(input_shape=(size, size, 3), weights=None, classes=10)
        ours = zoo.build("resnet", input_size=size, num_classes=10)
    randomize(theirs, gain=1)
    named = {layer.name: layer for layer in theirs.layers}
    for layer in ours.layers:
        if layer.weights:
            layer.set_weights(named["predictions" if layer.name == "logits" else layer.name].get_weights())
    pixels = inputs_for((size, size, 3), 3)
    # The order is RGB here; the first kernel handles the BGR of the published weights, see tests/weights.
    expected = np.asarray(theirs((pixels - IMAGENET_MEAN) / 127.5, training=False))
    assert np.ptp(expected, axis=0).max() > 0.01, "the inputs give the same answer: the comparison shows little"
    np.testing.assert_allclose(np.asarray(ours(pixels, training=False)), expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_layer_names_are_those_of_keras_applications() -> None:
    import keras

    with keras.StatelessScope(initialize_variables=False):
        theirs = [layer.name for layer in keras.applications.ResNet50(weights=None).layers]
    ours = [row.name for row in outline("resnet").rows]
    # The differences are scaling and centring in front, dropout, and the softmax in a separate layer.
    extra = {"rescale", "center", "dropout", "logits", "softmax"}
    assert [name for name in theirs[1:-1] if not name.endswith("_pad")] == [name for name in ours if name not in extra]


@pytest.mark.slow
def test_table_1() -> None:
    for variant, blocks in BLOCKS.items():
        rows = {row.name: row for row in outline("resnet", variant=variant).rows}
        assert rows["conv1_conv"].output_shape == (112, 112, 64)
        wider = 4 if variant == 50 else 1
        for stage, (count, size, filters) in enumerate(
            zip(blocks, (56, 28, 14, 7), (64, 128, 256, 512), strict=True), 2
        ):
            ends = [
                row.output_shape for name, row in rows.items() if name.startswith(f"conv{stage}_") and "_out" in name
            ]
            assert ends == [(size, size, filters * wider)] * count
    with pytest.raises(OptionError, match="resnet: variant=34 is not allowed; give one of 18, 50"):
        outline("resnet", variant=34)


@pytest.mark.slow
def test_a_stage_has_its_stride_in_its_first_convolution() -> None:
    for variant, kernel in ((18, (3, 3)), (50, (1, 1))):
        rows = {row.name: row for row in outline("resnet", variant=variant).rows}
        for stage in (3, 4, 5):
            first, shortcut = rows[f"conv{stage}_block1_1_conv"], rows[f"conv{stage}_block1_0_conv"]
            assert (first.kernel, first.stride, shortcut.stride) == (kernel, (2, 2), (2, 2))
        # A 3x3 convolution is padded on all sides, where Keras' own "same" would pad below and to the right.
        assert variant == 50 or rows["conv3_block1_1_conv"].padding == ((1, 1), (1, 1))
