"""What Keras runs and saves is rebuilt as what an export takes, with Keras' answers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
from keras import layers as L  # noqa: N812  # as in every tutorial

from zoo.errors import ExportError
from zoo.export import to_tflite
from zoo.export.lower.plain import plain
from zoo.runner import Classifier

Array = npt.NDArray[Any]


def _body(x: Any, **options: Any) -> Any:
    x = L.Conv2D(4, 3, 2, activation="relu", **options)(x)
    return L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D(**options)(x))


def _under(policy: str) -> keras.Model:
    """A model with a nested Sequential one and operations of `keras.ops`, trained under a dtype policy."""
    keras.config.set_dtype_policy(policy)
    try:
        entry = keras.Input((16, 16, 3))
        inner = keras.Sequential([L.Conv2D(4, 3), L.BatchNormalization(), L.ReLU()])
        return keras.Model(entry, _body(inner(entry / 127.5 - 1)), name="net")
    finally:
        keras.config.set_dtype_policy("float32")


def _one_layer_of_its_own() -> keras.Model:
    entry = keras.Input((16, 16, 3))
    return keras.Model(entry, _body(L.Conv2D(4, 3, dtype="float16")(L.Rescaling(1 / 255)(entry))))


def _cast() -> keras.Model:
    entry = keras.Input((16, 16, 3))
    half = keras.ops.cast(entry, "float16") / 255
    return keras.Model(entry, _body(keras.ops.cast(half, "float32")))


def _within_wrappers() -> keras.Model:
    entry = keras.Input((8, 4))
    steps = L.TimeDistributed(L.Dense(3, dtype="mixed_float16"))(entry)
    return keras.Model(entry, L.Dense(3)(L.Bidirectional(L.SimpleRNN(4, dtype="mixed_float16", unroll=True))(steps)))


def _quantized() -> keras.Model:
    entry = keras.Input((16, 16, 3))
    model = keras.Model(entry, _body(L.Rescaling(1 / 255)(entry)), name="net")
    model.quantize("int8", filters=lambda layer: isinstance(layer, L.Dense))
    return model


REDUCED: dict[str, Callable[[], keras.Model]] = {
    **{policy: functools.partial(_under, policy) for policy in ("mixed_float16", "bfloat16", "float64")},
    "one layer": _one_layer_of_its_own,
    "cast": _cast,
    "wrappers": _within_wrappers,
    "quantized": _quantized,
}


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
@pytest.mark.parametrize("name", REDUCED)
def test_every_dtype_policy_becomes_float32_with_the_same_answers(
    name: str, randomize: Callable[..., Any], inputs_for: Callable[..., Array]
) -> None:
    model = REDUCED[name]()
    if name != "quantized":
        randomize(model)
    rebuilt, (note,) = plain(model)
    assert "as float32" in note
    assert {str(weight.dtype) for weight in rebuilt.weights} <= {"float32", "uint32"}
    inputs = inputs_for(model.input_shape[1:])
    expected = np.asarray(model(inputs, training=False), np.float32)
    # float16 and bfloat16 have 3 and 2 digits.
    np.testing.assert_allclose(rebuilt(inputs, training=False), expected, atol=0.03 * np.abs(expected).max())


def test_what_keras_quantized_otherwise_is_refused_with_the_way_on() -> None:
    entry = keras.Input((16, 8))
    model = keras.Model(entry, L.EinsumDense("abc,cd->abd", (16, 3))(entry), name="net")
    model.layers[-1].quantize("int8")
    with pytest.raises(
        ExportError, match=r"Keras quantized the layer 'einsum_dense\w*' of net \(int8\): export the mo"
    ):
        plain(model)


def test_the_file_of_a_mixed_model_names_what_keras_names(
    tmp_path: Path, randomize: Callable[..., Any], inputs_for: Callable[..., Array]
) -> None:
    model = randomize(_under("mixed_float16"))
    report = to_tflite(model, tmp_path / "m.tflite")
    assert "the model has the dtype policy mixed_float16; the file is made from its weights as float32" in report.notes
    pictures = inputs_for((16, 16, 3))
    scores = _scores(report.path, pictures)
    np.testing.assert_allclose(scores, np.asarray(model(pictures, training=False), np.float32), atol=0.01)


def _scores(path: Path, pictures: Array) -> Array:
    """The scores of a file for raw pixels, in the order of the classes."""
    classifier = Classifier(path)
    return np.stack([classifier.outputs(picture)[0][0] for picture in pictures])


def _dictionaries() -> keras.Model:
    entry = keras.Input((16, 16, 3), name="image")
    return keras.Model({"image": entry}, {"probs": _body(L.Rescaling(1 / 255)(entry))})


def _nested_dictionaries() -> keras.Model:
    inner, entry = _dictionaries(), keras.Input((16, 16, 3))
    return keras.Model([entry], [inner({"image": entry})["probs"]])


def _rows(*following: Any) -> Callable[[], keras.Model]:
    def make() -> keras.Model:
        return keras.Sequential([keras.Input((28, 28)), *following, L.Flatten(), L.Dense(10, activation="softmax")])

    return make


def _expanded() -> keras.Model:
    entry = keras.Input((28, 28))
    return keras.Model(entry, _body(keras.ops.expand_dims(entry, -1)))


def _channels_first() -> keras.Model:
    entry = keras.Input((3, 16, 16))
    return keras.Model(entry, _body(L.Rescaling(1 / 255)(entry), data_format="channels_first"))


def _fixed_batch() -> keras.Model:
    entry = keras.Input(batch_shape=(6, 16, 16, 3))
    return keras.Model(entry, _body(entry))


def _whole_numbers() -> keras.Model:
    entry = keras.Input((16, 16, 3), dtype="uint8")
    return keras.Model(entry, _body(L.Rescaling(1 / 255)(entry)))


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):  # type: ignore[misc]
    """A model without a graph of its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.convolution, self.dense = L.Conv2D(4, 3, 2), L.Dense(3, activation="softmax")

    def call(self, pixels: Any) -> Any:
        features = self.convolution(pixels / 255.0)
        return self.dense(keras.ops.mean(features, axis=(1, 2)))


