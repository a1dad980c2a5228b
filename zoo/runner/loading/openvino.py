"""Adapts OpenVINO, which reads `.tflite` files itself, to the interface of a TFLite interpreter."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino

from zoo.tflite import modelfile

PROFILER_WARMUP = 5


class Interpreter:
    """A compiled model with the methods of a TFLite interpreter that the runner calls.

    It computes float32 files in float32. On CPUs with bfloat16, OpenVINO's own default is faster, but changes the
    scores by some percent.
    """

    def __init__(self, model_path: str, num_threads: int, experimental_delegates: Any = None) -> None:
        """Reads and compiles a file; raises RuntimeError if OpenVINO cannot do that."""
        # OpenVINO keeps the names of the file's tensors, but not their quantization.
        graph = modelfile.read(Path(model_path)).main
        self._compiled = _compile(model_path, num_threads)
        self._request = self._compiled.create_infer_request()
        self._inputs = _details(graph, graph.inputs, self._compiled.inputs)
        self._outputs = _details(graph, graph.outputs, self._compiled.outputs)

    def allocate_tensors(self) -> None:
        """Does nothing, because compiling has allocated the tensors."""

    def get_input_details(self) -> list[dict[str, Any]]:
        """Returns the inputs in the form of a TFLite interpreter; `index` counts the inputs."""
        return self._inputs

    def get_output_details(self) -> list[dict[str, Any]]:
        """Returns the outputs in the form of a TFLite interpreter; `index` counts the outputs."""
        return self._outputs

    def set_tensor(self, index: int, values: npt.NDArray[Any]) -> None:
        """Copies values into an input."""
        self._request.get_input_tensor(index).data[:] = values

    def invoke(self) -> None:
        """Runs the model."""
        self._request.infer()

    def get_tensor(self, index: int) -> npt.NDArray[Any]:
        """Returns a copy of an output."""
        return np.array(self._request.get_output_tensor(index).data)


class Profiler:
    """Times the operations of a file; see `zoo.benchmark.profile`."""

    def __init__(self, path: Path, threads: int) -> None:
        """Compiles the file with OpenVINO's counters switched on."""
        self._request = _compile(str(path), threads, PERF_COUNT=True).create_infer_request()
        self._runs = 0

    def __call__(self, values: npt.NDArray[Any], runs: int) -> list[tuple[str, str, float]]:
        """Returns name, type and mean time of each operation that ran, in whole microseconds.

        OpenVINO's graph differs from the file's: operations are fused and have other types.
        """
        self._request.get_input_tensor(0).data[:] = values
        before = self._totals(PROFILER_WARMUP)
        after = self._totals(runs)
        means = [(end - start) / runs for start, end in zip(before, after, strict=True)]
        ops = zip(self._request.profiling_info, means, strict=True)
        return [(info.node_name, info.node_type, mean) for info, mean in ops if mean > 0]

    def _totals(self, runs: int) -> list[float]:
        """Runs the model some more times, and returns the total microseconds of each operation so far."""
        for _ in range(runs):
            self._request.infer()
        self._runs += runs
        # OpenVINO shows the mean of all runs since the file was loaded, including the slow first one.
        return [info.real_time.total_seconds() * 1e6 * self._runs for info in self._request.profiling_info]


@functools.cache
def _core() -> Any:
    """Returns the one runtime of this process, which is never unloaded.

    Its CPU plugin gives the main thread a stack for signal handlers, and frees that when it is unloaded while the
    system still uses it: the next signal, such as that of Ctrl-C, would then be a crash.
    """
    return openvino.Core()


def _compile(path: str, threads: int, **more: Any) -> Any:
    core = _core()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        **more,
    }
    return core.compile_model(core.read_model(path), "CPU", settings)


def _details(graph: modelfile.Graph, indexes: tuple[int, ...], ports: list[Any]) -> list[dict[str, Any]]:
    details = []
    if len(ports) != len(indexes):
        names = ", ".join(repr(graph.tensors[i].name) for i in indexes)
        raise RuntimeError(f"it keeps one of several ends with the same name, and the file has {names}")
    for n, (tensor, port) in enumerate(zip((graph.tensors[i] for i in indexes), ports, strict=True)):
        scale = float(tensor.scales[0]) if len(tensor.scales) else 0.0
        zero_point = int(tensor.zero_points[0]) if len(tensor.zero_points) else 0
        details.append(
            {
                "name": tensor.name,
                "index": n,
                "shape": np.array(tensor.shape),
                "shape_signature": np.array([-1 if n.is_dynamic else n.get_length() for n in port.get_partial_shape()]),
                "dtype": port.get_element_type().to_dtype(),
                "quantization": (scale, zero_point),
            }
        )
    return details
