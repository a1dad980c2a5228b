"""Writes a classifier as a layers model of TensorFlow.js, as Teachable Machine's libraries and ml5 load it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ExportError
from zoo.export.describe import check_labels
from zoo.export.detectors import heads_of, task_of
from zoo.export.lower import teachable
from zoo.export.lower.ending import as_task
from zoo.export.lower.finite import require_finite
from zoo.export.lower.lowering import check_exportable, lower, with_preparation
from zoo.export.lower.plain import plain
from zoo.export.options import ExportOptions
from zoo.export.tfjs.check import require_same
from zoo.export.tfjs.layers import WEIGHTS, Layers, write
from zoo.export.unchecked import require_own
from zoo.files.writing import atomic
from zoo.graph import calls_of, has_graph, input_readers, scaling_of
from zoo.inputs.preprocessing import is_picture
from zoo.weights import is_untrained

if TYPE_CHECKING:
    import keras

MODEL, BLOB, METADATA = "model.json", "weights.bin", "metadata.json"
HALF = 127.0
"""Teachable Machine's library and ml5 give a model `pixel / 127 - 1`."""
ML5_SIZE = 224
"""The only width and height of pictures that ml5 gives a model."""
_LIBRARY = {"tfjsVersion": "4.22.0", "packageName": "@teachablemachine/image", "packageVersion": "0.8.5"}
_ZEROS: dict[str, Any] = {"class_name": "Zeros", "config": {}}
_ONES: dict[str, Any] = {"class_name": "Ones", "config": {}}


@dataclass(frozen=True)
class LayersModel:
    """A layers model that was written and read back."""

    path: Path
    """The folder."""
    notes: tuple[str, ...]
    """What the user should know, one line each."""
    half: float | None = None
    """The model takes pictures as `pixel / half - 1`; None where it takes values as they are."""


def to_tfjs(
    model: keras.Model,
    path: str | Path,
    options: ExportOptions | None = None,
    *,
    labels: Sequence[str] | None = None,
) -> LayersModel:
    """Writes a folder with `model.json`, `weights.bin` and `metadata.json`, float32, and compares it with Keras.

    Args:
        model: a Keras classifier that `zoo.export.to_tflite` would take.
        path: the folder; one that an earlier export wrote is replaced.
        options: its `input_size`, `input_range` and `pixels` count: how pixels are prepared for a model that does not
            do it itself; quantization and others that only files have are refused. A model of pictures takes
            `pixel / 127 - 1` in TensorFlow.js, as the libraries give it.
        labels: the names of the classes.

    Raises:
        ExportError: the model is no classifier with one input of fixed size, or has a layer that TensorFlow.js lacks.
        InputError: the labels do not fit.
        VerificationError: what was written computes something else than Keras.
        OutputError: the folder cannot be written.
    """
    written = prepare(model, options, labels=labels)
    layers, metadata = written.layers, written.metadata
    document = _document(model.name, layers)
    path = Path(path)
    with atomic(path) as scratch:
        scratch.mkdir()
        (scratch / MODEL).write_text(json.dumps(document, allow_nan=False), encoding="utf-8")
        blob = b"".join(array.astype("<f4").tobytes() for one in layers.done for array in one.arrays.values())
        (scratch / BLOB).write_bytes(blob)
        (scratch / METADATA).write_text(json.dumps(metadata, ensure_ascii=False, allow_nan=False), encoding="utf-8")
        require_same(scratch / MODEL, layers, written.model, half=written.half)
    return LayersModel(path, tuple(written.notes), written.half)


@dataclass(frozen=True, eq=False)
class Prepared:
    """All that is to be written of a model, in memory."""

    model: keras.Model
    """The model with raw pixels in, or values."""
    layers: Layers
    metadata: dict[str, Any]
    """The contents of `metadata.json`."""
    half: float | None
    """See `LayersModel.half`."""
    notes: list[str]


def prepare(model: keras.Model, options: ExportOptions | None, *, labels: Sequence[str] | None) -> Prepared:
    """Makes all that `to_tfjs` writes, and writes nothing; arguments as there.

    Raises:
        ExportError: the model is no classifier with one input of fixed size, or has a layer that TensorFlow.js lacks.
        InputError: the labels do not fit.
    """
    options = options or ExportOptions()
    require_own(("tfjs",), vars(options))
    ready, notes = plain(model, options.input_size)
    options = teachable.with_its_range(ready, options, notes)
    task = task_of(ready)
    if heads_of(task) is not None:
        raise ExportError(
            f"{model.name} is a detector; a layers model of TensorFlow.js is for classifiers; export it to .tflite"
        )
    if options.preparation is not None:
        ready = with_preparation(ready, options.preparation, task)
    shape = check_exportable(ready, task)
    require_finite(ready)
    ready, task = as_task(ready, task)
    names = check_labels(labels, task.classes([tuple(one.shape) for one in ready.outputs]), not is_untrained(model))
    pictures = is_picture(shape)
    layers = _layers(lower(ready, batch=None), pictures=pictures)
    notes += _notes(shape) if pictures else []
    metadata = {**(_LIBRARY if pictures else {}), "modelName": model.name, "labels": names, "userMetadata": {}}
    if pictures:
        metadata |= {"imageSize": shape[0], "grayscale": shape[-1] == 1}
    return Prepared(ready, layers, metadata, HALF if pictures else None, notes)


