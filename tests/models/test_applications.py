"""The classifiers of keras.applications, as `keras:NAME`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import zoo
from tests.narrow import narrow_applications
from tests.spread import spread
from zoo.errors import OptionError, UnknownModelError
from zoo.graph import prepared, unallocated
from zoo.models import applications, list_models, models_by_weights
from zoo.pixels import CAFFE, TORCH
from zoo.published import MINUS_1_TO_1, RAW

Array = Any


def preprocess(name: str) -> Callable[..., Array]:
    """The `preprocess_input` that Keras has beside a function."""
    import keras

    found: Callable[..., Array] = vars(sys.modules[getattr(keras.applications, name).__module__])["preprocess_input"]
    return found


@pytest.fixture(autouse=True)
def _thin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keras' ResNets and VGGs are narrow ones, and its DenseNets have few layers."""
    import keras

    zoo.spec("keras:DenseNet121")  # which asks the function for the weights of the whole net, once
    densenet = inspect.getmodule(inspect.unwrap(keras.applications.DenseNet121))
    assert densenet is not None
    whole = vars(densenet)["DenseNet"]
    monkeypatch.setattr(densenet, "DenseNet", lambda blocks, *rest, **named: whole([1] * len(blocks), *rest, **named))
    with narrow_applications():
        yield


def test_all_classifiers_of_keras_are_there_and_not_listed() -> None:
    functions = applications._functions()
    assert len(functions) >= 40
    assert {"ResNet50", "ConvNeXtTiny", "NASNetLarge", "EfficientNetV2S"} <= set(functions)
    assert not any(":" in name for name in list_models())
    assert not any(":" in name for names in models_by_weights().values() for name in names)


def test_the_preparation_of_every_family_is_found_by_showing_pixels() -> None:
    found = {inspect.getmodule(function): function for function in applications._functions().values()}
    assert len(found) >= 13
    pixels = np.random.default_rng(1).integers(0, 256, (2, 9, 9, 3)).astype(np.float32)
    for function in found.values():
        preparation = applications._preparation_of(function)
        expected = preprocess(function.__name__)(pixels.copy())
        np.testing.assert_allclose(np.asarray(prepared(pixels, preparation)), expected, atol=1e-3)
    known = {"ResNet50": CAFFE, "DenseNet121": TORCH, "Xception": MINUS_1_TO_1, "MobileNetV3Small": RAW}
    for name, expected in known.items():
        assert applications._preparation_of(applications._functions()[name]).is_near(expected), name


def test_a_preparation_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    function = applications._functions()["Xception"]
    monkeypatch.setattr(sys.modules[function.__module__], "preprocess_input", lambda x, data_format=None: x**2)
    with pytest.raises(OptionError, match="Xception of keras.applications prepares its pixels by more than scales"):
        applications._preparation_of(function)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "gain"),
    [("MobileNet", {"alpha": 0.25}, 2), ("ResNet50", {}, 1), ("DenseNet121", {}, 1)],
    ids=["tf", "caffe", "torch"],
)
def test_raw_pixels_give_the_answers_of_keras(
    name: str,
    options: dict[str, Any],
    gain: float,
    randomize: Callable[..., Any],
    inputs_for: Callable[..., Array],
) -> None:
    import keras

    ours = zoo.build(f"keras:{name}", num_classes=6, input_size=64, **options)
    model = getattr(keras.applications, name)(weights=None, classes=6, input_shape=(64, 64, 3), **options)
    pixels = inputs_for((64, 64, 3), 3)
    spread(randomize(model, gain=gain), preprocess(name)(pixels.copy()))
    ours.set_weights(model.get_weights())
    expected = np.asarray(model(preprocess(name)(pixels.copy()), training=False))
    assert np.ptp(expected, axis=0).max() > 1e-3, "the inputs give the same answer: the comparison shows little"
    np.testing.assert_allclose(np.asarray(ours(pixels, training=False)), expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_the_graph_is_that_of_the_published_weights() -> None:
    """EfficientNet scales its pixels once more in that than in the one that Keras builds for random weights."""
    import keras

    kinds = []
    for classes in (1000, 4):
        with unallocated():
            model = zoo.build("keras:EfficientNetB0", input_size=64, num_classes=classes)
        kinds.append([type(layer).__name__ for layer in model.layers])
        assert model.output_shape == (None, classes)
    with unallocated():
        random = keras.applications.EfficientNetB0(weights=None, input_tensor=keras.Input((64, 64, 3)))
    assert kinds[0] == kinds[1]
    assert kinds[0].count("Rescaling") == [type(layer).__name__ for layer in random.layers].count("Rescaling") + 1


@pytest.mark.slow
def test_options_are_those_of_the_function() -> None:
    spec = zoo.spec("keras:MobileNetV3Small")
    assert {option.name: option.default for option in spec.options} == {
        "num_classes": 1000,
        "alpha": 1.0,
        "input_size": 224,  # which Keras leaves open
    }
    assert [option.name for option in zoo.spec("keras:VGG16").options] == ["num_classes", "input_size"]
    with pytest.raises(OptionError, match="keras:VGG16 has no option 'alpha'; it takes num_classes, input_size"):
        zoo.build("keras:VGG16", alpha=0.5)
    with pytest.raises(OptionError, match="Keras cannot build VGG16 with input_size=8: "):
        zoo.build("keras:VGG16", input_size=8)
    with unallocated():
        # A width that no weights are published for, and a head that is a convolution.
        model = zoo.build("keras:MobileNetV3Small", alpha=0.3, input_size=32, num_classes=3)
    assert (model.name, model.output_shape) == ("MobileNetV3Small_0.3_32", (None, 3))


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownModelError, match=r"has no classifier 'resnet50'; did you mean 'ResNet50'\? it has"):
        zoo.spec("keras:resnet50")
    with pytest.raises(UnknownModelError, match="unknown model 'torch:resnet18'"):
        zoo.spec("torch:resnet18")


@pytest.mark.slow
def test_the_address_of_the_weights_is_what_keras_asks_for() -> None:
    def file(name: str, **options: Any) -> Any:
        spec = zoo.spec(f"keras:{name}")
        return spec.weights[0].file_for(spec.check(options))

    found = file("MobileNet", alpha=0.5, input_size=160)
    assert (found.name, found.input_size, found.md5) == ("mobilenet_5_0_160_tf.h5", 160, "")
    # None is published for this size, nor for that width.
    assert file("MobileNet", input_size=64).input_size == 224
    assert file("MobileNet", alpha=0.3) is None
    assert file("ResNet50").md5 == "2cb95161c43110f7111970584f804107"
