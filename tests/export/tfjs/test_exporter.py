"""Layers models of TensorFlow.js: read back, refused where it has no layer, and run by TensorFlow.js in Chromium."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
from PIL import Image

from tests import npm, teachable
from tests.export.tfjs.pages import ADDRESS, open_models
from zoo.errors import ExportError, InputError, VerificationError
from zoo.export.tfjs import check as tfjs_check
from zoo.export.tfjs.exporter import LayersModel, to_tfjs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.conftest import Case, Cli

L = keras.layers
LABELS = ["cat", "a dog", "Läuft"]


def net(*, size: int = 16, channels: int = 3) -> keras.Model:
    """A small net with every kind of layer that is written in a way of its own, and random weights."""
    entry = keras.Input((size, size, channels))
    x = L.Rescaling(1 / 127.5, offset=-1)(entry)
    x = L.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(L.ZeroPadding2D(1)(x))
    x = L.ReLU(6.0)(L.BatchNormalization()(x))
    x = L.Conv2D(12, 3, groups=2, padding="same", activation="silu", name="pair")(x)
    x = L.Conv2D(12, 3, groups=12, padding="same")(x)
    x = L.Activation("hard_silu")(L.DepthwiseConv2D(3, padding="same")(x))
    gate = L.Conv2D(12, 1, activation="hard_sigmoid")(L.GlobalAveragePooling2D(keepdims=True)(x))
    y = L.Dropout(0.5)(L.LeakyReLU(negative_slope=0.1)(x * gate))
    both = L.Concatenate()([L.MaxPooling2D(3, 2, padding="same")(x + y), L.AveragePooling2D(3, 2, padding="same")(y)])
    inner = keras.Input(both.shape[1:])
    nested = keras.Model(inner, L.SeparableConv2D(5, 3, activation="relu")(inner))
    x = L.Dense(4, "tanh")(L.Flatten()(nested(both)))
    model = keras.Model(entry, L.Softmax()(L.Dense(3)(x)), name="all_kinds")
    rng = np.random.default_rng(1)
    model.set_weights([one + rng.uniform(0, 0.3, one.shape).astype(one.dtype) for one in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[keras.Model, LayersModel]:
    """The net with every kind of layer, and what was written of it."""
    model = net()
    return model, to_tfjs(model, tmp_path_factory.mktemp("tfjs") / "all", labels=LABELS)


@pytest.fixture(scope="module")
def page(browser: Browser, written: tuple[keras.Model, LayersModel], tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A page with TensorFlow.js and Teachable Machine's library, beside the files of the net."""
    return open_models(browser, tmp_path_factory, (npm.TFJS, npm.TEACHABLE), written[1].path)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> tuple[keras.Model, LayersModel]:
    """A small net of the only size that ml5 knows, and what was written of it."""
    entry = keras.Input((224, 224, 3))
    x = L.Conv2D(8, 16, strides=16, activation="relu")(L.Rescaling(1 / 127.5, offset=-1)(entry))
    model = keras.Model(entry, L.Dense(3, "softmax")(L.GlobalMaxPooling2D()(x)), name="wide")
    rng = np.random.default_rng(4)
    model.set_weights([one + rng.uniform(-0.2, 0.2, one.shape).astype(one.dtype) for one in model.get_weights()])
    return model, to_tfjs(model, tmp_path_factory.mktemp("tfjs") / "wide", labels=LABELS)


@pytest.mark.slow
def test_tensorflow_js_gives_the_answers_of_keras(written: tuple[keras.Model, LayersModel], page: Page) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (3, 16, 16, 3)).astype(np.uint8)
    found = page.evaluate(
        """async ([values, shape]) => {
            await tf.setBackend('cpu');
            const model = await tf.loadLayersModel('model.json');
            const answers = model.predict(tf.tensor(values, shape).div(127).sub(1));
            return [...await answers.data()];
        }""",
        [pixels.ravel().tolist(), list(pixels.shape)],
    )
    wanted = np.asarray(written[0](pixels.astype(np.float32), training=False))
    np.testing.assert_allclose(np.reshape(found, wanted.shape), wanted, atol=2e-5)


