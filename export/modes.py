"""Defines the quantization modes: how each stores numbers, and how near to Keras' its answers have to be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from zoo.errors import ExportError

Quantize = Literal["none", "float16", "dynamic", "int8", "int16x8"]

MODES: tuple[Quantize, ...] = get_args(Quantize)


LEAST_OF_TASK: dict[str, dict[Quantize, float]] = {
    "detection": {"none": 0.95, "float16": 0.95, "dynamic": 0.80, "int16x8": 0.65, "int8": 0.50},
}
"""Least agreement of trained models, for tasks that count something else than best classes.

Detection counts objects: those above the threshold, found by both with boxes that overlap by 0.9 and scores that differ
by at most 0.05 (`zoo.tasks.objects.decoding.agreement`). Quantization moves the edges of boxes by some pixels. Of a
detector of Open Images 0.93 (dynamic), 0.82 (int16x8) and 0.81 (int8) were the same on 60 crops of photos, and no less
than 0.88, 0.73 and 0.69 on any of twelve random choices of 32; of one of a few classes 1.00, 0.99 and 0.95. Calibrated
on pictures of 0..1, or five times too dark, the latter has 0.00 and 0.15 in int8.
"""


@dataclass(frozen=True)
class Mode:
    """One way to store and compute a model's numbers."""

    name: Quantize
    what: str
    """A description: what is quantized, what it costs, and which boards profit."""
    calibrated: bool
    """Whether the ranges of activations are measured on example inputs."""
    integer: bool
    """Whether every operation computes with integers."""
    min_agreement: float
    """Least share of inputs on which a trained model's file must name the same best class as Keras."""
    max_shift: float = math.inf
    """Largest mean difference of outputs, as a share of their mean size, if classes are not judged.

    Rounded weights shift the zoo's random models by less than 0.01; 8-bit activations can shift deep ones by any
    amount.
    """

    def asked_agreement(self, *, trained: bool, task: str = "") -> float:
        """Returns the least agreement that is asked for by default; 0 in approximate modes with random weights.

        Args:
            trained: whether the model is trained.
            task: the name of its task, which may have shares of its own, see `LEAST_OF_TASK`.
        """
        least = LEAST_OF_TASK.get(task, {}).get(self.name, self.min_agreement)
        return least if trained or not self.approximate else 0.0

    @property
    def suffix(self) -> str:
        """The suffix of file names: `_int8`; empty for plain float32."""
        return "" if self.name == "none" else f"_{self.name}"

    @property
    def typed(self) -> bool:
        """Whether the type of the file's input and output can be chosen."""
        return self.name == "int8"

    @property
    def approximate(self) -> bool:
        """Whether numbers are stored or computed with less precision than float32.

        The outputs then differ a little from Keras', which is enough to exchange classes that nothing separates, as
        with random weights.
        """
        return self.name != "none"


_MODES = {
    mode.name: mode
    for mode in (
        Mode(
            "none",
            "Nothing: float32 weights and arithmetic. The reference; fast on any CPU with XNNPACK.",
            calibrated=False,
            integer=False,
            min_agreement=0.99,
        ),
        Mode(
            "float16",
            "Weights stored as float16, computed as float32 on CPUs. Half the size, no loss to speak of, no gain in "
            "speed on a CPU; GPU delegates gain. For boards short of storage.",
            calibrated=False,
            integer=False,
            min_agreement=0.98,
            max_shift=0.1,
        ),
        Mode(
            "dynamic",
            "Weights int8, activations quantized as they come. A quarter of the size, no pictures needed for "
            "calibration; gains where dense layers dominate (AlexNet, VGG-16) on any CPU.",
            calibrated=False,
            integer=False,
            min_agreement=0.90,
        ),
        Mode(
            "int8",
            "Weights int8 per channel, activations int8 with measured ranges, integers from end to end. A quarter of "
            "the size; fastest on ARM CPUs with LiteRT, and what an Edge TPU needs. Published loss on ImageNet for "
            "MobileNetV2: 72.78 to 72.39 top-1 (Model Garden).",
            calibrated=True,
            integer=True,
            min_agreement=0.85,
        ),
        Mode(
            "int16x8",
            "Weights int8, activations int16, integers from end to end but for the float32 input and output. Nearly "
            "the accuracy of float at a quarter of the size, slow: for models that int8 hurts.",
            calibrated=True,
            integer=True,
            min_agreement=0.95,
        ),
    )
}


def mode(name: str) -> Mode:
    """Looks up a mode.

    Raises:
        ExportError: no mode has this name; the message lists the modes.
    """
    for candidate in _MODES.values():
        if candidate.name == name:
            return candidate
    raise ExportError(f"unknown quantization {name!r}; give one of {', '.join(MODES)}")
