"""What a file can be made for. Standard library only, for the help of commands."""

from __future__ import annotations

from typing import Literal, get_args

Target = Literal["litert", "tflite-runtime", "edgetpu"]
"""A runtime or device that a file is made for."""

TARGETS: tuple[Target, ...] = get_args(Target)
