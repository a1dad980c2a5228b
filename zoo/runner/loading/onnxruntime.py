"""Adapts ONNX Runtime, which runs `.onnx` files, to the interface of a TFLite interpreter."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.runner.loading import providers
from zoo.system.quiet import quiet, quiet_onnxruntime

quiet_onnxruntime()
import onnxruntime  # noqa: E402

PROFILER_WARMUP = 5
SILENT = 4
"""The level of ONNX Runtime's log at which only its end is told; errors are exceptions as well."""
_TYPES = {
    "float": "float32", "double": "float64", "float16": "float16", "int8": "int8", "uint8": "uint8", "int16": "int16",
    "uint16": "uint16", "int32": "int32", "uint32": "uint32", "int64": "int64", "uint64": "uint64", "bool": "bool",
    "string": "S",
}  # fmt: skip


class Interpreter:
    """A session with the methods of a TFLite interpreter that the runner calls."""

    def __init__(self, model_path: str, num_threads: int, provider: str | None = None) -> None:
        """Loads a file.

        Args:
            model_path: the file.
            num_threads: the number of CPU threads.
            provider: what runs it, see `zoo.runner.loading.providers`; None for the CPU.

        Raises:
            RuntimeError: ONNX Runtime cannot load the file.
            ZooError: see `zoo.runner.loading.providers`.
        """
        self._session = _session(model_path, _options(num_threads), provider)
        self._inputs = [_detail(one, place) for place, one in enumerate(self._session.get_inputs())]
        self._names = [one.name for one in self._session.get_inputs()]
        self._values: dict[str, npt.NDArray[Any]] = {}
        self._found: list[npt.NDArray[Any]] = []
        self._outputs = [_detail(one, place) for place, one in enumerate(self._session.get_outputs())]
        if any((detail["shape_signature"][self._open_batch() :] < 0).any() for detail in self._outputs):
            self._measure()

    def allocate_tensors(self) -> None:
        """Does nothing, because loading has allocated the tensors."""

    def get_input_details(self) -> list[dict[str, Any]]:
        """Returns the inputs in the form of a TFLite interpreter; `index` counts the inputs."""
        return self._inputs

    def get_output_details(self) -> list[dict[str, Any]]:
        """Returns the outputs in the form of a TFLite interpreter; `index` counts the outputs."""
        return self._outputs

    def set_tensor(self, index: int, values: npt.NDArray[Any]) -> None:
        """Sets an input; the values are read when the model runs."""
        self._values[self._names[index]] = values

    def invoke(self) -> None:
        """Runs the model; raises RuntimeError if that fails."""
        try:
            self._found = self._session.run(None, self._values)
        except Exception as error:  # its classes have no common base
            raise RuntimeError(str(error)) from error

    def get_tensor(self, index: int) -> npt.NDArray[Any]:
        """Returns an output."""
        return self._found[index]

    def _open_batch(self) -> int:
        """Returns 1 if the batch of the inputs is open, and so that of the outputs; else 0."""
        return int(any((detail["shape_signature"][:1] < 0).any() for detail in self._inputs))

    def _measure(self) -> None:
        """Finds shapes of outputs that the file leaves open by a run on zeros, if its one input has a fixed size."""
        if len(self._inputs) != 1 or (self._inputs[0]["shape_signature"][1:] < 0).any():
            return
        entry = self._inputs[0]
        self.set_tensor(0, np.zeros(entry["shape"], entry["dtype"]))
        self.invoke()
        for detail, found in zip(self._outputs, self._found, strict=True):
            detail["shape"] = np.array(np.shape(found), np.int64)


class Profiler:
    """Times the operations of a file; see `zoo.benchmark.profile`."""

    def __init__(self, path: Path, threads: int, provider: str | None = None) -> None:
        """Loads the file with ONNX Runtime's profiler switched on."""
        self._folder = tempfile.TemporaryDirectory(prefix="zoo-profile-")
        options = _options(threads)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(self._folder.name) / "ops")
        self._session = _session(str(path), options, provider)

    def __call__(self, values: npt.NDArray[Any], runs: int) -> list[tuple[str, str, float]]:
        """Returns name, type and mean time of each operation that ran, in whole microseconds.

        ONNX Runtime's graph differs from the file's: operations are fused, and converted between layouts.
        """
        name = self._session.get_inputs()[0].name
        for _ in range(PROFILER_WARMUP + runs):
            self._session.run(None, {name: values})
        with self._folder:
            events = json.loads(Path(self._session.end_profiling()).read_text(encoding="utf-8"))
        times: dict[tuple[str, str], list[float]] = {}
        for event in events:
            called = str(event.get("name", ""))
            if event.get("cat") == "Node" and called.endswith("_kernel_time"):
                key = (called.removesuffix("_kernel_time"), str(event["args"]["op_name"]))
                times.setdefault(key, []).append(float(event["dur"]))
        return [(*key, sum(found[-runs:]) / len(found[-runs:])) for key, found in times.items()]


def providers_here() -> list[str]:
    """Returns the short names of the providers that the installed build has, best first."""
    return list(providers.available(onnxruntime))


def _options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = SILENT
    # Its threads wait busily for a while; when a run has ended they are to leave the cores to what follows.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _session(path: str, options: Any, provider: str | None) -> Any:
    """Loads a file; raises RuntimeError if ONNX Runtime cannot do that, and `ZooError` for the provider."""
    wanted = providers.chosen(onnxruntime, provider)
    if provider is None or provider.lower() == providers.CPU:
        return _loaded(path, options, wanted)
    try:
        with quiet() as printed:
            session = _loaded(path, options, wanted)
            providers.require_used(session, provider, printed())
    except RuntimeError as error:
        _loaded(path, options, wanted[-1:])  # if the CPU cannot load the file either, that is the error
        raise providers.not_started(provider, str(error)) from error
    return session


def _loaded(path: str, options: Any, wanted: list[str]) -> Any:
    try:
        # Its own fallback to the CPU prints, and hides why another provider fails.
        return onnxruntime.InferenceSession(path, options, providers=wanted, enable_fallback=0)
    except Exception as error:  # its classes have no common base
        raise RuntimeError(_reason(error)) from error


def _reason(error: Exception) -> str:
    """Returns ONNX Runtime's message without the number of its error and the name of the file."""
    text = str(error)
    parts = text.split(" : ", 3)
    return parts[-1] if text.startswith("[ONNXRuntimeError]") and len(parts) == 4 else text


def _detail(one: Any, place: int) -> dict[str, Any]:
    kind = one.type.removeprefix("tensor(").removesuffix(")")
    if not one.type.startswith("tensor(") or kind not in _TYPES:
        raise RuntimeError(f"{one.name!r} is of type {one.type}, and no tensor that Python can hold")
    sizes = [size if isinstance(size, int) and size >= 0 else -1 for size in one.shape]
    return {
        "name": one.name,
        "index": place,
        "shape": np.array([1 if size < 0 else size for size in sizes], np.int64),
        "shape_signature": np.array(sizes, np.int64),
        "dtype": np.dtype(_TYPES[kind]),
        "quantization": (0.0, 0),
    }
