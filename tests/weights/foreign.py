"""Writes the weights of a model as other programs do: PyTorch to safetensors files, TensorFlow 1 to checkpoints."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Array = Any

TORCH_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def named_arrays(model: Any, names: Sequence[str]) -> Iterator[tuple[str, str, str, Array]]:
    """Yields the name of each layer there, its kind, the name of an array in Keras, and the array."""
    layers = [layer for layer in model.layers if layer.weights]
    for layer, name in zip(layers, names, strict=True):
        for weight in layer.weights:
            yield name, type(layer).__name__, weight.name, weight.numpy()


def torch_arrays(model: Any, names: Sequence[str]) -> dict[str, Array]:
    """Returns the arrays of a model as PyTorch arranges and names them, with its counters of batches."""
    arrays = {}
    for name, kind, own, array in named_arrays(model, names):
        if kind == "BatchNormalization":
            arrays[f"{name}.{TORCH_NORM[own]}"] = array
            arrays[f"{name}.num_batches_tracked"] = np.array(7)
        elif own == "bias":
            arrays[f"{name}.bias"] = array
        else:
            # From (height, width, in, out), and from (height, width, channels, 1), to (out, in, height, width).
            order = {"Conv2D": (3, 2, 0, 1), "DepthwiseConv2D": (2, 3, 0, 1), "Dense": (1, 0)}[kind]
            arrays[f"{name}.weight"] = np.ascontiguousarray(array.transpose(order))
    return arrays


def write_safetensors(path: Path, arrays: dict[str, Array]) -> Path:
    from safetensors.numpy import save_file

    save_file(arrays, path)
    return path


def tensorflow_arrays(model: Any, names: Sequence[str], *, averages: bool = True) -> dict[str, Array]:
    """Returns the variables of a training in TensorFlow 1: with averages, the variables themselves are other ones."""
    arrays: dict[str, Array] = {"global_step": np.array(109_498, np.int64)}
    for name, kind, own, array in named_arrays(model, names):
        variable = f"{name}/{'depthwise_kernel' if kind == 'DepthwiseConv2D' else own}"
        if averages:
            arrays[f"{variable}/ExponentialMovingAverage"] = array
        arrays[variable] = array + 1 if averages else array
        if not own.startswith("moving"):
            arrays[f"{variable}/RMSProp"] = np.ones_like(array)
    return arrays


def write_checkpoint(folder: Path, arrays: dict[str, Array]) -> Path:
    """Writes the two files of a checkpoint, `model.ckpt.*`, and returns their prefix."""
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    prefix = folder / "model.ckpt"
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(arrays),
        shape_and_slices=[""] * len(arrays),
        tensors=list(arrays.values()),
    )
    return prefix


def write_archive(path: Path, arrays: dict[str, Array]) -> Path:
    """Writes a checkpoint to an archive as Google publishes them: in a folder, beside other files."""
    folder = path.with_suffix(".d") / "net"
    write_checkpoint(folder, arrays)
    (folder / "checkpoint").write_text('model_checkpoint_path: "model.ckpt"\n')
    (folder / "net-fp32.tflite").write_bytes(b"not looked at")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, "net")
    return path
