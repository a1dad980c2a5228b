"""The quantization modes: what each does to a file, and whom it serves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from zoo.errors import ExportError
from zoo.tflite.targets import TARGETS, Target

Quantize = Literal["none", "float16", "dynamic", "int8", "int16x8"]
Io = Literal["uint8", "int8", "float32"]

MODES: tuple[Quantize, ...] = get_args(Quantize)
IOS: tuple[Io, ...] = get_args(Io)


CALIBRATION_SAMPLES = 200
"""Examples that ranges are measured on, where no other number is asked for."""


@dataclass(frozen=True)
class Mode:
    """One way to store and compute a model's numbers."""

    name: Quantize
    what: str
    """What is quantized, what it costs, and which boards gain."""
    calibrated: bool
    """Whether the ranges of activations are measured on example inputs."""
    integer: bool
    """Whether every operation computes with integers."""
    min_agreement: float
    """Least share of inputs on which a trained model's file must name the same best class as Keras."""
    max_shift: float = math.inf
    """Most that an output may differ on average, as a share of the outputs' mean size, where classes are not judged.

    Rounded weights shift the zoo's random models by less than 0.01; 8-bit activations shift deep ones at will.
    """

    def asked_agreement(self, *, trained: bool) -> float:
        """What `min_agreement` is by default: the mode's own; 0, so nothing, in approximate modes on random weights."""
        return self.min_agreement if trained or not self.approximate else 0.0

    @property
    def suffix(self) -> str:
        """What it adds to the names of files: `_int8`; nothing in plain float32."""
        return "" if self.name == "none" else f"_{self.name}"

    @property
    def approximate(self) -> bool:
        """Whether numbers are stored or computed in less than float32.

        The answers then differ a little from Keras', which is enough to exchange classes that nothing separates, as on
        random weights.
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
    """Looks a mode up.

    Raises:
        ExportError: there is none of this name; the message lists those there are.
    """
    for candidate in _MODES.values():
        if candidate.name == name:
            return candidate
    raise ExportError(f"unknown quantization {name!r}; give one of {', '.join(MODES)}")


@dataclass(frozen=True)
class Plan:
    """All that decides what a file looks like, checked."""

    mode: Mode
    target: Target | None
    """None: a file for LiteRT and tflite-runtime alike."""
    io: Io
    """Type of input and output."""
    batch: int
    logits: bool
    """Whether the softmax is left out."""

    @property
    def split_groups(self) -> bool:
        """Whether a grouped convolution becomes plain ones.

        The Edge TPU has none, and tflite-runtime's int8 and hybrid kernels are several times slower on it, while
        LiteRT runs both forms alike (`benchmarks/export_latency.py`). Float and int16x8 kernels do not care.
        """
        return self.target == "edgetpu" or (self.target != "litert" and self.mode.name in {"int8", "dynamic"})

    @property
    def dense_per_channel(self) -> bool:
        """Whether dense layers get one scale a channel.

        Slightly more accurate, but it raises FULLY_CONNECTED to version 12 in dynamic files, which
        tflite-runtime refuses, and older runtimes compute garbage from it in int8 ones. LiteRT alone is sure.
        """
        return self.target == "litert"


def plan(
    quantize: str, *, target: str | None = None, io: str | None = None, batch: int = 1, logits: bool = False
) -> Plan:
    """Checks a combination of choices.

    Raises:
        ExportError: one is unknown, or they do not go together.
    """
    chosen = mode(quantize)
    if target is not None and target not in TARGETS:
        raise ExportError(f"unknown target {target!r}; give one of {', '.join(TARGETS)}")
    if target == "edgetpu" and chosen.name != "int8":
        raise ExportError(f"the Edge TPU runs int8 files only, not {chosen.name!r}; give quantize='int8'")
    default_io: Io = "uint8" if chosen.name == "int8" else "float32"
    if io is not None and io not in IOS:
        raise ExportError(f"unknown input and output type {io!r}; give one of {', '.join(IOS)}")
    if io not in {None, "float32"} and chosen.name != "int8":
        raise ExportError(f"{chosen.name!r} files take float32, not {io}; only int8 files have a choice")
    if target == "edgetpu" and io == "float32":
        raise ExportError("the Edge TPU takes no float32 input; give io='uint8' or 'int8'")
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise ExportError(f"batch={batch!r} is not allowed; give 1 or more")
    if target == "edgetpu" and batch != 1:
        raise ExportError(f"the Edge TPU takes one picture at a time, not batch={batch}")
    return Plan(chosen, target, io or default_io, batch, logits)
