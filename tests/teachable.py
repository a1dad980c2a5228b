"""Writes the files that Teachable Machine exports, as its converter does, from a small net that Keras 2 saved."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

STORED = Path(__file__).parent / "weights" / "keras2"
NAMES = {
    "sequential_2": "sequential_1",
    "backbone": "model1",
    "global_average_pooling2d": "global_average_pooling2d_GlobalAveragePooling2D1",
    "dense_1": "dense_Dense1",
    "dense_2": "dense_Dense2",
}
"""The names that layers have in those files, by their names in ours."""
CLASSES = ("Class 1", "Läuft", "2 cats")
LABELS = "0 Class 1\n1 Läuft\n2 2 cats\n"


def _renamed(text: str) -> str:
    for ours, theirs in NAMES.items():
        text = theirs.join(text.split(ours)) if ours != "global_average_pooling2d" else text
    return text


def write_keras(path: Path) -> Path:
    """Writes `keras_model.h5`."""
    import h5py

    with h5py.File(STORED / "teachable.h5") as source, h5py.File(path, "w") as target:
        config = source.attrs["model_config"]
        pooling = '"name": "global_average_pooling2d'
        assert pooling in config
        config = _renamed(config).replace(pooling, f'"name": "{NAMES["global_average_pooling2d"]}')
        target.attrs["model_config"] = config
        target.attrs["keras_version"] = "2.4.0"
        target.attrs["backend"] = "tensorflow"
        group = target.create_group("model_weights")
        stored = source["model_weights"]
        group.attrs["layer_names"] = [_renamed(name) for name in stored.attrs["layer_names"]]
        for name in stored.attrs["layer_names"]:
            layer = group.create_group(_renamed(name))
            layer.attrs["weight_names"] = [_renamed(one) for one in stored[name].attrs["weight_names"]]
            for one in stored[name].attrs["weight_names"]:
                layer[_renamed(one)] = stored[name][one][()]
    return path


def examples() -> tuple[Any, Any]:
    """Returns pixels 0..255, and the answers that the net gave in Keras 2 to them as -1..1."""
    with np.load(STORED / "teachable.npz") as stored:
        return ((stored["inputs"] + 1) * 127.5).astype(np.float32), stored["answers"]


def write(folder: Path) -> Path:
    """Writes all files that its page hands out for one model, and returns their folder."""
    import tensorflow as tf

    from zoo.weights import load_model

    model = load_model(write_keras(folder / "keras_model.h5"))
    (folder / "labels.txt").write_text(LABELS, encoding="utf-8")
    model.export(folder / "model.savedmodel", verbose=False)
    (folder / "model_unquant.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([np.full((1, 16, 16, 3), value, np.float32)] for value in (-1, 0, 1))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter's own, of what it measures next
        (folder / "model.tflite").write_bytes(converter.convert())
    return folder
