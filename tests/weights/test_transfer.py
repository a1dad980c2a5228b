"""Weights from files of keras.applications' models, and of models in which such a backbone is nested."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import zoo
from tests.narrow import narrow, narrow_applications
from tests.shallow import shallow
from tests.weights.conftest import save_legacy, write_legacy
from zoo.errors import WeightsError
from zoo.runner import Classifier
from zoo.weights import build_from

if TYPE_CHECKING:
    from tests.conftest import Cli

pytestmark = pytest.mark.slow

Array = Any
SIZE = 32
NAMES = {"mobilenet_v2": "MobileNetV2", "vgg16": "VGG16"}
OPTIONS: dict[str, dict[str, Any]] = {
    "mobilenet_v2": {"alpha": 0.35, "input_size": SIZE},
    "vgg16": {"input_size": SIZE},
}


@pytest.fixture(scope="module", autouse=True)
def _narrow() -> Iterator[None]:
    with narrow(), narrow_applications():
        yield


@pytest.fixture(autouse=True)
def _shallow() -> Iterator[None]:
    with shallow():
        yield


def backbone(name: str, **arguments: Any) -> Any:
    """The model of keras.applications."""
    import keras

    alpha = {"alpha": 0.35} if name == "mobilenet_v2" else {}
    shape = (SIZE, SIZE, 3)
    return getattr(keras.applications, NAMES[name])(input_shape=shape, weights=None, **alpha, **arguments)


def prepare(name: str, pixels: Array) -> Array:
    import keras

    return getattr(keras.applications, name).preprocess_input(pixels)


def transfer(name: str, *, nested: bool = True, before: Any = None, head: Callable[[Any], Any] | None = None) -> Any:
    """The usual transfer-learning model: augmentation, preparation, backbone, pooling, dropout, dense."""
    import keras
    from keras import layers

    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.RandomFlip()(inputs)
    x = prepare(name, x) if before is None else before(x)
    if nested:
        x = backbone(name, include_top=False)(x, training=False)
    else:
        x = backbone(name, include_top=False, input_tensor=x).output
    if head is None:
        x = layers.GlobalAveragePooling2D()(x)
        x = layers.Dense(4, activation="softmax")(layers.Dropout(0.2)(x))
    else:
        x = head(x)
    return keras.Model(inputs, x)


def same(
    ours: Any, theirs: Any, inputs_for: Callable[..., Array], shown: Callable[[Array], Array] | None = None
) -> None:
    pixels = inputs_for((SIZE, SIZE, 3), 4)
    expected = np.asarray(theirs(shown(pixels.copy()) if shown else pixels, training=False))
    assert np.ptp(expected, axis=0).max() > 1e-3, "the inputs give the same answer: the comparison shows little"
    np.testing.assert_allclose(np.asarray(ours(pixels, training=False)), expected, rtol=0, atol=1e-4)


def save(model: Any, folder: Path, suffix: str) -> Path:
    path = folder / f"theirs{suffix}"
    if suffix == ".weights.h5":
        model.save_weights(path)
    elif suffix == ".legacy.h5":
        save_legacy(model, path)
    else:
        model.save(path)
    return path


@pytest.fixture(scope="module")
def application(randomize: Callable[..., Any]) -> Callable[[str, bool], Any]:
    """A model of keras.applications by its name, with six classes or without a top; built once."""

    def build(name: str, top: bool) -> Any:
        return randomize(backbone(name, classes=6) if top else backbone(name, include_top=False), gain=1.5)

    return functools.cache(build)


@pytest.fixture(scope="module")
def transferred(randomize: Callable[..., Any]) -> Callable[[str, bool], Any]:
    """The usual transfer-learning model on a backbone, which is nested or not; built once."""

    def build(name: str, nested: bool) -> Any:
        # VGG-16 has no normalization, so that its weights are smaller, for pixels of its range.
        return randomize(transfer(name, nested=nested), gain=1 if name == "vgg16" else 1.5)

    return functools.cache(build)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5", ".legacy.h5"])
@pytest.mark.parametrize("name", NAMES)
class TestApplications:
    def test_with_top(
        self,
        name: str,
        suffix: str,
        application: Callable[[str, bool], Any],
        inputs_for: Callable[..., Array],
        tmp_path: Path,
    ) -> None:
        theirs = application(name, True)
        built = build_from(name, save(theirs, tmp_path, suffix), OPTIONS[name])
        assert built.options["num_classes"] == 6
        assert not built.new_head
        (note,) = built.notes
        assert "taken to be as keras.applications' preprocess_input makes them" in note
        same(built.model, theirs, inputs_for, lambda pixels: prepare(name, pixels))

    def test_without_top(
        self,
        name: str,
        suffix: str,
        application: Callable[[str, bool], Any],
        inputs_for: Callable[..., Array],
        tmp_path: Path,
    ) -> None:
        import keras

        theirs = application(name, False)
        path = save(theirs, tmp_path, suffix)
        with pytest.raises(WeightsError, match=f"{path}: it has no head; say how many classes .*--num-classes"):
            zoo.build(name, weights=path, **OPTIONS[name])
        built = build_from(name, path, {**OPTIONS[name], "num_classes": 3})
        assert built.new_head
        last = {"mobilenet_v2": "out_relu", "vgg16": "block5_pool"}[name]
        features = keras.Model(built.model.inputs[0], built.model.get_layer(last).output)
        same(features, theirs, inputs_for, lambda pixels: prepare(name, pixels))


class TestAllBlocks:
    """MobileNetV2 as it is published: its file has more than ten layers of each kind, in the order of texts."""

    @pytest.fixture(autouse=True)
    def _shallow(self) -> None:
        """Leaves out none."""

    def test_with_top(self, randomize: Callable[..., Any], inputs_for: Callable[..., Array], tmp_path: Path) -> None:
        theirs = randomize(backbone("mobilenet_v2", classes=6), gain=1.5)
        assert "block_15_add" in {layer.name for layer in theirs.layers}
        built = build_from("mobilenet_v2", save(theirs, tmp_path, ".weights.h5"), OPTIONS["mobilenet_v2"])
        assert built.options["num_classes"] == 6
        assert not built.new_head
        same(built.model, theirs, inputs_for, lambda pixels: prepare("mobilenet_v2", pixels))


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])
@pytest.mark.parametrize("nested", [True, False], ids=["nested", "flat"])
@pytest.mark.parametrize("name", NAMES)
def test_a_transfer_learning_file(
    name: str,
    nested: bool,
    suffix: str,
    transferred: Callable[[str, bool], Any],
    inputs_for: Callable[..., Array],
    tmp_path: Path,
) -> None:
    theirs = transferred(name, nested)
    path = save(theirs, tmp_path, suffix)
    built = build_from(name, path, OPTIONS[name])
    assert built.options["num_classes"] == 4
    # Global average pooling follows VGG-16's convolutions here, instead of the paper's two dense layers.
    assert built.options.get("head", "average") == "average"
    # Keras 3 cannot load the .h5 files that it writes of operations such as those of `preprocess_input`.
    assert len(built.notes) == (suffix != ".keras")
    same(built.model, theirs, inputs_for)


def test_another_number_of_classes_keeps_the_backbone(
    transferred: Callable[[str, bool], Any], inputs_for: Callable[..., Array], tmp_path: Path
) -> None:
    import keras

    theirs = transferred("mobilenet_v2", True)
    built = build_from("mobilenet_v2", save(theirs, tmp_path, ".keras"), {**OPTIONS["mobilenet_v2"], "num_classes": 9})
    assert built.model.output_shape == (None, 9)
    assert built.notes == ("theirs.keras: it has 4 classes, so the head for 9 classes is new: train it",)
    pooled = keras.Model(built.model.inputs[0], built.model.get_layer("global_average_pool").output)
    (dense,) = (layer for layer in theirs.layers if type(layer).__name__ == "Dense")
    same(pooled, keras.Model(theirs.inputs[0], dense.input), inputs_for)
    assert not np.any(built.model.get_layer("logits").bias)
    assert np.any(built.model.get_layer("logits").kernel)


def test_a_backbone_in_a_sequential_model(
    randomize: Callable[..., Any], inputs_for: Callable[..., Array], tmp_path: Path
) -> None:
    import keras
    from keras import layers

    theirs = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.Sequential([layers.RandomFlip(), layers.Rescaling(1 / 127.5, offset=-1)]),
            backbone("mobilenet_v2", include_top=False, pooling="avg"),
            keras.Sequential([layers.Dropout(0.5), layers.Dense(3, use_bias=False), layers.Softmax()]),
        ]
    )
    randomize(theirs, gain=1.5)
    for suffix in (".keras", ".weights.h5"):
        ours = zoo.build("mobilenet_v2", weights=save(theirs, tmp_path, suffix), **OPTIONS["mobilenet_v2"])
        same(ours, theirs, inputs_for)


def test_one_unit_with_a_sigmoid_is_two_classes(
    randomize: Callable[..., Any], inputs_for: Callable[..., Array], tmp_path: Path
) -> None:
    from keras import layers

    def head(x: Any) -> Any:
        return layers.Dense(1, activation="sigmoid")(layers.GlobalAveragePooling2D()(x))

    theirs = randomize(transfer("vgg16", head=head), gain=1.5)
    ours = zoo.build("vgg16", weights=save(theirs, tmp_path, ".keras"), **OPTIONS["vgg16"])
    pixels = inputs_for((SIZE, SIZE, 3), 4)
    positive = np.asarray(theirs(pixels, training=False))
    np.testing.assert_allclose(np.asarray(ours(pixels, training=False)), np.hstack([1 - positive, positive]), atol=1e-4)


HEADS: dict[str, Any] = {
    "more than one dense layer": lambda layers, x: layers.Dense(3)(layers.Dense(8)(layers.GlobalAveragePooling2D()(x))),
    "activation 'sigmoid'": lambda layers, x: layers.Dense(3, activation="sigmoid")(layers.GlobalAveragePooling2D()(x)),
    "1 unit with the activation 'linear'": lambda layers, x: layers.Dense(1)(layers.GlobalAveragePooling2D()(x)),
    "ours does not have \\(global_max_pooling2d\\)": lambda layers, x: layers.Dense(3, activation="softmax")(
        layers.GlobalMaxPooling2D()(x)
    ),
}


@pytest.mark.parametrize("fault", HEADS)
def test_a_head_that_is_not_plain(fault: str, tmp_path: Path) -> None:
    from keras import layers

    # Two dense layers are VGG-16's own head, so that other words are said of one more or less.
    name = "mobilenet_v2" if "dense" in fault else "vgg16"
    path = save(transfer(name, head=lambda x: HEADS[fault](layers, x)), tmp_path, ".keras")
    with pytest.raises(WeightsError, match=f"{fault}.*; say how many classes a new head should have"):
        zoo.build(name, weights=path, **OPTIONS[name])
    built = build_from(name, path, {**OPTIONS[name], "num_classes": 3})
    assert built.new_head
    with pytest.raises(WeightsError, match="there is nothing for layer 'logits'"):
        zoo.load_weights(built.model, path)


class TestPixels:
    """The zoo's model takes over how a foreign model prepares its pixels."""

    @pytest.mark.parametrize("name", NAMES)
    def test_a_scaling_of_its_own(
        self, name: str, randomize: Callable[..., Any], inputs_for: Callable[..., Array], tmp_path: Path
    ) -> None:
        from keras import layers
        from keras.models import load_model

        theirs = randomize(transfer(name, before=layers.Rescaling(1 / 255)), gain=1.5)
        built = build_from(name, save(theirs, tmp_path, ".keras"), OPTIONS[name])
        same(built.model, theirs, inputs_for)
        assert "the model's first layers now do the same" in built.notes[0]
        built.model.save(tmp_path / "ours.keras")
        same(load_model(tmp_path / "ours.keras"), theirs, inputs_for)
        # The same holds after saving and loading a file of our own.
        same(zoo.build(name, weights=tmp_path / "ours.keras", **OPTIONS[name]), theirs, inputs_for)

    def test_a_scaling_that_the_kernel_can_carry(
        self, randomize: Callable[..., Any], inputs_for: Callable[..., Array], tmp_path: Path
    ) -> None:
        from keras import layers

        theirs = randomize(transfer("mobilenet_v2", before=layers.Rescaling(1 / 255, offset=-0.5)), gain=1.5)
        built = build_from("mobilenet_v2", save(theirs, tmp_path, ".keras"), OPTIONS["mobilenet_v2"])
        same(built.model, theirs, inputs_for)
        assert built.notes == ()
        assert (built.model.layers[1].scale, built.model.layers[1].offset) == (1 / 127.5, -1)

    def test_normalization_by_channel(
        self, randomize: Callable[..., Any], inputs_for: Callable[..., Array], tmp_path: Path
    ) -> None:
        from keras import layers

        norm = layers.Normalization(mean=[120.0, 110.0, 100.0], variance=[3600.0, 2500.0, 4900.0])
        theirs = randomize(transfer("vgg16", before=norm), gain=1.5)
        same(
            zoo.build("vgg16", weights=save(theirs, tmp_path, ".keras"), **OPTIONS["vgg16"]),
            theirs,
            inputs_for,
        )

    def test_a_preparation_that_is_no_scaling_is_refused(self, tmp_path: Path) -> None:
        import keras
        from keras import layers

        def gray(x: Any) -> Any:
            return keras.ops.repeat(keras.ops.mean(x, axis=-1, keepdims=True), 3, axis=-1)

        path = save(transfer("vgg16", before=gray), tmp_path, ".keras")
        with pytest.raises(WeightsError, match="more than a scale and an offset for each channel.*`zoo export`"):
            zoo.build("vgg16", weights=path, **OPTIONS["vgg16"])
        inputs = keras.Input((64, 64, 3))
        x = backbone("vgg16", include_top=False)(layers.Resizing(SIZE, SIZE)(inputs))
        keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x))).save(tmp_path / "theirs.keras")
        with pytest.raises(WeightsError, match="makes pictures of 64x64 pixels 32x32x3 before 'block1_conv1'"):
            zoo.build("vgg16", weights=tmp_path / "theirs.keras", **OPTIONS["vgg16"])

    def test_a_model_that_has_predicted_before(
        self, randomize: Callable[..., Any], inputs_for: Callable[..., Array], tmp_path: Path
    ) -> None:
        from keras import layers

        theirs = randomize(transfer("vgg16", before=layers.Rescaling(1 / 255)), gain=1.5)
        ours = zoo.build("vgg16", num_classes=4, head="average", **OPTIONS["vgg16"])
        pixels = inputs_for((SIZE, SIZE, 3), 2)
        ours.predict(pixels, verbose=0)
        zoo.load_weights(ours, save(theirs, tmp_path, ".keras"))
        np.testing.assert_allclose(ours.predict(pixels, verbose=0), theirs(pixels, training=False), atol=1e-4)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
