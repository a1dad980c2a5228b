from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.errors import OptionError
from zoo.pixels import IMAGENET_MEAN as MEAN
from zoo.summary.table import outline


@pytest.mark.slow
def test_outputs_equal_those_of_keras_applications(
    randomize: Callable[..., Any], inputs_for: Callable[..., Any]
) -> None:
    import keras

    theirs = keras.applications.VGG16(input_shape=(32, 32, 3), weights=None, classes=10)
    ours = zoo.build("vgg16", input_size=32, num_classes=10)
    randomize(theirs)
    ours.set_weights(theirs.get_weights())
    pixels = inputs_for((32, 32, 3), 3)
    # The order is RGB here; the first kernel handles the BGR of the published weights, see tests/weights.
    expected = np.asarray(theirs((pixels - MEAN) / 127.5, training=False))
    assert np.ptp(expected, axis=0).max() > 0.01, "the inputs give the same answer: the comparison shows little"
    np.testing.assert_allclose(np.asarray(ours(pixels, training=False)), expected, rtol=0, atol=1e-5)


def test_layer_names_are_those_of_keras_applications() -> None:
    import keras

    with keras.StatelessScope(initialize_variables=False):
        theirs = [layer.name for layer in keras.applications.VGG16(weights=None).layers]
    ours = [row.name for row in outline("vgg16").rows]
    # The differences are scaling and centring in front, dropout, and the softmax in a separate layer.
    extra = {"rescale", "center", "drop1", "drop2", "logits", "softmax"}
    assert theirs[1:-1] == [name for name in ours if name not in extra]


@pytest.mark.slow
def test_the_mean_pixel_is_subtracted() -> None:
    model = zoo.build("vgg16", input_size=32, num_classes=2, head="average")
    seen = model.layers[2](model.layers[1](np.array([[0.0, 0, 0], MEAN, [255, 255, 255]], np.float32)))
    expected = (np.array([[0], [0], [255]]) - [MEAN] * np.array([[1], [0], [1]])) / 127.5
    np.testing.assert_allclose(np.asarray(seen), expected, atol=1e-6)


def test_the_average_head() -> None:
    summary = outline("vgg16", head="average")
    assert summary.model == "vgg16_average"
    # keras.applications' count without top, and 1000 classes of 512 features and a bias.
    assert summary.params == 14_714_688 + 513_000
    assert [row.name for row in summary.rows][-4:] == ["global_average_pool", "dropout", "logits", "softmax"]
    with pytest.raises(OptionError, match="vgg16: head='max' is not allowed; give one of dense, average"):
        outline("vgg16", head="max")


def test_column_d() -> None:
    rows = outline("vgg16").rows
    convs = [row.output_shape for row in rows if row.kind == "Conv2D"]
    assert convs == (
        [(224, 224, 64)] * 2 + [(112, 112, 128)] * 2 + [(56, 56, 256)] * 3 + [(28, 28, 512)] * 3 + [(14, 14, 512)] * 3
    )
    assert {(row.kernel, row.stride, row.padding) for row in rows if row.kind == "Conv2D"} == {
        ((3, 3), (1, 1), ((1, 1), (1, 1)))
    }
    pools = [row for row in rows if row.kind == "MaxPooling2D"]
    assert [row.output_shape[0] for row in pools] == [112, 56, 28, 14, 7]
    assert {(row.kernel, row.stride) for row in pools} == {((2, 2), (2, 2))}
    assert [row.output_shape for row in rows if row.kind == "Dense"] == [(4096,), (4096,), (1000,)]


@pytest.mark.slow
def test_dropout_stands_behind_the_large_dense_layers() -> None:
    names = [row.name for row in outline("vgg16").rows]
    assert names[-7:] == ["flatten", "fc1", "drop1", "fc2", "drop2", "logits", "softmax"]
    model = zoo.build("vgg16", input_size=32, num_classes=2, dropout=0.25)
    assert [layer.rate for layer in model.layers if type(layer).__name__ == "Dropout"] == [0.25, 0.25]
