"""Loads a `.tflite` or `.onnx` file into an interpreter, and runs it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo import bounds
from zoo.errors import InputError, ModelFileError, in_one_line
from zoo.runner import formats
from zoo.runner.loading import delegates, memory
from zoo.runner.loading.runtimes import Interpreter, Runtime, default_threads, find, require_threads
from zoo.runner.loading.sandbox import COMPILED, require_sound
from zoo.tflite.modelfile import ModelFile

Array = np.ndarray[Any, np.dtype[Any]]


class TensorInfo(NamedTuple):
    """An input or output of a file."""

    name: str
    """Name in the file."""
    shape: tuple[int, ...]
    """Shape with the batch axis."""
    dtype: np.dtype[Any]
    """Type of the stored values."""
    scale: float
    """Scale of the quantization, real value = scale * (stored - zero_point); 0.0 if the tensor is not quantized."""
    zero_point: int
    """The stored value of the real 0."""

    def dequantize(self, stored: Array) -> Array:
        """Returns the real values, float32, of stored ones."""
        values = stored.astype(np.float32)
        return (values - self.zero_point) * np.float32(self.scale) if self.scale else values

    def store(self, values: Array, *, pixels: bool) -> Array:
        """Returns raw pixels 0..255, or real values, as this tensor stores them, in its own type.

        A quantized input of one byte stores a pixel as it is (minus 128 in int8): the tensor's scale and zero point
        contain the model's scaling. An integer input without a scale stores whole numbers as they are.

        Raises:
            InputError: the input is not quantized, and a value is no whole number or does not fit its type.
        """
        if not np.issubdtype(self.dtype, np.integer):
            return values.astype(self.dtype, copy=False)
        limits = np.iinfo(self.dtype)
        if not self.scale:
            return self._whole(values, int(limits.min), int(limits.max))
        if pixels and self.dtype.itemsize == 1:
            stored: Array = values.astype(np.int32, copy=False) + limits.min
        else:
            stored = np.round(values / self.scale).clip(-(2**31), 2**31 - 1).astype(np.int64) + self.zero_point
        return stored.clip(limits.min, limits.max).astype(self.dtype)

    def _whole(self, values: Array, least: int, most: int) -> Array:
        stored = np.rint(values) if values.dtype.kind == "f" else values
        wrong = (stored != values) | (stored < least) | (stored > most)
        if wrong.any():
            raise InputError(
                f"input {self.name!r} is {self.dtype.name} and takes whole numbers {least}..{most}, got "
                f"{values[wrong][0]:g}"
            )
        return stored.astype(self.dtype)


class Session:
    """A loaded file, ready to run, with one input and one or more outputs. Only one thread may use it at a time."""

    def __init__(self, interpreter: Interpreter, runtime: str, path: Path, file: ModelFile | None = None) -> None:
        """Takes an interpreter with its tensors allocated; `file` is what was read of the file, if it was read before.

        Raises:
            ModelFileError: the file has several inputs, an input of an open size, or a damaged quantization or name.
        """
        self.runtime = runtime
        self.path = path
        self._file = file
        self._has_shapes = False
        self._interpreter = interpreter
        try:
            inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        except UnicodeDecodeError as error:
            raise ModelFileError(f"{path} is damaged: the name of an input or output is not UTF-8 text") from error
        if len(inputs) != 1:
            raise ModelFileError(f"{path} has {len(inputs)} inputs; only models with one are supported")
        _require_fixed_size(path, inputs[0])
        self.input = _tensor_info(path, inputs[0])
        self.outputs = tuple(_tensor_info(path, detail) for detail in outputs)
        self._input_index = inputs[0]["index"]
        self._output_indexes = [detail["index"] for detail in outputs]

    @property
    def file(self) -> ModelFile:
        """The structure of the file: its operations, tensors and metadata."""
        if self._file is None:
            self._file = formats.read(self.path)
        if not self._has_shapes:
            shapes = [self.input.shape], [output.shape for output in self.outputs]
            self._file, self._has_shapes = formats.with_shapes(self._file, *shapes), True
        return self._file

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
        found = tuple(np.asarray(self._interpreter.get_tensor(index)) for index in self._output_indexes)
        for info, values in zip(self.outputs, found, strict=True):
            if values.shape != info.shape:
                raise ModelFileError(
                    f"{self.path} gives an output of shape {values.shape}, where it says {info.shape}; convert the "
                    "model anew with fixed sizes"
                )
        return found


def load(
    path: str | Path,
    *,
    runtime: Runtime = "auto",
    threads: int | None = None,
    delegate: str | None = None,
    provider: str | None = None,
    trusted: bool = False,
) -> Session:
    """Loads a `.tflite` file by mapping it into memory, or an `.onnx` file.

    The structure of the file is checked first. A file that was not made on this machine, or was changed since, is also
    run once in a separate process, which takes about a quarter of a second, because an interpreter can crash on faults
    that no check finds.

    Args:
        path: the file.
        runtime: the runtime; `auto` takes the first installed one of LiteRT, tflite-runtime and TensorFlow, and for an
            `.onnx` file ONNX Runtime.
        threads: the number of CPU threads, 1 to 256; by default the number of physical cores, at most 4.
        delegate: `edgetpu`, `edgetpu:DEVICE` (`usb`, `usb:0`, `pci:1`...), or the path of a TFLite delegate's library.
        provider: what runs an `.onnx` file, such as `cuda`, see `zoo.runner.loading.providers`; by default the CPU.
        trusted: whether to skip all these checks.

    Raises:
        ModelFileError: the file is missing, no model, damaged, too large for this container's memory, or this runtime
            cannot run it.
        InputError: there is no such runtime, delegate or provider, it does not run files of this format, the number of
            threads is out of range, or the file's name is not UTF-8.
        MissingDependencyError: the runtime, the delegate's library or the provider is not installed, or its device is
            not connected.
    """
    path = Path(path)
    threads = default_threads() if threads is None else threads
    require_threads(threads)
    bounds.flag("trusted", trusted)
    for option, value in (("delegate", delegate), ("provider", provider)):
        if value is not None:
            bounds.text(option, value)
    name, make = find(runtime, formats.form_of(path))
    _require_name(path)
    file = None
    try:
        if not trusted:
            memory.require(path)
            file = require_sound(path, name, delegate, provider)
        options = delegates.options(name, delegate, provider)
        interpreter = make(model_path=str(path), num_threads=threads, **options)
        delegates.hold(interpreter, options)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = in_one_line(error) or type(error).__name__
        if COMPILED in reason and not (delegate and delegates.is_edgetpu(delegate)):
            raise ModelFileError(f"{path} was compiled for an Edge TPU: give --delegate edgetpu") from error
        raise ModelFileError(f"{name} cannot load {path}: {reason}") from error
    return Session(interpreter, name, path, file)


def _require_name(path: Path) -> None:
    """Refuses a path that the runtimes, which take text, cannot be given.

    Raises:
        InputError: it holds bytes that are no UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"no runtime opens {path}, whose name is not UTF-8; rename it") from error