@pytest.mark.parametrize("name", NAMES)
def test_our_own_files(
    name: str, suffix: str, randomize: Callable[..., Any], inputs_for: Callable[..., Array], tmp_path: Path
) -> None:
    small: dict[str, Any] = {"head": "average"} if name == "vgg16" else {}
    trained = randomize(zoo.build(name, num_classes=5, **OPTIONS[name], **small), gain=1.5)
    path = save(trained, tmp_path, suffix)
    built = build_from(name, path, OPTIONS[name])
    assert built.notes == ()
    same(built.model, trained, inputs_for)
    for mine, theirs in zip(built.model.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("name", ["lenet", "mlp", "conv1d", "alexnet"])
def test_a_new_head_for_every_model(name: str, randomize: Callable[..., Any], tmp_path: Path) -> None:
    options: dict[str, Any] = {"input_size": 63} if name == "alexnet" else {}
    trained = randomize(zoo.build(name, num_classes=4, **options))
    trained.save_weights(tmp_path / "w.weights.h5")
    assert zoo.build(name, weights=tmp_path / "w.weights.h5", **options).output_shape == (None, 4)
    built = build_from(name, str(tmp_path / "w.weights.h5"), {**options, "num_classes": 6})
    assert built.notes == ("w.weights.h5: it has 4 classes, so the head for 6 classes is new: train it",)
    *body, _, _ = built.model.weights
    for mine, theirs in zip(body, trained.weights, strict=False):
        np.testing.assert_array_equal(mine, theirs)


def test_the_first_layer_that_does_not_fit(transferred: Callable[[str, bool], Any], tmp_path: Path) -> None:
    path = save(transferred("mobilenet_v2", True), tmp_path, ".keras")
    with pytest.raises(
        WeightsError,
        match=r"theirs.keras does not fit mobilenet_v2_0.5_32: layer 'mobl1_conv_project' has kernel \(1, 1, 48, 16\), "
        r"the file has \(1, 1, 48, 8\) \(block_1_project\)",
    ):
        zoo.build("mobilenet_v2", weights=path, alpha=0.5, input_size=32)
    path = save(transferred("mobilenet_v2", True), tmp_path, ".weights.h5")
    with pytest.raises(WeightsError, match=r"layer 'block1_conv1' has bias \(16,\), the file has none"):
        zoo.build("vgg16", weights=path, input_size=32)
    with pytest.raises(WeightsError, match="layer 'conv1' has kernel"):
        zoo.build("alexnet", weights=path, input_size=63)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
class TestKeras2:
    """Files in the format of Keras 2, made here (and compared with files of Keras 2.15)."""

    def test_the_weights_of_a_backbone_that_was_trained_in_part(
        self, randomize: Callable[..., Any], inputs_for: Callable[..., Array], tmp_path: Path
    ) -> None:
        theirs = randomize(transfer("mobilenet_v2"), gain=1.5)
        (nested,) = (layer for layer in theirs.layers if hasattr(layer, "layers"))
        dense = theirs.layers[-1]
        for layer in nested.layers[: len(nested.layers) // 2]:
            layer.trainable = False
        weights = [*nested.trainable_weights, *nested.non_trainable_weights]
        owner = {id(weight): layer.name for layer in nested.layers for weight in layer.weights}
        path = tmp_path / "w.h5"
        write_legacy(
            path,
            [
                ("input_1", []),
                ("mobilenetv2", [(f"{owner[id(w)]}/{w.name}:0", w.numpy()) for w in weights]),
                ("dense", [(f"dense/{w.name}:0", w.numpy()) for w in dense.weights]),
            ],
        )
        same(zoo.build("mobilenet_v2", weights=path, **OPTIONS["mobilenet_v2"]), theirs, inputs_for)

    def test_an_argument_that_keras_3_does_not_know(
        self, randomize: Callable[..., Any], inputs_for: Callable[..., Array], tmp_path: Path
    ) -> None:
        theirs = randomize(backbone("mobilenet_v2", classes=3), gain=1.5)
        path = save(theirs, tmp_path, ".h5")
        self.edit(path, lambda layer: layer["config"].update(groups=1), "DepthwiseConv2D")
        loaded = zoo.weights.load_model(path)
        assert {type(layer).__module__.partition(".")[0] for layer in loaded.layers} == {"keras"}
        same(loaded, theirs, inputs_for)

    @pytest.mark.parametrize("rescaled", [True, False])
    def test_a_model_that_keras_3_cannot_load(
        self, rescaled: bool, randomize: Callable[..., Any], inputs_for: Callable[..., Array], tmp_path: Path
    ) -> None:
        from keras import layers

        before = layers.Rescaling(1 / 255) if rescaled else None
        theirs = randomize(transfer("mobilenet_v2", before=before), gain=1.5)
        path = save(theirs, tmp_path, ".h5")
        self.edit(path, lambda layer: layer.update(class_name="TFOpLambda"), "RandomFlip")
        with pytest.raises(WeightsError, match="cannot load .*TFOpLambda"):
            zoo.weights.load_model(path)
        built = build_from("mobilenet_v2", path, OPTIONS["mobilenet_v2"])
        assert ("first layers now do the same" if rescaled else "does not say how its pixels") in built.notes[0]
        same(built.model, theirs, inputs_for)

    @staticmethod
    def edit(path: Path, change: Callable[[dict[str, Any]], None], kind: str) -> None:
        def walk(config: dict[str, Any]) -> None:
            for layer in config.get("config", {}).get("layers", ()):
                if layer["class_name"] == kind:
                    change(layer)
                walk(layer)

        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            walk(config)
            file.attrs["model_config"] = json.dumps(config)
            file.attrs["keras_version"] = "2.15.0"


def test_on_the_command_line(
    cli: Cli, transferred: Callable[[str, bool], Any], inputs_for: Callable[..., Array], tmp_path: Path
) -> None:
    theirs = transferred("vgg16", True)
    path = save(theirs, tmp_path, ".keras")
    model = ("build", "vgg16", "--input-size", str(SIZE))
    result = cli(*model, "--weights", path, "--export", "tflite", "--out", tmp_path / "out")
    assert (result.code, result.err) == (0, "")
    classifier = Classifier(tmp_path / "out" / "vgg16_32_average.tflite")
    assert classifier.card["weights_from"] == path.name
    options = classifier.card["options"]
    assert (options["num_classes"], options["head"]) == (4, "average")
    pixels = inputs_for((SIZE, SIZE, 3), 1)
    expected = np.asarray(theirs(pixels, training=False))[0]
    for prediction in classifier.classify(pixels[0]):
        assert prediction.score == pytest.approx(expected[prediction.index], abs=1e-4)
