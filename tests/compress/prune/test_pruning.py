"""Structured pruning: channels that belong together, what is left when they are removed, and which are removed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo
from tests.narrow import narrow
from zoo.compress.norms import renew_norms
from zoo.compress.prune.channels import Channels, find_channels
from zoo.compress.prune.choosing import choose
from zoo.compress.prune.cutting import cut
from zoo.compress.prune.pruning import prune
from zoo.compress.prune.scoring import gamma, taylor
from zoo.errors import CompressionError, OptionError
from zoo.summary.table import summarize
from zoo.weights import load_model

if TYPE_CHECKING:
    from tests.conftest import Array, Case

CLASSIFIERS = {"alexnet": 0.5, "vgg16": 0.5, "resnet": 0.5, "lenet": 0.7}
"""The share of the multiply-accumulates to keep; the few channels of LeNet's first layer all stay."""
DETECTORS: dict[str, dict[str, Any]] = {
    "ssdlite_mobilenet_v2": {"alpha": 0.35, "small_objects": True},
    "ssdlite_mobilenet_v3": {"variant": "small", "alpha": 0.35},  # with squeeze-and-excitation
}


def answers(model: Any, inputs: Array) -> list[Array]:
    found = model(inputs, training=False)
    return [np.asarray(one) for one in (found if isinstance(found, list) else [found])]


def scored(channels: Channels) -> Array:
    return np.random.default_rng(0).random(channels.count)


def silence(channels: Channels, kept: Array) -> None:
    """Makes the layers of a model read zeros where channels are removed."""
    for one in channels.layers:
        if one.kind not in {"dense", "grouped", "separable"}:
            continue
        kernel = one.layer.pointwise_kernel if one.kind == "separable" else one.layer.kernel
        times = one.layer.depth_multiplier if one.kind == "separable" else 1
        value, heard = np.array(kernel), np.repeat(kept[one.ins], times).reshape(one.groups, -1)
        for piece, ears in zip(np.split(value, one.groups, axis=-1), heard, strict=True):
            piece[..., ~ears, :] = 0
        kernel.assign(value)


def require_cut(model: Any, inputs: Array, keep: float) -> Any:
    """Returns a model with fewer channels that answers as one whose layers do not hear the removed ones."""
    import keras

    channels = find_channels(model)
    kept = choose(channels, scored(channels), keep)
    before = [np.array(weight) for weight in model.get_weights()]
    smaller = cut(model, channels, kept)
    summary, whole = summarize(smaller), summarize(model)
    assert keep - 0.1 < summary.macs / whole.macs <= keep
    for family in channels.families:
        left = int(kept[family.channels].sum())
        assert left == len(family.channels) or left % 8 == 0
    assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]
    for array, weight in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, array)
    silent = keras.models.clone_model(model)
    silent.set_weights(before)
    silence(find_channels(silent), kept)
    for wanted, found in zip(answers(silent, inputs), answers(smaller, inputs), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)
    return smaller


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_answers_as_if_removed_channels_were_zero(name: str, cases: Callable[[str], Case]) -> None:
    require_cut(cases(name).model, cases(name).inputs, CLASSIFIERS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_answers_as_if_removed_channels_were_zero(
    name: str, randomize: Callable[..., Any], inputs_for: Callable[..., Array]
) -> None:
    from zoo.models.detectors.anchored import anchors_of

    model = randomize(zoo.build(name, num_classes=2, input_size=96, **DETECTORS[name]))
    smaller = require_cut(model, inputs_for((96, 96, 3), 2), 0.5)
    np.testing.assert_array_equal(anchors_of(smaller), anchors_of(model))
    head = [layer for layer in smaller.layers if layer.name.startswith(("ssd_", "fpn_")) and layer.weights]
    assert any(layer.count_params() < model.get_layer(layer.name).count_params() for layer in head)


@pytest.mark.slow
def test_the_average_head_of_vgg16_shrinks_along(
    randomize: Callable[..., Any], inputs_for: Callable[..., Array]
) -> None:
    with narrow():
        model = randomize(zoo.build("vgg16", num_classes=3, input_size=32, head="average"))
    require_cut(model, inputs_for((32, 32, 3), 2), 0.4)


def test_groups_keep_as_many_channels_each(cases: Callable[[str], Case]) -> None:
    channels = find_channels(cases("alexnet").model)
    (first,) = [family for family in channels.families if family.name == "conv1"]
    scores = np.ones(channels.count)
    scores[first.channels] = np.arange(len(first.channels)) / 1000  # the worst are all in the first of conv2's groups
    kept = choose(channels, scores, 0.8)
    left = kept[first.channels].reshape(2, -1).sum(axis=1)
    assert left[0] == left[1] < len(first.channels) / 2


def test_what_belongs_together_is_one_family() -> None:
    import keras
    from keras import layers

    pixels = keras.Input((8, 8, 3))
    one = layers.Conv2D(16, 3, padding="same", name="one")(pixels)
    two = layers.Conv2D(16, 3, padding="same", name="two")(layers.ReLU()(one))
    both = layers.Add()([one, two])
    wide = layers.DepthwiseConv2D(3, depth_multiplier=2, name="wide")(layers.Conv2D(24, 1, name="three")(both))
    gate = layers.Dense(48, activation="sigmoid", name="gate")(layers.GlobalAveragePooling2D()(wide))
    gated = layers.Multiply()([wide, layers.Reshape((1, 1, 48))(gate)])
    joined = layers.Concatenate()([gated, layers.Conv2D(8, 3, name="four")(both)])
    seen = layers.Dense(32, name="five")(layers.Flatten()(joined))
    channels = find_channels(keras.Model(pixels, layers.Dense(3, activation="softmax", name="six")(seen)))
    found = {family.name: (len(family.channels), family.added) for family in channels.families}
    # A gate of depthwise channels can scale those that one channel of `three` made in different ways.
    assert found == {"one": (16, True), "three": (24, False), "four": (8, False), "five": (32, False)}


@pytest.mark.slow
def test_nested_models_and_shared_layers_are_pruned_too(inputs_for: Callable[..., Array]) -> None:
    import keras
    from keras import layers

    shared = layers.Conv2D(32, 3, padding="same", activation="relu", name="shared")
    body = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(32, 3, padding="same", name="stem"),
            layers.BatchNormalization(),
            shared,
        ],
        name="body",
    )
    pixels = keras.Input((8, 8, 3))
    twice = layers.GlobalMaxPooling2D()(shared(body(pixels)))
    model = keras.Model(pixels, layers.Dense(3, name="logits")(twice), name="nest")
    pruned = prune(model, 0.5, batches=[(inputs_for((8, 8, 3), 4), np.zeros(4))], loss=lambda _, found: found[:, 0])
    # What the shared layer makes it reads as well, so both layers make one family.
    assert [(width.layer, width.before) for width in pruned.widths] == [("stem", 32)]
    assert pruned.widths[0].after < 32
    assert answers(pruned.model, inputs_for((8, 8, 3), 2))[0].shape == (2, 3)
    assert "body" not in {layer.name for layer in pruned.model.layers}