def test_teachable_machines_library_names_a_picture(written: tuple[keras.Model, LayersModel], page: Page) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    stored = io.BytesIO()
    Image.fromarray(pixels).save(stored, "PNG")
    found = page.evaluate(
        """async (content) => {
            const model = await tmImage.load('model.json', 'metadata.json');
            const picture = new Image();
            picture.src = 'data:image/png;base64,' + content;
            await picture.decode();
            return (await model.predict(picture)).map((one) => [one.className, one.probability]);
        }""",
        base64.b64encode(stored.getvalue()).decode(),
    )
    wanted = np.asarray(written[0](pixels[np.newaxis].astype(np.float32), training=False))[0]
    assert [name for name, _ in found] == LABELS
    np.testing.assert_allclose([score for _, score in found], wanted, atol=1e-4)


@pytest.mark.slow
def test_ml5_names_a_picture(
    wide: tuple[keras.Model, LayersModel], browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page = open_models(browser, tmp_path_factory, (npm.ML5,), wide[1].path)
    pixels = np.random.default_rng(5).integers(0, 256, (224, 224, 3)).astype(np.uint8)
    stored = io.BytesIO()
    Image.fromarray(pixels).save(stored, "PNG")
    found = page.evaluate(
        """async ([address, content]) => {
            const classifier = await ml5.imageClassifier(address);
            await classifier.ready;
            const picture = new Image();
            picture.src = 'data:image/png;base64,' + content;
            await picture.decode();
            return (await classifier.classify(picture)).map((one) => [one.label, one.confidence]);
        }""",
        [ADDRESS, base64.b64encode(stored.getvalue()).decode()],
    )
    page.close()
    scores = np.asarray(wide[0](pixels[np.newaxis].astype(np.float32), training=False))[0]
    best_first = sorted(zip(LABELS, scores.tolist(), strict=True), key=lambda one: -one[1])
    assert [name for name, _ in found] == [name for name, _ in best_first]
    np.testing.assert_allclose([score for _, score in found], [score for _, score in best_first], atol=1e-4)


def test_the_folder_holds_what_the_libraries_ask_for(written: tuple[keras.Model, LayersModel]) -> None:
    path = written[1].path
    assert sorted(one.name for one in path.iterdir()) == ["metadata.json", "model.json", "weights.bin"]
    metadata = json.loads((path / "metadata.json").read_text(encoding="utf-8"))
    assert (metadata["labels"], metadata["imageSize"], metadata["grayscale"]) == (LABELS, 16, False)
    document = json.loads((path / "model.json").read_text(encoding="utf-8"))
    kinds = [one["class_name"] for one in document["modelTopology"]["model_config"]["config"]["layers"]]
    assert "Rescaling" not in kinds  # old versions have none
    assert "Dropout" not in kinds
    assert kinds.count("Cropping2D") == 2
    assert kinds.count("DepthwiseConv2D") == 2  # a group for each channel is one
    assert ["ml5 gives a model colour pictures of 224x224 only" in note for note in written[1].notes] == [True]


@pytest.mark.parametrize(("size", "channels", "says"), [(224, 3, ""), (20, 1, "20x20 gray ones")])
def test_a_note_says_what_ml5_takes(size: int, channels: int, says: str, tmp_path: Path) -> None:
    entry = keras.Input((size, size, channels))
    model = keras.Model(entry, L.Dense(3, "softmax")(L.GlobalAveragePooling2D()(entry)))
    assert " ".join(to_tfjs(model, tmp_path / "net").notes).count("ml5") == bool(says)
    assert says in " ".join(to_tfjs(model, tmp_path / "net").notes)  # a second one takes the place of the first


def test_a_model_of_values_takes_them_as_they_are(tmp_path: Path) -> None:
    entry = keras.Input((24, 6))
    x = L.GlobalAveragePooling1D()(L.MaxPooling1D(2)(L.Conv1D(5, 3, activation="relu")(entry)))
    to_tfjs(keras.Model(entry, L.Dense(3, "softmax")(x)), tmp_path / "net")
    assert "imageSize" not in json.loads((tmp_path / "net" / "metadata.json").read_text())


def test_teachable_machines_own_model_comes_back_as_it_was(tmp_path: Path) -> None:
    from zoo.weights import load_model

    model = load_model(teachable.write_keras(tmp_path / "keras_model.h5"))
    report = to_tfjs(model, tmp_path / "again", labels=teachable.CLASSES)
    assert "was made by Teachable Machine" in report.notes[0]


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (L.UnitNormalization, "has no layer for UnitNormalization ('odd')"),
        (lambda: L.Activation("gelu"), "has no layer for the activation gelu ('odd')"),
        (lambda: L.ReLU(threshold=0.5), "has no layer for ReLU with a threshold"),
        (lambda: L.Softmax(axis=1), "has no layer for a softmax over axis 1"),
        (lambda: L.ELU(alpha=0.3), "has no layer for ELU with alpha=0.3, only with 1 ('odd')"),
        (lambda: L.Conv2D(3, 1, activation=L.ELU(alpha=0.3)), "has no layer for the activation ELU ('odd')"),
        (lambda: L.Conv2DTranspose(3, 3, dilation_rate=2), "Conv2DTranspose with a dilation_rate other than 1 ('odd')"),
        (lambda: L.Conv2DTranspose(3, 3, 2, output_padding=1), "Conv2DTranspose with output_padding="),
        (lambda: L.DepthwiseConv2D(3, dilation_rate=2), "DepthwiseConv2D with a dilation_rate other than 1 ('odd')"),
        (lambda: L.BatchNormalization(axis=1), "BatchNormalization over another axis than the last ('odd')"),
    ],
)
def test_what_tensorflow_js_lacks_is_refused_in_one_line(layer: Any, says: str, tmp_path: Path) -> None:
    odd = layer()
    odd.name = "odd"
    entry = keras.Input((8, 8, 3))
    model = keras.Model(entry, L.Dense(3, "softmax")(L.GlobalAveragePooling2D()(odd(entry))))
    with pytest.raises(ExportError) as caught:
        to_tfjs(model, tmp_path / "net")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "net").exists()


