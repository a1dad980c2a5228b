"""The interpreters a `.tflite` file runs on: LiteRT, tflite-runtime, TensorFlow's own."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from zoo.errors import InputError, MissingDependencyError, ModelFileError

Array = npt.NDArray[Any]
Runtime = Literal["auto", "litert", "tflite-runtime", "tensorflow"]

RUNTIMES: dict[str, tuple[str, str]] = {
    # In order of preference: LiteRT's int8 kernels were measured 11 to 15 times faster on x86-64.
    "litert": ("ai_edge_litert.interpreter", "pip install ai-edge-litert"),
    "tflite-runtime": ("tflite_runtime.interpreter", "pip install 'edgezoo[tflite-runtime]'"),
    "tensorflow": ("tensorflow.lite.python.interpreter", "pip install 'edgezoo[tensorflow]'"),
}


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a file."""

    name: str
    shape: tuple[int, ...]
    """With the batch."""
    dtype: np.dtype[Any]
    scale: float
    """0.0 where the tensor is not quantized: real value = scale * (stored - zero_point)."""
    zero_point: int

    def dequantize(self, stored: Array) -> Array:
        """The real values of this tensor's stored ones, float32."""
        values = stored.astype(np.float32)
        return (values - self.zero_point) * np.float32(self.scale) if self.scale else values

    def store(self, values: Array, *, pixels: bool) -> Array:
        """What to put into this tensor for raw pixels 0..255, or for real values, in its own type.

        In a quantized input a pixel is its own stored value (less 128 in int8): the tensor's scale and zero point carry
        the model's scaling.
        """
        if not np.issubdtype(self.dtype, np.integer):
            return values.astype(self.dtype, copy=False)
        limits = np.iinfo(self.dtype)
        if pixels:
            stored = values.astype(np.int32, copy=False) + limits.min
        else:
            stored = np.round(values / self.scale).astype(np.int32) + self.zero_point
        return stored.clip(limits.min, limits.max).astype(self.dtype)


class Session:
    """A loaded file, ready to run: one input, one or more outputs. Not for use from two threads at once."""

    def __init__(self, interpreter: Any, runtime: str, path: Path) -> None:
        self.runtime = runtime
        self.path = path
        self._interpreter = interpreter
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        if len(inputs) != 1:
            raise ModelFileError(f"{path} has {len(inputs)} inputs; only models with one are supported")
        self.input = _tensor_info(inputs[0])
        self.outputs = tuple(_tensor_info(detail) for detail in outputs)
        self._input_index = inputs[0]["index"]
        self._output_indexes = [detail["index"] for detail in outputs]

    @property
    def output(self) -> TensorInfo:
        """The first output."""
        return self.outputs[0]

    def run(self, values: Array) -> Array:
        """Runs the model once.

        Args:
            values: of the input's shape, as stored values (uint8 in an int8 file, else float32); the batch
                axis may be left out where the batch is 1.

        Returns:
            The first output as it is stored, with its batch axis; `output.dequantize` makes it real.

        Raises:
            InputError: the shape does not fit.
        """
        if values.shape == self.input.shape[1:]:
            values = values[np.newaxis]
        if values.shape != self.input.shape:
            raise InputError(f"{self.path} takes input of shape {self.input.shape}, got {values.shape}")
        self._interpreter.set_tensor(self._input_index, values.astype(self.input.dtype, copy=False))
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output_indexes[0]))


def load(path: str | Path, *, runtime: Runtime = "auto", threads: int | None = None) -> Session:
    """Loads a `.tflite` file; it is memory-mapped, not read.

    Args:
        path: the file.
        runtime: `auto` takes the first that is installed of LiteRT, tflite-runtime, TensorFlow.
        threads: of the interpreter; by default the cores, at most 4.

    Raises:
        ModelFileError: the file is missing or no model, or this runtime cannot run it.
        MissingDependencyError: the runtime is not installed.
    """
    path = Path(path)
    _check_file(path)
    name, make = find(runtime)
    try:
        interpreter = make(model_path=str(path), num_threads=threads or default_threads())
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelFileError(f"{name} cannot load {path}: {reason}") from error
    return Session(interpreter, name, path)


def find(runtime: Runtime) -> tuple[str, Callable[..., Any]]:
    """The name and interpreter class of a runtime.

    Raises:
        MissingDependencyError: it is not installed; the message holds the pip line.
    """
    if runtime != "auto" and runtime not in RUNTIMES:
        raise InputError(f"unknown runtime {runtime!r}; give auto, {', '.join(RUNTIMES)}")
    for name in RUNTIMES if runtime == "auto" else (runtime,):
        module, pip_line = RUNTIMES[name]
        try:
            return name, importlib.import_module(module).Interpreter
        except ImportError as error:
            if runtime != "auto":
                raise MissingDependencyError(f"{name} is not installed ({error}): {pip_line}") from error
    raise MissingDependencyError(f"no TFLite runtime is installed: {RUNTIMES['litert'][1]}")


def default_threads() -> int:
    """The cores this process may use, at most 4: small models gain nothing from more."""
    return min(4, usable_cores())


def usable_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error
    if head[4:8] != b"TFL3":
        raise ModelFileError(f"{path} is not a .tflite file: it does not carry the mark 'TFL3'")


def _tensor_info(detail: dict[str, Any]) -> TensorInfo:
    scale, zero_point = detail["quantization"]
    return TensorInfo(
        name=detail["name"],
        shape=tuple(int(n) for n in detail["shape"]),
        dtype=np.dtype(detail["dtype"]),
        scale=float(scale),
        zero_point=int(zero_point),
    )