def _subclassed() -> keras.Model:
    model = Subclassed()
    model(np.zeros((2, 16, 16, 3), np.float32))
    return model


PICTURES: dict[str, tuple[Callable[[], keras.Model], tuple[int, int, int], Callable[[Array], Array]]] = {
    # what: (the model, the pictures that its file takes, and how the model itself takes them)
    "dictionaries": (_dictionaries, (16, 16, 3), lambda x: x),
    "nested dictionaries": (_nested_dictionaries, (16, 16, 3), lambda x: x),
    "gray, scaled": (_rows(L.Rescaling(1 / 255)), (28, 28, 1), lambda x: x[..., 0]),
    "gray, as they are": (_rows(), (28, 28, 1), lambda x: x[..., 0]),
    "gray, expanded": (_expanded, (28, 28, 1), lambda x: x[..., 0]),
    "channels first": (_channels_first, (16, 16, 3), lambda x: x.transpose(0, 3, 1, 2)),
    "a fixed batch": (_fixed_batch, (16, 16, 3), lambda x: x),
    "whole numbers": (_whole_numbers, (16, 16, 3), lambda x: x),
    "a class of its own": (_subclassed, (16, 16, 3), lambda x: x),
}


@pytest.mark.filterwarnings("ignore:The structure of `inputs`")
@pytest.mark.parametrize("name", PICTURES)
def test_pictures_go_in_however_the_model_takes_them(
    name: str, tmp_path: Path, randomize: Callable[..., Any], inputs_for: Callable[..., Array]
) -> None:
    make, shape, arrange = PICTURES[name]
    model = randomize(make())
    report = to_tflite(model, tmp_path / "m.tflite")
    assert tuple(report.card["input"]["shape"]) == shape
    pictures = inputs_for(shape)
    (expected,) = keras.tree.flatten(model(arrange(pictures), training=False))
    np.testing.assert_allclose(_scores(report.path, pictures), expected, atol=1e-4)


