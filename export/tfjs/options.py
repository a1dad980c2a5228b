"""The options of an export that layers models of TensorFlow.js do not have. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
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


def require_own(options: Mapping[str, Any]) -> None:
    """Finds out whether options ask for what a layers model of TensorFlow.js cannot have.

    Raises:
        ExportError: one does; the message names it.
    """
    for name, usual in _USUAL.items():
        value = options.get(name, usual[0])
        if value not in usual:
            said = ",".join(value) if isinstance(value, tuple) else value
            option = _CALLED.get(name, name).replace("_", "-")
            raise ExportError(
                f"--{option} ({name}={said!s}) is for --export tflite or onnx; a layers model of "
                "TensorFlow.js (tfjs) has none; leave it out"
            )