def test_a_causal_convolution_is_refused(tmp_path: Path) -> None:
    entry = keras.Input((24, 6))
    x = L.GlobalAveragePooling1D()(L.Conv1D(5, 3, padding="causal", name="odd")(entry))
    with pytest.raises(ExportError, match="Conv1D with padding='causal'.*'odd'"):
        to_tfjs(keras.Model(entry, L.Dense(3, "softmax")(x)), tmp_path / "net")


@pytest.mark.slow
def test_names_and_numbers_are_those_that_tensorflow_js_takes(
    browser: Browser, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    entry = keras.Input((6,))
    x = L.Dense(4, name=".. x")(L.Flatten()(entry))
    x = L.ReLU(max_value=np.inf)(L.Dense(4, name='a"b')(L.Dense(4, name="a'b")(x)))
    model = keras.Model(entry, L.Dense(3, "softmax", name="cäé>")(x))
    to_tfjs(model, tmp_path / "net")
    text = (tmp_path / "net" / "model.json").read_text()
    assert "Infinity" not in text
    names = [one["name"] for one in json.loads(text)["weightsManifest"][0]["weights"]]
    assert [name for name in names if name.endswith("kernel")] == [
        f"{name}/kernel" for name in ("layer.._x", "a_b", "a_b_1", "c___")
    ]
    values = np.random.default_rng(6).uniform(-1, 1, (1, 6)).astype(np.float32)
    page = open_models(browser, tmp_path_factory, (npm.TFJS,), tmp_path / "net")
    found = page.evaluate(
        """async (values) => {
            await tf.setBackend('cpu');
            const model = await tf.loadLayersModel('model.json');
            return [...await model.predict(tf.tensor(values)).data()];
        }""",
        values.tolist(),
    )
    page.close()
    np.testing.assert_allclose(found, np.asarray(model(values))[0], atol=1e-5)


def test_weights_that_are_not_finite_are_refused_by_every_export(tmp_path: Path) -> None:
    from zoo.export import to_tflite

    entry = keras.Input((6,))
    model = keras.Model(entry, L.Dense(3, "softmax", name="lost")(entry))
    model.get_layer("lost").bias.assign([0.0, np.nan, 0.0])
    says = "layer 'lost' of .* has weights that are not finite numbers"
    with pytest.raises(ExportError, match=says):
        to_tfjs(model, tmp_path / "net")
    with pytest.raises(ExportError, match=says):
        to_tflite(model, tmp_path / "net.tflite")


@pytest.mark.parametrize(
    "option",
    [
        ("--logits",),
        ("--batch", "4"),
        ("--layout", "nhwc"),
        ("--nms", "file"),
        ("--quantize", "int8"),
        ("--target", "edgetpu"),
        ("--no-verify",),
        ("--resize", "pad"),
        ("--license", "MIT"),
        ("--calibration-samples", "20"),
    ],
)
def test_an_option_that_it_does_not_have_is_refused(option: tuple[str, ...], cli: Cli, tmp_path: Path) -> None:
    done = cli("build", "lenet", "--export", "tfjs", "--out", tmp_path, *option)
    assert done.code == 1
    assert f"{option[0]} (" in done.err
    assert "is for --export tflite or onnx" in done.err
    assert not (tmp_path / "lenet_tfjs").exists()


def test_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="3 classes but there are 2 labels"):
        to_tfjs(net(), tmp_path / "net", labels=["a", "b"])