def test_the_scaling_of_gray_pictures_stays_first(
    tmp_path: Path, randomize: Callable[..., Any], digits_folder: Path
) -> None:
    model = randomize(_rows(L.Rescaling(1 / 255))())
    report = to_tflite(model, tmp_path / "m.tflite", quantize="int8", calibration=digits_folder)
    entry = Classifier(report.path).session.input
    assert entry.shape == (1, 28, 28, 1)
    assert entry.scale == pytest.approx(1 / 255, rel=1e-3)


def test_gray_examples_need_no_axis_of_channels(tmp_path: Path, randomize: Callable[..., Any]) -> None:
    model = randomize(_rows(L.Rescaling(1 / 255))())
    examples = np.random.default_rng(0).integers(0, 256, (20, 28, 28)).astype(np.uint8)
    report = to_tflite(model, tmp_path / "m.tflite", quantize="int8", calibration=examples, min_agreement=0)
    assert report.card["calibration"]["of"] == 20


def test_two_axes_of_measurements_are_no_picture() -> None:
    entry = keras.Input((64, 6))
    windows = keras.Model(entry, L.Dense(2)(L.Flatten()(entry)))
    square = keras.Sequential([keras.Input((16, 16)), L.Conv1D(4, 3), L.Flatten(), L.Dense(2)])
    for model in (windows, square):
        rebuilt, notes = plain(model)
        assert rebuilt.input_shape == model.input_shape
        assert notes == []


@pytest.mark.parametrize(("sizes", "shape"), [((24,), (24, 24, 3)), ((16, 32), (16, 32, 3))])
def test_an_open_size_is_fixed(
    sizes: tuple[int, ...], shape: tuple[int, int, int], randomize: Callable[..., Any], inputs_for: Callable[..., Array]
) -> None:
    entry = keras.Input((None, None, 3))
    model = randomize(keras.Model(entry, _body(entry)))
    rebuilt, _ = plain(model, sizes)
    assert rebuilt.input_shape == (None, *shape)
    assert all(a is b for a, b in zip(rebuilt.weights, model.weights, strict=True))
    pictures = inputs_for(shape)
    np.testing.assert_allclose(rebuilt(pictures), model(pictures), atol=1e-5)


def _embedding() -> keras.Model:
    return keras.Sequential([keras.Input((8,)), L.Embedding(10, 4), L.Flatten(), L.Dense(2)], name="words")


def _open() -> keras.Model:
    entry = keras.Input((None, None, 3))
    return keras.Model(entry, _body(entry), name="wide")


def _unbuilt() -> keras.Model:
    return keras.Sequential([L.Flatten(), L.Dense(2)], name="fresh")


def _small() -> keras.Model:
    return keras.Sequential([keras.Input((16, 16, 3)), L.Flatten(), L.Dense(2)], name="small")


@pytest.mark.parametrize(
    ("make", "sizes", "message"),
    [
        (_open, None, r"wide has an input of open size \(None, None, 3\): say which size .* --input-size 224"),
        (_open, (1, 2, 3), r"wide has an input of open size \(None, None, 3\); give 2 sizes, not 3"),
        (_open, (1,), r"Keras cannot build wide anew with an input of \(1, 1, 3\): "),
        (_small, (32,), r"small has an input of fixed size \(16, 16, 3\); input_size \(--input-size\) is for open"),
        (_embedding, None, r"words takes token ids \(its first layer is 'embedding\w*'\); only models of pictures"),
        (_unbuilt, None, r"fresh is not built, so that the shape of its input is not known: begin it with"),
        (lambda: "text", None, "str is no Keras model"),
    ],
)
def test_what_cannot_be_rebuilt_is_refused_with_the_way_on(
    make: Callable[[], Any], sizes: tuple[int, ...] | None, message: str
) -> None:
    with pytest.raises(ExportError, match=message) as caught:
        plain(make(), sizes)
    assert "\n" not in str(caught.value)


def test_a_plain_model_is_taken_as_it_is() -> None:
    model = _small()
    assert plain(model) == (model, [])
    assert plain(model, (16,)) == (model, [])
