"""The settings of TensorFlow's converter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.compress.ranges import Method
from zoo.export.options import Io, Quantize


@dataclass(frozen=True)
class Settings:
    """The settings of the converter."""

    quantize: Quantize = "none"
    io: Io = "float32"
    """The type of input and output."""
    dense_per_channel: bool = False
    input_io: Io | None = None
    """The type of the input, where it is another than the output's."""
    calibration_method: Method = "minmax"
    """How an int8 file's ranges of activations are chosen, see `zoo.compress.ranges`."""
    keep_float: Sequence[str] = ()
    """The Keras layers whose operations stay float in an int8 file."""
    per_tensor: bool = False
    """Whether all weights of an int8 file's layer share one scale."""
    learnt: bool = False
    """Whether the graph holds the ranges of an int8 file's activations, so that none are measured."""

    @property
    def input_type(self) -> Io:
        """The type of the input."""
        return self.input_io or self.io

    @property
    def by_steps(self) -> bool:
        """Whether a float file is made first and quantized then, see `zoo.export.tflite.quantizer`."""
        return self.quantize == "int8" and (self.calibration_method != "minmax" or bool(self.keep_float))
