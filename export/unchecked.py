"""The options of an export that formats without a check and a card do not have. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.errors import ExportError
from zoo.export.options import CALIBRATION_SAMPLES

_USUAL: dict[str, tuple[Any, ...]] = {
    # option: the values with which it asks for nothing
    "quantize": ("none", ("none",), ()),
    "target": (None,),
    "io": (None,),
    "layout": (None,),
    "batch": (1,),
    "logits": (False,),
    "nms": ("runner",),
    "calibration": (None,),
    "calibration_method": ("minmax",),
    "keep_float": ((),),
    "per_tensor": (False,),
    "equalize": (False,),
    "min_agreement": (None,),
    "calibration_samples": (CALIBRATION_SAMPLES,),
    "preprocessing": (None,),
    "verify_file": (True,),
    "license": (None, ""),
}
_CALLED = {"preprocessing": "resize", "verify_file": "no_verify"}
"""What the command line calls options that have another name there."""


_OF_TFJS: dict[str, tuple[Any, ...]] = {"pixels": (None,), "input_range": (None,)}
"""Those that a layers model of TensorFlow.js has, and the other formats have not."""
_TITLES = {
    "tfjs": "a layers model of TensorFlow.js (tfjs)",
    "keras": "a .keras file",
    "savedmodel": "a SavedModel",
}


def require_own(formats: Sequence[str], options: Mapping[str, Any]) -> None:
    """Finds out whether options ask for what none of these formats has.

    Args:
        formats: some of `tfjs`, `keras` and `savedmodel`, at least one.
        options: fields of `ExportOptions` and arguments of an export; those that are missing ask for nothing.

    Raises:
        ExportError: one does; the message names it.
    """
    _refuse(_USUAL, "tflite or onnx", formats, options)
    if "tfjs" not in formats:
        _refuse(_OF_TFJS, "tflite, onnx or tfjs", formats, options)


def _refuse(
    usual: Mapping[str, tuple[Any, ...]], having: str, formats: Sequence[str], options: Mapping[str, Any]
) -> None:
    for name, values in usual.items():
        if options.get(name, values[0]) not in values:
            option = _CALLED.get(name, name).replace("_", "-")
            raise ExportError(
                f"--{option} ({name}) is for --export {having}; {_TITLES[formats[0]]} has none; leave it out"
            )