def test_channels_that_an_unknown_layer_reads_stay(own_layer: Any, inputs_for: Callable[..., Array]) -> None:
    import keras
    from keras import layers

    pixels = keras.Input((8, 8, 3))
    x = layers.Conv2D(32, 3, name="kept")(layers.Conv2D(32, 3, name="pruned")(pixels))
    mixed = own_layer(name="mixing")(x)
    model = keras.Model(pixels, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(mixed)))
    assert [family.name for family in find_channels(model).families] == ["pruned"]
    with pytest.raises(CompressionError, match="has no channels that can be removed"):
        prune(keras.Model(pixels, own_layer()(layers.Conv2D(32, 3)(pixels))), 0.5, score="gamma")


@pytest.fixture
def own_layer() -> Any:
    import keras

    class Mixing(keras.layers.Layer):  # type: ignore[misc]
        """A layer of a user, which reads channels in its own way."""

        def call(self, inputs: Any) -> Any:
            return inputs[..., ::-1] + inputs

    return Mixing


@pytest.mark.slow
def test_taylor_is_the_derivative_by_a_factor_before_each_channel(inputs_for: Callable[..., Array]) -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    pixels = keras.Input((6, 6, 3))
    x = layers.Conv2D(8, 3, activation="tanh", name="one")(layers.Rescaling(1 / 255)(pixels))
    x = layers.Conv2D(8, 3, activation="tanh", groups=2, name="two")(x)
    x = layers.SeparableConv2D(16, 1, depth_multiplier=2, activation="tanh", name="three")(x)
    model = keras.Model(pixels, layers.Dense(3, activation="softmax", name="four")(layers.Flatten()(x)))
    channels = find_channels(model)
    inputs, targets = inputs_for((6, 6, 3), 2), np.eye(3, dtype=np.float32)[:2]
    loss = keras.losses.CategoricalCrossentropy().call
    scores = taylor(model, channels, [(inputs, targets)], loss)
    step = 1e-2
    for layer, index in (("two", 3), ("two", 6), ("three", 5), ("four", 9)):
        (reader,) = [one for one in channels.layers if one.layer.name == layer]
        heard = np.ones(channels.count, bool)
        heard[reader.ins[index]] = False
        kernel = reader.layer.pointwise_kernel if layer == "three" else reader.layer.kernel
        before, found = np.array(kernel), []
        silence(channels, heard)
        without = np.array(kernel)
        for factor in (1 - step, 1 + step):
            kernel.assign(without + factor * (before - without))
            found.append(float(np.mean(loss(targets, model(inputs, training=False)))))
        kernel.assign(before)
        assert scores[reader.ins[index]] == pytest.approx(((found[1] - found[0]) / (2 * step)) ** 2, rel=0.05, abs=1e-8)


