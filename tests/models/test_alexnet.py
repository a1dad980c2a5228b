from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from zoo.errors import ExportError
from zoo.export import to_tflite
from zoo.models.normalization import LocalResponseNormalization
from zoo.summary.table import outline
from zoo.weights import load_model


def test_the_lectures_sizes() -> None:
    rows = [row for row in outline("alexnet").rows if row.kind in {"Conv2D", "MaxPooling2D"}]
    assert [(row.name, row.output_shape) for row in rows] == [
        ("conv1", (55, 55, 96)),
        ("pool1", (27, 27, 96)),
        ("conv2", (27, 27, 256)),
        ("pool2", (13, 13, 256)),
        ("conv3", (13, 13, 384)),
        ("conv4", (13, 13, 384)),
        ("conv5", (13, 13, 256)),
        ("pool5", (6, 6, 256)),
    ]


def test_kernels_strides_padding_groups() -> None:
    rows = [row for row in outline("alexnet").rows if row.kernel]
    assert [(row.kernel[0], row.stride[0], row.padding[0], row.groups) for row in rows] == [  # type: ignore[index]
        (11, 4, (2, 2), 1),
        (3, 2, (0, 0), None),
        (5, 1, (2, 2), 2),
        (3, 2, (0, 0), None),
        (3, 1, (1, 1), 1),
        (3, 1, (1, 1), 2),
        (3, 1, (1, 1), 2),
        (3, 2, (0, 0), None),
    ]
    assert {row.groups for row in outline("alexnet", groups=1).rows} == {1, None}


def test_local_response_normalization_is_that_of_the_paper() -> None:
    x = np.random.default_rng(0).normal(0, 30, (2, 3, 3, 9)).astype(np.float32)
    expected = np.empty_like(x)
    for i in range(9):
        near = x[..., max(0, i - 2) : i + 3]
        expected[..., i] = x[..., i] / (2 + 1e-4 * (near**2).sum(axis=-1)) ** 0.75
    np.testing.assert_allclose(np.asarray(LocalResponseNormalization()(x)), expected, rtol=1e-5)
    rows = [row.name for row in outline("alexnet", lrn=True).rows][:6]
    assert rows == ["rescale", "conv1", "norm1", "pool1", "conv2", "norm2"]
    assert zoo.spec("alexnet").instance_name({"lrn": True}) == "alexnet_lrn"
    (caution,) = zoo.spec("alexnet").cautions_for({"lrn": True}, ["int8"])
    assert "int8 and int16x8 files of this net cannot be written" in caution
    assert not zoo.spec("alexnet").cautions_for({}, ["int8"])


@pytest.mark.slow
def test_a_net_with_local_response_normalization_is_exported_in_float(tmp_path: Path) -> None:
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, activation="relu")(keras.layers.Rescaling(1 / 127.5, -1)(inputs))
    x = keras.layers.GlobalAveragePooling2D()(LocalResponseNormalization()(x))
    keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x)).save(tmp_path / "m.keras")
    model = load_model(tmp_path / "m.keras")
    for mode in ("none", "float16", "dynamic"):
        report = to_tflite(model, tmp_path / f"{mode}.tflite", quantize=mode)
        assert report.verification is not None
        assert report.verification.agreement.share == 1
    for mode in ("int8", "int16x8"):
        with pytest.raises(ExportError, match=r"LOCAL_RESPONSE_NORMALIZATION.*float16 or dynamic"):
            to_tflite(model, tmp_path / "integer.tflite", quantize=mode)


def test_macs_of_each_layer_by_hand() -> None:
    macs = {row.name: row.macs for row in outline("alexnet").rows if row.macs}
    assert macs == {
        "conv1": 55 * 55 * 96 * 11 * 11 * 3,
        "conv2": 27 * 27 * 256 * 5 * 5 * 48,
        "conv3": 13 * 13 * 384 * 3 * 3 * 256,
        "conv4": 13 * 13 * 384 * 3 * 3 * 192,
        "conv5": 13 * 13 * 256 * 3 * 3 * 192,
        "fc6": 6 * 6 * 256 * 4096,
        "fc7": 4096 * 4096,
        "logits": 4096 * 1000,
    }


@pytest.mark.slow
def test_relu_everywhere_and_dropout_before_the_large_dense_layers() -> None:
    model = zoo.build("alexnet", input_size=63, num_classes=2, dropout=0.25)
    for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"):
        assert model.get_layer(name).activation.__name__ == "relu"
    names = [layer.name for layer in model.layers]
    assert names[-7:] == ["flatten", "drop6", "fc6", "drop7", "fc7", "logits", "softmax"]
    assert [layer.rate for layer in model.layers if type(layer).__name__ == "Dropout"] == [0.25, 0.25]


@pytest.mark.slow
def test_groups_do_not_see_each_other(randomize: Callable[..., Any]) -> None:
    import keras

    model = randomize(zoo.build("alexnet", input_size=63, num_classes=2))
    conv4 = model.get_layer("conv4")
    x = np.random.default_rng(0).standard_normal((1, 3, 3, 384)).astype(np.float32)
    before = np.asarray(keras.ops.convert_to_numpy(conv4(x)))
    x[..., 192:] += 1  # the second half of the input
    after = np.asarray(keras.ops.convert_to_numpy(conv4(x)))
    np.testing.assert_array_equal(before[..., :192], after[..., :192])
    assert np.abs(before[..., 192:] - after[..., 192:]).max() > 0.1


def test_the_smallest_input_leaves_one_pixel() -> None:
    shapes = {row.name: row.output_shape for row in outline("alexnet", input_size=63).rows}
    assert shapes["pool5"] == (1, 1, 256)
