"""The options of `.onnx` files: which they have, and which are of `.tflite` files alone. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from zoo.errors import ExportError
from zoo.onnx.targets import ONNX_TARGETS, TITLES
from zoo.tflite.targets import TARGETS

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

EVERY_TARGET = (*TARGETS, *ONNX_TARGETS)
"""The targets of both formats."""

_USUAL: dict[str, Any] = {"keep_float": (), "calibration_method": "minmax"}
"""Options of int8 that only `.tflite` files have, with the value that leaves them out."""


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
        if options.target in ONNX_TARGETS:
            raise ExportError(
                f"target {options.target!r} takes .onnx files, not .tflite; give --export onnx, or one of "
                f"{', '.join(TARGETS)}"
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
        raise ExportError(
            f"target {options.target!r} takes .tflite files, not .onnx; give one of {', '.join(ONNX_TARGETS)}"
        )
    if options.nms == "file" and options.target in {"tensorrt8", "tensorrt10"}:
        raise ExportError(
            f"nms='file' is for ONNX Runtime: {TITLES[options.target]} fills what NonMaxSuppression finds up with rows "
            "that mean nothing; leave it out (--nms runner)"
        )
    for name, usual in _USUAL.items():
        value = getattr(options, name)
        if value != usual:
            raise ExportError(
                f"{name}={value!r} (--{name.replace('_', '-')}) is for .tflite files; leave it out for .onnx"
            )


def of_format(form: Format, formats: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options of one of several formats that are exported together, without those of the other alone.

    Args:
        form: the format.
        formats: all that are asked for; a single one gets all options, and refuses what it does not have.
        options: fields of `ExportOptions`.
    """
    if not set(FILE_FORMATS) <= set(formats):
        return dict(options)
    target = options.get("target")
    others, own = (ONNX_TARGETS, {"layout": None}) if form == "tflite" else (TARGETS, {"io": None})
    return {**options, **{name: value for name, value in own.items() if name in options}} | (
        {"target": None} if target in others else {}
    )
