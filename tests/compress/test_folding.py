"""Batch normalization folded into convolutions: other layers, the same answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo
from zoo.compress.folding import fold_batch_norms
from zoo.compress.supported import require_supported
from zoo.errors import CompressionError

if TYPE_CHECKING:
    from tests.conftest import Array, Case


def norms(model: Any) -> list[str]:
    return [layer.name for layer in model._flatten_layers() if type(layer).__name__ == "BatchNormalization"]


def require_same(model: Any, folded: Any, inputs: Array) -> None:
    for wanted, found in zip(answers(model, inputs), answers(folded, inputs), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())


def answers(model: Any, inputs: Array) -> list[Array]:
    found = model(inputs, training=False)
    return [np.asarray(one) for one in (found if isinstance(found, list) else [found])]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "alexnet", "resnet"])
def test_the_answers_are_the_same_and_no_norm_is_left(name: str, cases: Callable[[str], Case]) -> None:
    case = cases(name)
    before = [np.array(weight) for weight in case.model.get_weights()]
    folded = fold_batch_norms(case.model)
    require_same(case.model, folded, case.inputs)
    require_supported(folded)
    assert not norms(folded)
    kept = [layer.name for layer in case.model.layers if layer.name not in norms(case.model)]
    assert [layer.name for layer in folded.layers] == kept
    for array, weight in zip(before, case.model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, array)
    assert not {id(weight) for weight in folded.weights} & {id(weight) for weight in case.model.weights}


@pytest.mark.slow
def test_the_detector_keeps_its_anchors_and_its_outputs(
    randomize: Callable[..., Any], inputs_for: Callable[..., Array]
) -> None:
    from zoo.models.detectors.anchored import anchors_of

    model = randomize(zoo.build("ssdlite_mobilenet_v2", num_classes=2, alpha=0.35, input_size=96, small_objects=True))
    folded = fold_batch_norms(model)
    assert not norms(folded)
    np.testing.assert_array_equal(anchors_of(folded), anchors_of(model))
    require_supported(folded)
    require_same(model, folded, inputs_for((96, 96, 3), 2))


def test_a_norm_that_is_not_alone_behind_a_convolution_stays(randomize: Callable[..., Any]) -> None:
    import keras
    from keras import layers

    entry = keras.Input((8, 8, 3))
    twice = layers.Conv2D(4, 3, name="twice")(entry)
    active = layers.Conv2D(4, 3, activation="relu", name="active")(entry)
    joined = layers.Add()([layers.BatchNormalization(name="beside")(twice), twice])
    x = layers.Concatenate()([joined, layers.BatchNormalization(name="behind_relu")(active)])
    x = layers.BatchNormalization(name="behind_join")(x)
    x = layers.BatchNormalization(name="folded")(layers.Conv2D(4, 3, use_bias=False)(x))
    model = randomize(keras.Model(entry, layers.Flatten()(x)))
    folded = fold_batch_norms(model)
    assert sorted(norms(folded)) == ["behind_join", "behind_relu", "beside"]
    require_same(model, folded, np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype(np.float32))


def test_norms_without_scale_and_depthwise_multipliers_and_dense_layers_fold(randomize: Callable[..., Any]) -> None:
    import keras
    from keras import layers

    x = entry = keras.Input((8, 8, 3))
    x = layers.BatchNormalization(scale=False)(layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False)(x))
    x = layers.BatchNormalization(center=False)(layers.Conv2D(4, 3, groups=2)(x))
    x = layers.BatchNormalization(axis=-1)(layers.Dense(5)(layers.Flatten()(x)))
    model = randomize(keras.Model(entry, x))
    folded = fold_batch_norms(model)
    assert not norms(folded)
    require_same(model, folded, np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype(np.float32))


def test_layers_of_nested_models_stand_in_their_place(randomize: Callable[..., Any]) -> None:
    import keras
    from keras import layers

    body = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="inner"), layers.BatchNormalization(), layers.ReLU()]
    )
    entry = keras.Input((8, 8, 3))
    model = randomize(keras.Model(entry, layers.Dense(2, name="outer")(layers.Flatten()(body(entry)))))
    folded = fold_batch_norms(model)
    assert not norms(folded)
    assert {"inner", "outer"} <= {layer.name for layer in folded.layers}
    require_same(model, folded, np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype(np.float32))


@pytest.mark.slow
def test_a_model_that_was_lowered_for_an_export_before_folds_all_the_same(cases: Callable[[str], Case]) -> None:
    from zoo.export.lower.lowering import lower

    model = cases("mobilenet_v2").model
    lower(model)  # calls the same layers in another graph
    assert not norms(fold_batch_norms(model))


def test_a_model_without_a_graph_is_refused() -> None:
    import keras

    with pytest.raises(CompressionError, match="Sequential is not a functional or built Sequential Keras model"):
        fold_batch_norms(keras.Sequential([keras.layers.Dense(2)]))