def _require_fixed_size(path: Path, detail: dict[str, Any]) -> None:
    """Refuses an input whose size is open: its shape says 1 where the size is not known. An open batch is a batch of 1.

    Raises:
        ModelFileError: an axis other than the batch is open.
    """
    shape = tuple(int(n) for n in detail["shape"])
    signature = tuple(int(n) for n in detail.get("shape_signature", shape))
    if any(n < 0 for n in signature[1:]) or 0 in shape:
        sizes = ", ".join("?" if n < 0 else str(n) for n in (signature if len(signature) == len(shape) else shape))
        raise ModelFileError(
            f"{path} takes an input of the open size ({sizes}); convert the model anew with a fixed size, in Keras "
            "keras.Input((224, 224, 3))"
        )


def _tensor_info(path: Path, detail: dict[str, Any]) -> TensorInfo:
    name, (scale, zero_point) = detail["name"], detail["quantization"]
    if len(detail.get("quantization_parameters", {}).get("scales", ())) > 1:
        raise ModelFileError(f"{path}: tensor {name!r} has several scales; only one for the whole tensor is supported")
    if not (math.isfinite(scale) and scale >= 0):
        raise ModelFileError(f"{path} is damaged: tensor {name!r} has the scale {scale:g}")
    return TensorInfo(
        name=name,
        shape=tuple(int(n) for n in detail["shape"]),
        dtype=np.dtype(detail["dtype"]),
        scale=float(scale),
        zero_point=int(zero_point),
    )
