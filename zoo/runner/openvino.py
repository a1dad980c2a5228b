"""OpenVINO behind the interface of a TFLite interpreter. It reads `.tflite` files by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino

from zoo.runner import modelfile


class Interpreter:
    """A compiled model with the methods of a TFLite interpreter that the runner calls.

    It computes in float32 where the file says so: OpenVINO's own default on CPUs that have bfloat16 is faster, and its
    scores are off by some percent.
    """

    def __init__(self, model_path: str, num_threads: int, experimental_delegates: Any = None) -> None:
        """Reads and compiles a file; raises RuntimeError where OpenVINO cannot."""
        # OpenVINO names the tensors of its graph as the file does, but drops how they are quantized.
        graph = modelfile.read(Path(model_path)).main
        core = openvino.Core()
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": num_threads,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self._compiled = core.compile_model(core.read_model(model_path), "CPU", settings)
        self._request = self._compiled.create_infer_request()
        self._inputs = _details(graph, graph.inputs, self._compiled.inputs)
        self._outputs = _details(graph, graph.outputs, self._compiled.outputs)

    def allocate_tensors(self) -> None:
        """Nothing left to do: compiling has."""

    def get_input_details(self) -> list[dict[str, Any]]:
        """As a TFLite interpreter has them; `index` counts the inputs."""
        return self._inputs

    def get_output_details(self) -> list[dict[str, Any]]:
        """As a TFLite interpreter has them; `index` counts the outputs."""
        return self._outputs

    def set_tensor(self, index: int, values: npt.NDArray[Any]) -> None:
        """Copies values into an input."""
        self._request.get_input_tensor(index).data[:] = values

    def invoke(self) -> None:
        """Runs the model."""
        self._request.infer()

    def get_tensor(self, index: int) -> npt.NDArray[Any]:
        """A copy of an output."""
        return np.array(self._request.get_output_tensor(index).data)


def _details(graph: modelfile.Graph, indexes: tuple[int, ...], ports: list[Any]) -> list[dict[str, Any]]:
    details = []
    for n, (tensor, port) in enumerate(zip((graph.tensors[i] for i in indexes), ports, strict=True)):
        scale = float(tensor.scales[0]) if len(tensor.scales) else 0.0
        zero_point = int(tensor.zero_points[0]) if len(tensor.zero_points) else 0
        details.append(
            {
                "name": tensor.name,
                "index": n,
                "shape": np.array(tensor.shape),
                "dtype": port.get_element_type().to_dtype(),
                "quantization": (scale, zero_point),
            }
        )
    return details