def _notes(shape: tuple[int, ...]) -> list[str]:
    height, width, channels = shape
    if height != width:
        return [f"the pages of Teachable Machine and ml5 give square pictures, and this model takes {width}x{height}"]
    if (height, channels) != (ML5_SIZE, 3):
        colour = "" if channels == 3 else " gray"
        return [
            f"ml5 gives a model colour pictures of {ML5_SIZE}x{ML5_SIZE} only, and this one takes {width}x{height}"
            f"{colour} ones; Teachable Machine's own library takes any square"
        ]
    return []


def _layers(model: keras.Model, *, pictures: bool) -> Layers:
    """Writes the layers of a lowered model in their order."""
    layers = Layers(model.name)
    shape = tuple(model.inputs[0].shape)
    entry = layers.add("InputLayer", "input", {"batch_input_shape": list(shape)}, ())
    scaling = scaling_of(model) if pictures else None
    first = input_readers(model)[0]
    if scaling is not None:
        entry = layers.scaled("pixels", entry, HALF * scaling.scale, HALF * scaling.scale + scaling.offset, shape[-1])
    elif pictures:
        entry = layers.scaled("pixels", entry, HALF, HALF, shape[-1])
    made = {id(model.inputs[0]): entry}
    _walk(layers, model, made, skipped=first if scaling is not None else None)
    last = made[id(model.outputs[0])]
    if layers.done[-1].name != last:  # nothing follows the last one, so that it is the model's output
        raise layers.refused(last, "an output within the graph")
    return layers


def _walk(layers: Layers, model: keras.Model, made: dict[int, str], skipped: Any = None) -> None:
    """Writes the calls of a model's layers; `made` has the layer that makes each tensor, by the tensor's identity."""
    for node in calls_of(model):
        layer = node.operation
        if layer is skipped:
            made[id(node.outputs[0])] = made[id(node.input_tensors[0])]
            continue
        inputs = [made[id(one)] for one in node.input_tensors]
        if has_graph(layer):
            inner = {id(one): name for one, name in zip(layer.inputs, inputs, strict=True)}
            _walk(layers, layer, inner)
            made |= {id(out): inner[id(own)] for out, own in zip(node.outputs, layer.outputs, strict=True)}
            continue
        made[id(node.outputs[0])] = write(layers, layer, inputs, tuple(node.input_tensors[0].shape))


def _document(name: str, layers: Layers) -> dict[str, Any]:
    """Returns the contents of `model.json`."""
    written = []
    for one in layers.done:
        config = {"name": one.name, "trainable": False, "dtype": "float32", **one.config}
        if one.kind == "InputLayer":
            config = {"name": one.name, "dtype": "float32", "sparse": False, **one.config}
        elif "data_format" not in config and one.kind.endswith("2D"):
            config["data_format"] = "channels_last"
        for key in WEIGHTS.get(one.kind, ()):
            start = _ONES if key == "moving_variance" else _ZEROS
            config[f"{key.removesuffix('_kernel')}_initializer"] = start
        calls = [[[source, 0, 0, {}] for source in one.inputs]] if one.inputs else []
        written.append({"class_name": one.kind, "name": one.name, "config": config, "inbound_nodes": calls})
    first, last = layers.done[0].name, layers.done[-1].name
    top = {"name": name, "layers": written, "input_layers": [[first, 0, 0]], "output_layers": [[last, 0, 0]]}
    weights = [
        {"name": f"{one.name}/{key}", "shape": list(array.shape), "dtype": "float32"}
        for one in layers.done
        for key, array in one.arrays.items()
    ]
    return {
        "format": "layers-model",
        "generatedBy": "keras v2.15.0",
        "convertedBy": "edgezoo",
        "modelTopology": {
            "keras_version": "2.15.0",
            "backend": "tensorflow",
            "model_config": {"class_name": "Model", "config": top},
        },
        "weightsManifest": [{"paths": [BLOB], "weights": weights}],
    }
