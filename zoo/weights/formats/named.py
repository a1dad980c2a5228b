"""Describes the arrays of files of PyTorch and TensorFlow 1, which name the layer of each array and keep no order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]

Axes = tuple[int, ...] | None
Part = tuple[str, str, Axes]
"""The name of an array in Keras, the last part of its name in the file, and the order of its axes."""


@dataclass(frozen=True)
class Program:
    """How the files of a program name and arrange the arrays of a layer."""

    separator: str
    """The text between a layer's name and the last part of an array's."""
    kinds: Mapping[str, tuple[Part, ...]]
    """The arrays of each class of layers, in the order of Keras."""

    @property
    def parts(self) -> frozenset[str]:
        """The last parts of the names of all arrays that are weights."""
        return frozenset(part for parts in self.kinds.values() for _, part, _ in parts)


PYTORCH = Program(
    ".",
    {
        "conv2d": (("kernel", "weight", (2, 3, 1, 0)), ("bias", "bias", None)),
        "depthwise_conv2d": (("kernel", "weight", (2, 3, 0, 1)), ("bias", "bias", None)),
        "dense": (("kernel", "weight", (1, 0)), ("bias", "bias", None)),
        "batch_normalization": (
            ("gamma", "weight", None),
            ("beta", "bias", None),
            ("moving_mean", "running_mean", None),
            ("moving_variance", "running_var", None),
        ),
    },
)
TENSORFLOW_1 = Program(
    "/",
    {
        "conv2d": (("kernel", "kernel", None), ("bias", "bias", None)),
        "depthwise_conv2d": (("kernel", "depthwise_kernel", None), ("bias", "bias", None)),
        "dense": (("kernel", "kernel", None), ("bias", "bias", None)),
        "batch_normalization": tuple(
            (name, name, None) for name in ("gamma", "beta", "moving_mean", "moving_variance")
        ),
    },
)


@dataclass(frozen=True)
class Named:
    """The arrays of a file by the names that they have in it."""

    program: Program
    arrays: Mapping[str, Array]

    @property
    def layers(self) -> frozenset[str]:
        """The names of all layers in the file."""
        return frozenset(name.rpartition(self.program.separator)[0] for name in self.arrays)
