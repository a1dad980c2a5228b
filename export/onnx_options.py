"""The options of `.onnx` files: which they have, and which are of `.tflite` files alone. Standard library only."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, get_args

from zoo.errors import ExportError
from zoo.onnx.targets import ONNX_TARGETS, OnnxTarget
from zoo.tflite.targets import TARGETS, Target

if TYPE_CHECKING:
    from zoo.export.options import ExportOptions

Format = Literal["tflite", "onnx"]
FILE_FORMATS: tuple[Format, ...] = get_args(Format)
"""The formats of files that are checked against Keras."""

Layout = Literal["nchw", "nhwc"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
"""Where the channels of an `.onnx` file's picture stand: before height and width, or behind them."""
LAYOUT: Layout = "nchw"
"""The layout if none is given: that of ONNX' own operations, of TensorRT and of `imagenet` on a Jetson."""

ONNX_MODES = ("none", "float16", "int8")
"""The quantization modes of `.onnx` files."""

AnyTarget = Target | OnnxTarget
ALL_TARGETS: tuple[AnyTarget, ...] = (*TARGETS, *ONNX_TARGETS)
"""The targets of all formats; each is of one of them."""

_USUAL: dict[str, Any] = {"keep_float": (), "calibration_method": "minmax"}
"""Options of int8 that only `.tflite` files have, with the value that leaves them out."""


def is_onnx_target(target: str | None) -> TypeGuard[OnnxTarget]:
    """Whether a target takes `.onnx` files."""
    return target in ONNX_TARGETS


def target_for(form: Format, formats: Collection[str], target: AnyTarget | None) -> AnyTarget | None:
    """Returns the target of the files of one format, where several formats are written for one target.

    A target counts for the format that it is of. Where that is not written, all keep it, and the options refuse it.
    """
    own: Format = "onnx" if is_onnx_target(target) else "tflite"
    return None if own != form and own in formats else target


def check(options: ExportOptions) -> None:
    """Finds out whether options fit the format of the file.

    Raises:
        ExportError: one is of the other format.
    """
    if options.format == "tflite":
        if options.layout is not None:
            raise ExportError(
                f"layout={options.layout!r} (--layout) is for .onnx files; a .tflite file has its channels last"
            )
        if is_onnx_target(options.target):
            raise ExportError(
                f"target {options.target!r} takes .onnx files, not .tflite; give --export onnx (to_onnx), or leave it "
                "out"
            )
        return
    if options.quantize not in ONNX_MODES:
        raise ExportError(f"{options.quantize!r} is for .tflite files; .onnx files have {', '.join(ONNX_MODES)}")
    if options.io not in {None, "float32"}:
        raise ExportError(
            f"io={options.io!r} (--io) is for .tflite files: an .onnx file takes float32 pixels 0..255 in every mode, "
            "because TensorRT takes no bytes; leave it out"
        )
    if options.target in TARGETS:
        raise ExportError(f"target {options.target!r} runs .tflite files, not .onnx; leave it out, or export tflite")
    for name, usual in _USUAL.items():
        value = getattr(options, name)
        if value != usual:
            raise ExportError(
                f"{name}={value!r} (--{name.replace('_', '-')}) is for .tflite files; leave it out for .onnx"
            )
