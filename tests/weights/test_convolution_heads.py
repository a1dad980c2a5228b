"""A head that is a 1x1 convolution, as in keras.applications' MobileNet, is taken over like a dense layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo
from tests.weights.conftest import save_legacy
from zoo.errors import WeightsError
from zoo.graph import split_at_head
from zoo.models.layers import classifier_head, image_input
from zoo.specs import NUM_CLASSES, ModelSpec
from zoo.weights import build_from

if TYPE_CHECKING:
    from tests.weights.conftest import Server

Array = Any
SIZE = 32
OPTIONS: dict[str, Any] = {"alpha": 0.25, "input_size": SIZE}


@pytest.fixture(scope="module")
def theirs(randomize: Callable[..., Any]) -> Any:
    """MobileNet of keras.applications with six classes."""
    import keras

    model = keras.applications.MobileNet((SIZE, SIZE, 3), alpha=0.25, weights=None, classes=6)
    return randomize(model, gain=3)


def same(ours: Any, theirs: Any, pixels: Array, prepared: Array) -> None:
    expected = np.asarray(theirs(prepared, training=False))
    assert np.ptp(expected, axis=0).max() > 1e-3, "the inputs give the same answer: the comparison shows little"
    np.testing.assert_allclose(np.asarray(ours(pixels, training=False)), expected, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5", ".legacy.h5"])
def test_its_classes_are_kept(theirs: Any, suffix: str, inputs_for: Callable[..., Array], tmp_path: Path) -> None:
    path = tmp_path / f"theirs{suffix}"
    if suffix == ".legacy.h5":
        save_legacy(theirs, path)
    else:
        (theirs.save_weights if suffix == ".weights.h5" else theirs.save)(path)
    built = build_from("mobilenet_v1", path, OPTIONS)
    assert (built.options["num_classes"], built.new_head) == (6, False)
    pixels = inputs_for((SIZE, SIZE, 3), 4)
    same(built.model, theirs, pixels, pixels / 127.5 - 1)


@pytest.mark.slow
def test_the_published_file_keeps_its_thousand_classes(
    server: Server, randomize: Callable[..., Any], inputs_for: Callable[..., Array]
) -> None:
    import keras

    published = randomize(keras.applications.MobileNet((128, 128, 3), alpha=0.25, weights=None), gain=3)
    save_legacy(published, server.folder / "mobilenet" / "mobilenet_2_5_128_tf.h5")
    built = build_from("mobilenet_v1", "imagenet", {"alpha": 0.25, "input_size": 128})
    assert (built.options["num_classes"], built.new_head, built.notes) == (1000, False, ())
    pixels = inputs_for((128, 128, 3), 3)
    same(built.model, published, pixels, pixels / 127.5 - 1)


@pytest.mark.slow
def test_another_number_of_classes_keeps_the_backbone(theirs: Any, tmp_path: Path) -> None:
    theirs.save(tmp_path / "theirs.keras")
    built = build_from("mobilenet_v1", tmp_path / "theirs.keras", OPTIONS | {"num_classes": 3})
    assert built.new_head
    assert built.notes[0] == "theirs.keras: it has 6 classes, so the head for 3 classes is new: train it"
    kernels = (model.get_layer("conv_pw_13").kernel for model in (built.model, theirs))
    np.testing.assert_array_equal(*kernels)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "fault"),
    [
        (
            lambda layers, x: layers.Activation("sigmoid")(layers.Flatten()(layers.Conv2D(3, 1)(x))),
            "its head has 3 units with the activation 'sigmoid'",
        ),
        (
            lambda layers, x: layers.Flatten()(layers.Conv2D(3, 1)(layers.UpSampling2D()(x))),
            "ours does not have .up_sampling2d",
        ),
        (lambda layers, x: layers.Flatten()(layers.Conv2D(3, 1)(layers.Conv2D(9, 1)(x))), "more than one dense layer"),
    ],
)
def test_other_heads_are_refused(end: Callable[[Any, Any], Any], fault: str, tmp_path: Path) -> None:
    import keras
    from keras import layers

    body = keras.applications.MobileNet((SIZE, SIZE, 3), alpha=0.25, weights=None, include_top=False)
    x = layers.GlobalAveragePooling2D(keepdims=True)(body.output)
    keras.Model(body.inputs, end(layers, x)).save(tmp_path / "theirs.keras")
    with pytest.raises(WeightsError, match=f"{fault}.*; say how many classes a new head should have"):
        zoo.build("mobilenet_v1", weights=tmp_path / "theirs.keras", **OPTIONS)


def own(last: str) -> Any:
    """Registers a user's own model, whose head is a dense layer or a convolution."""

    @zoo.register(ModelSpec(f"own_{last}", "", options=(NUM_CLASSES,)))
    def build(*, num_classes: int = 2) -> Any:
        import keras
        from keras import layers

        pixels, x = image_input(16)
        x = layers.Conv2D(8, 3, activation="relu", name="conv")(x)
        if last == "dense":
            return keras.Model(pixels, classifier_head(layers.GlobalAveragePooling2D()(x), num_classes))
        x = layers.Conv2D(num_classes, 1, name="preds")(layers.GlobalAveragePooling2D(keepdims=True)(x))
        return keras.Model(pixels, layers.Softmax()(layers.Flatten()(x)))

    return build