def test_the_channel_that_says_nothing_goes_first_and_costs_nothing(inputs_for: Callable[..., Array]) -> None:
    import keras
    from keras import layers

    pixels = keras.Input((8, 8, 3))
    x = layers.ReLU()(layers.Conv2D(16, 3, name="conv")(pixels))
    model = keras.Model(pixels, layers.Dense(2, activation="softmax", name="head")(layers.Flatten()(x)))
    head = model.get_layer("head")
    kernel = np.array(head.kernel).reshape(6, 6, 16, 2)
    kernel[:, :, ::2] = 0
    head.kernel.assign(kernel.reshape(-1, 2))
    inputs = inputs_for((8, 8, 3), 4)
    loss = keras.losses.CategoricalCrossentropy().call
    pruned = prune(model, 0.5, batches=[(inputs, np.eye(2, dtype=np.float32)[[0, 1, 0, 1]])], loss=loss)
    assert pruned.widths[0].after == 8
    np.testing.assert_allclose(pruned.model(inputs), model(inputs), atol=1e-6)


@pytest.mark.slow
def test_gamma_is_the_scale_of_batch_normalization(cases: Callable[[str], Case]) -> None:
    model = cases("mobilenet_v2").model
    channels = find_channels(model)
    scores = gamma(model, channels)
    (family,) = [one for one in channels.families if one.name == "mobl3_conv_expand"]
    scales = [np.abs(np.array(model.get_layer(f"bn3_conv_{norm}").gamma)) for norm in ("bn_expand", "depthwise")]
    np.testing.assert_allclose(scores[family.channels], np.mean(scales, axis=0))
    with pytest.raises(OptionError, match=r"score='gamma' is not for .*: no batch normalization scales .* conv1"):
        prune(cases("lenet").model, 0.7, score="gamma")


@pytest.mark.slow
def test_residual_streams_can_be_left_alone(cases: Callable[[str], Case]) -> None:
    pruned = prune(cases("resnet").model, 0.6, score="gamma", streams=False)
    before, after = (
        {layer.name: layer.output.shape for layer in model.layers if layer.name.endswith("_out")}
        for model in (cases("resnet").model, pruned.model)
    )
    assert before == after
    assert pruned.share <= 0.6


@pytest.mark.parametrize("keep", [0, -0.1, 1.1, float("nan")])
def test_what_is_no_share_is_refused(keep: float, cases: Callable[[str], Case]) -> None:
    with pytest.raises(OptionError, match=f"keep={keep:g} is not allowed; give the share"):
        prune(cases("mobilenet_v2").model, keep, score="gamma")


@pytest.mark.slow
def test_less_than_the_fewest_channels_is_refused_and_the_least_is_named(cases: Callable[[str], Case]) -> None:
    model = cases("mobilenet_v2").model
    with pytest.raises(OptionError, match=r"keep=0.05 is less than can be kept: .* give (0\.\d+) or more") as refused:
        prune(model, 0.05, score="gamma")
    least = float(str(refused.value).split("give ")[1].split()[0])
    assert prune(model, least, score="gamma").share == pytest.approx(least, abs=1e-3)


@pytest.mark.slow
def test_nothing_to_score_on_and_derivatives_of_nothing_are_errors(cases: Callable[[str], Case]) -> None:
    model, inputs = cases("alexnet").model, cases("alexnet").inputs
    with pytest.raises(OptionError, match="needs pictures and a loss"):
        prune(model, 0.5)
    with pytest.raises(OptionError, match="channels are scored on pictures, and there are none"):
        prune(model, 0.5, loss=lambda _, found: found[:, 0])
    with pytest.raises(CompressionError, match="derivatives of its loss are all zero"):
        prune(model, 0.5, batches=[(inputs, inputs)], loss=lambda _, found: 0 * found[:, 0])


@pytest.mark.slow
def test_the_pruned_model_is_a_file_like_any_other(cases: Callable[[str], Case], tmp_path: Path) -> None:
    pruned = prune(cases("mobilenet_v2").model, 0.5, score="gamma")
    assert pruned.model.name == "mobilenet_v2_0.35_96_keep50"
    pruned.model.save(tmp_path / "pruned.keras")
    loaded = load_model(tmp_path / "pruned.keras")
    inputs = cases("mobilenet_v2").inputs
    np.testing.assert_allclose(loaded(inputs), pruned.model(inputs), atol=1e-6)
    assert summarize(loaded).macs == pruned.macs[1]
    assert summarize(cases("mobilenet_v2").model).macs == pruned.macs[0]
    assert pruned.params == (cases("mobilenet_v2").model.count_params(), loaded.count_params())
    twice = prune(loaded, 0.8, score="gamma")
    assert twice.macs[0] == pruned.macs[1]


def test_norms_get_the_statistics_of_what_they_see_now() -> None:
    import keras
    from keras import layers

    values = np.random.default_rng(0).normal(3, 2, (64, 5, 5, 4)).astype(np.float32)
    norm = layers.BatchNormalization(momentum=0.9, trainable=False)
    model = keras.Sequential([keras.Input((5, 5, 4)), norm, layers.Dropout(0.5)])
    assert renew_norms(model, [values[:32], values[32:]]) == 1
    np.testing.assert_allclose(norm.moving_mean, values.mean(axis=(0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(norm.moving_variance, values.var(axis=(0, 1, 2)), rtol=1e-2)
    assert (norm.momentum, norm.trainable) == (0.9, False)
