"""Loads a `.tflite` file into an interpreter, and runs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.errors import InputError, ModelFileError, in_one_line
from zoo.runner import memory
from zoo.runner.delegates import is_edgetpu, load_delegate
from zoo.runner.runtimes import Runtime, default_threads, find, require_threads
from zoo.runner.sandbox import require_sound

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a file."""

    name: str
    shape: tuple[int, ...]
    """Shape with the batch axis."""
    dtype: np.dtype[Any]
    scale: float
    """Scale of the quantization, real value = scale * (stored - zero_point); 0.0 if the tensor is not quantized."""
    zero_point: int

    def dequantize(self, stored: Array) -> Array:
        """Returns the real values, float32, of stored ones."""
        values = stored.astype(np.float32)
        return (values - self.zero_point) * np.float32(self.scale) if self.scale else values

    def store(self, values: Array, *, pixels: bool) -> Array:
        """Returns raw pixels 0..255, or real values, as this tensor stores them, in its own type.

        A quantized input stores a pixel as it is (minus 128 in int8): the tensor's scale and zero point contain the
        model's scaling.
        """
        if not np.issubdtype(self.dtype, np.integer):
            return values.astype(self.dtype, copy=False)
        limits = np.iinfo(self.dtype)
        if pixels and self.dtype.itemsize == 1:
            stored = values.astype(np.int32, copy=False) + limits.min
        else:
            stored = np.round(values / self.scale).astype(np.int32) + self.zero_point
        return stored.clip(limits.min, limits.max).astype(self.dtype)


class Session:
    """A loaded file, ready to run, with one input and one or more outputs. Only one thread may use it at a time."""

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

    def run(self, values: Array) -> tuple[Array, ...]:
        """Runs the model once.

        Args:
            values: stored values of the input's shape (uint8 in an int8 file, else float32); the batch axis may be
                left out if the batch is 1.

        Returns:
            The stored outputs, each with its batch axis; `TensorInfo.dequantize` computes the real values.

        Raises:
            InputError: the values have another shape.
            ModelFileError: the runtime fails to run the file.
        """
        if values.shape == self.input.shape[1:]:
            values = values[np.newaxis]
        if values.shape != self.input.shape:
            raise InputError(f"{self.path} takes input of shape {self.input.shape}, got {values.shape}")
        self._interpreter.set_tensor(self._input_index, values.astype(self.input.dtype, copy=False))
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise ModelFileError(f"{self.runtime} cannot run {self.path}: {in_one_line(error)}") from error
        return tuple(np.asarray(self._interpreter.get_tensor(index)) for index in self._output_indexes)


def load(
    path: str | Path,
    *,
    runtime: Runtime = "auto",
    threads: int | None = None,
    delegate: str | None = None,
    trusted: bool = False,
) -> Session:
    """Loads a `.tflite` file by mapping it into memory.

    The structure of the file is checked first. A file that was not made on this machine, or was changed since, is also
    run once in a separate process, which takes about a quarter of a second, because an interpreter can crash on faults
    that no check finds.

    Args:
        path: the file.
        runtime: the runtime; `auto` takes the first installed one of LiteRT, tflite-runtime and TensorFlow.
        threads: the number of CPU threads, 1 to 256; by default the number of physical cores, at most 4.
        delegate: `edgetpu`, `edgetpu:DEVICE` (`usb`, `usb:0`, `pci:1`...), or the path of a TFLite delegate's library.
        trusted: whether to skip all these checks.

    Raises:
        ModelFileError: the file is missing, no model, damaged, too large for this container's memory, or this runtime
            cannot run it.
        InputError: there is no such runtime or delegate, or the number of threads is out of range.
        MissingDependencyError: the runtime or the delegate's library is not installed, or its device is not connected.
    """
    path = Path(path)
    threads = default_threads() if threads is None else threads
    require_threads(threads)
    name, make = find(runtime)
    try:
        if not trusted:
            memory.require(path)
            require_sound(path, name, delegate)
        options = {"experimental_delegates": [load_delegate(delegate, name)]} if delegate else {}
        interpreter = make(model_path=str(path), num_threads=threads, **options)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = in_one_line(error) or type(error).__name__
        if "edgetpu-custom-op" in reason and not (delegate and is_edgetpu(delegate)):
            raise ModelFileError(f"{path} was compiled for an Edge TPU: give --delegate edgetpu") from error
        raise ModelFileError(f"{name} cannot load {path}: {reason}") from error
    return Session(interpreter, name, path)


def _tensor_info(detail: dict[str, Any]) -> TensorInfo:
    scale, zero_point = detail["quantization"]
    return TensorInfo(
        name=detail["name"],
        shape=tuple(int(n) for n in detail["shape"]),
        dtype=np.dtype(detail["dtype"]),
        scale=float(scale),
        zero_point=int(zero_point),
    )
