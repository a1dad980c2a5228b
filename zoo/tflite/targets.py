"""The targets that a file can be made for. Standard library only, because the help of commands needs it."""

from __future__ import annotations

from typing import Literal, get_args

Target = Literal["litert", "tflite-runtime", "edgetpu"]
"""A runtime or device that a file is made for."""

TARGETS: tuple[Target, ...] = get_args(Target)
