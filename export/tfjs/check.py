"""Reads a layers model of TensorFlow.js back, builds it with Keras, and compares its answers with the original's."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import VerificationError
from zoo.export.tfjs.layers import KNOWN, Array, Layers, names_of
from zoo.weights.formats import keras2

if TYPE_CHECKING:
    import keras

INPUTS = 4
"""The number of random inputs on which the answers are compared."""
TOLERANCE = 1e-3
"""The largest difference of a score, as a share of the largest score where that is above 1."""


def require_same(path: Path, layers: Layers, model: keras.Model, *, half: float | None) -> None:
    """Compares what was written with what was meant: weights bit for bit, classes of layers, and answers.

    Args:
        path: the file `model.json`.
        layers: the layers that were written.
        model: the model with raw pixels in, or values.
        half: of pictures, what the written model takes is `pixel / half - 1`; None for values.

    Raises:
        VerificationError: they differ.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    arrays = read_weights(path, document)
    meant = {f"{one.name}/{key}": array for one in layers.done for key, array in one.arrays.items()}
    if list(arrays) != list(meant):
        raise VerificationError(f"{path} names other weights than {model.name} has")
    for name, array in arrays.items():
        if array.shape != meant[name].shape or array.tobytes() != meant[name].tobytes():
            raise VerificationError(f"{path} holds other values than {model.name} for {name!r}")
    config = document["modelTopology"]["model_config"]
    strange = sorted({one["class_name"] for one in config["config"]["layers"]} - KNOWN)
    if strange:
        raise VerificationError(f"{path} has layers that TensorFlow.js lacks: {', '.join(strange)}")
    shape = tuple(model.inputs[0].shape[1:])
    pixels = np.random.default_rng(0).integers(0, 256, (INPUTS, *shape)).astype(np.float32)
    wanted = _answers(model, pixels)
    found = _answers(_taking_pixels(_built(config, arrays), half), pixels)
    difference = float(np.abs(found - wanted).max()) if found.shape == wanted.shape else np.inf
    if not difference <= TOLERANCE * max(1.0, float(np.abs(wanted).max())):
        raise VerificationError(
            f"the layers model of {model.name} gives other scores than Keras, by up to {difference:.2g}; it is not kept"
        )


def read_back(folder: Path, half: float | None) -> keras.Model:
    """Builds the layers model of a folder with Keras, with raw pixels in, or values.

    Args:
        folder: the folder.
        half: see `zoo.export.tfjs.exporter.LayersModel`.

    Raises:
        VerificationError: the weights are not those that the model names.
    """
    path = folder / "model.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    return _taking_pixels(_built(document["modelTopology"]["model_config"], read_weights(path, document)), half)


def _taking_pixels(model: keras.Model, half: float | None) -> keras.Model:
    import keras

    if half is None:
        return model
    pixels = keras.Input(model.input_shape[1:])
    return keras.Model(pixels, model(keras.layers.Rescaling(1 / half, offset=-1.0)(pixels)), name=model.name)


def read_weights(path: Path, document: dict[str, Any]) -> dict[str, Array]:
    """Reads the weights that a `model.json` names, in its order, from the file beside it.

    Raises:
        VerificationError: the file has another length than its weights.
    """
    found: dict[str, Array] = {}
    (group,) = document["weightsManifest"]
    content, start = (path.parent / group["paths"][0]).read_bytes(), 0
    for weight in group["weights"]:
        size = 4 * int(np.prod(weight["shape"]))
        array = np.frombuffer(content[start : start + size], "<f4")
        found[weight["name"]] = array.reshape(weight["shape"]) if len(content) >= start + size else array
        start += size
    if start != len(content):
        raise VerificationError(f"{path.parent / group['paths'][0]} has {len(content)} bytes, its weights {start}")
    return found


def _built(config: dict[str, Any], arrays: dict[str, Array]) -> keras.Model:
    import keras

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Keras would rather see in a program
        model: keras.Model = keras.saving.deserialize_keras_object(keras2.translate(config), safe_mode=True)
    kinds = {one["config"]["name"]: one for one in config["config"]["layers"]}
    for layer in model.layers:
        written = kinds[layer.name]
        names = names_of(written["class_name"], written["config"])
        layer.set_weights([arrays[f"{layer.name}/{name}"] for name in names])
    return model


def _answers(model: keras.Model, inputs: Array) -> Array:
    return np.asarray(model(inputs, training=False))
