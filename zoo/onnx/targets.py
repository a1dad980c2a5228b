"""The targets that an `.onnx` file can be made for. Standard library only, because the help of commands needs it."""

from __future__ import annotations

from typing import Literal, get_args

OnnxTarget = Literal["tensorrt8", "tensorrt10", "onnxruntime"]
"""What an `.onnx` file is made for."""

ONNX_TARGETS: tuple[OnnxTarget, ...] = get_args(OnnxTarget)

TITLES: dict[OnnxTarget, str] = {
    "tensorrt8": "TensorRT 8.2",
    "tensorrt10": "TensorRT 10.3",
    "onnxruntime": "ONNX Runtime",
}
"""The names that messages give the targets; those of TensorRT are what JetPack 4.6 and JetPack 6 have."""