@pytest.mark.parametrize(("ours", "file"), [("dense", "convolution"), ("convolution", "dense")])
def test_a_users_own_model_takes_either_kind(
    own_registry: None,
    ours: str,
    file: str,
    randomize: Callable[..., Any],
    inputs_for: Callable[..., Array],
    tmp_path: Path,
) -> None:
    trained = randomize(own(file)(num_classes=5))
    trained.save(tmp_path / "theirs.keras")
    own(ours)
    built = build_from(f"own_{ours}", tmp_path / "theirs.keras", {})
    assert (built.options["num_classes"], built.new_head, built.notes) == (5, False, ())
    pixels = inputs_for((16, 16, 3), 4)
    same(built.model, trained, pixels, pixels)
    assert build_from(f"own_{ours}", tmp_path / "theirs.keras", {"num_classes": 3}).new_head


def test_a_users_own_model_does_not_take_other_pixels_in_silence(
    own_registry: None, randomize: Callable[..., Any], inputs_for: Callable[..., Array], tmp_path: Path
) -> None:
    import keras
    from keras import layers

    own("dense")
    inputs = keras.Input((16, 16, 3))

    def net(x: Any) -> Any:
        x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(x))
        return randomize(keras.Model(inputs, layers.Dense(5, activation="softmax")(x)), gain=0.01)

    # As keras.applications' ResNet50, whose pixels are prepared outside of it; nobody can see how.
    net(inputs).save(tmp_path / "outside.keras")
    (note,) = build_from("own_dense", tmp_path / "outside.keras", {}).notes
    assert "outside.keras does not say how its pixels are prepared; they are taken to be as edgezoo's own own" in note
    # Channels turned, and a mean for each, in the graph.
    theirs = net(keras.applications.resnet.preprocess_input(inputs))
    theirs.save(tmp_path / "inside.keras")
    built = build_from("own_dense", tmp_path / "inside.keras", {})
    pixels = inputs_for((16, 16, 3), 4)
    same(built.model, theirs, pixels, pixels)
    assert "the model's first layers now do the same" in built.notes[0]


def test_the_convolution_is_a_head_that_can_be_trained_alone(theirs: Any, inputs_for: Callable[..., Array]) -> None:
    body, head = split_at_head(theirs)
    pixels = inputs_for((SIZE, SIZE, 3), 2) / 127.5 - 1
    features = body(pixels, training=False)
    assert features.shape == (2, 1, 1, 256)
    np.testing.assert_allclose(head(features, training=False), theirs(pixels, training=False), atol=1e-5)
    assert [layer.name for layer in head.layers if layer.weights] == ["conv_preds"]