def test_weights_in_the_wrong_place_are_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = tfjs_check.read_weights

    def turned(path: Path, document: dict[str, Any]) -> dict[str, Any]:
        found = real(path, document)
        name = next(name for name in found if name.endswith("depthwise_kernel"))
        return {**found, name: found[name][::-1]}

    monkeypatch.setattr(tfjs_check, "read_weights", turned)
    with pytest.raises(VerificationError, match="holds other values than all_kinds for '.*depthwise_kernel'"):
        to_tfjs(net(), tmp_path / "net")
    assert not (tmp_path / "net").exists()


@pytest.mark.slow
def test_another_activation_than_meant_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from zoo.export.tfjs import layers as tfjs_layers

    real = tfjs_layers.Layers.activated

    def other(self: Any, name: str, x: str, function: str, channels: int) -> str:
        return real(self, name, x, "relu" if function == "tanh" else function, channels)

    monkeypatch.setattr(tfjs_layers.Layers, "activated", other)
    with pytest.raises(VerificationError, match="gives other scores than Keras"):
        to_tfjs(net(), tmp_path / "net")


@pytest.mark.slow
def test_zoo_build_and_zoo_export_write_it(lenet: Case, cli: Cli, tmp_path: Path) -> None:
    built = cli("build", "lenet", "--export", "tfjs", "--out", tmp_path)
    assert built.code == 0, built.err
    assert (tmp_path / "lenet_tfjs" / "weights.bin").stat().st_size == 4 * sum(
        int(np.prod(one.shape)) for one in lenet.model.weights
    ) + 16 * lenet.model.inputs[0].shape[-1]
    assert "ml5 gives a model colour pictures of 224x224 only" in built.out
    lenet.model.save(tmp_path / "mine.keras")
    done = cli("export", tmp_path / "mine.keras", "--export", "tfjs", "--out", tmp_path, "--json")
    assert done.code == 0, done.err
    (row,) = json.loads(done.out)
    assert (row["format"], Path(row["path"])) == ("tfjs", tmp_path / "mine_tfjs")


@pytest.mark.slow
def test_a_detector_is_refused(cli: Cli, tmp_path: Path) -> None:
    done = cli(
        "build",
        "ssdlite_mobilenet_v2",
        "--weights",
        "none",
        "--input-size",
        "96",
        "--export",
        "tfjs",
        "--out",
        tmp_path,
    )
    assert done.code == 1
    assert "is a detector; a layers model of TensorFlow.js is for classifiers" in done.err


def test_a_preparation_of_pixels_is_written_into_the_model(cli: Cli, tmp_path: Path) -> None:
    entry = keras.Input((8, 8, 3))
    keras.Model(entry, L.Dense(3)(L.GlobalAveragePooling2D()(entry))).save(tmp_path / "mine.keras")
    done = cli("export", tmp_path / "mine.keras", "--export", "tfjs", "--pixels", "0,1", "--out", tmp_path)
    assert done.code == 0, done.err
    document = json.loads((tmp_path / "mine_tfjs" / "model.json").read_text())
    arrays = tfjs_check.read_weights(tmp_path / "mine_tfjs" / "model.json", document)
    np.testing.assert_allclose(arrays["pixels/gamma"], 127 / 255, rtol=1e-6)
    np.testing.assert_allclose(arrays["pixels/beta"], 127 / 255, rtol=1e-6)


@pytest.mark.slow
def test_weights_without_a_head_are_not_written_for_others_to_run(cli: Cli, tmp_path: Path) -> None:
    import zoo

    path = tmp_path / "lenet.keras"
    zoo.build("lenet").save(path)
    asked = ("build", "lenet", "--weights", path, "--num-classes", "4", "--export", "tfjs", "--out", tmp_path)
    assert "the head for 4 classes would be random" in cli(*asked).err
    assert cli(*asked, "--new-head").code == 0
