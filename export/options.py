"""Defines the quantization modes, and all options of an export as one checked value."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal, get_args

from zoo.errors import ExportError, OptionError, closest
from zoo.inputs.preprocessing import Preprocessing, is_input_range
from zoo.specs import check_seed
from zoo.tflite.targets import TARGETS, Target

Quantize = Literal["none", "float16", "dynamic", "int8", "int16x8"]
Io = Literal["uint8", "int8", "float32"]

MODES: tuple[Quantize, ...] = get_args(Quantize)
IOS: tuple[Io, ...] = get_args(Io)


CALIBRATION_SAMPLES = 200
"""Default number of examples on which ranges are measured."""


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

    def asked_agreement(self, *, trained: bool) -> float:
        """Returns the default of `min_agreement`; it is 0 in approximate modes with random weights."""
        return self.min_agreement if trained or not self.approximate else 0.0

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


@dataclass(frozen=True)
class ExportOptions:
    """All options of an export; every instance has been checked.

    Raises:
        ExportError: a value is not allowed, or two values do not fit together.
        OptionError: the seed is out of range.
    """

    quantize: Quantize = "none"
    """The name of the mode, see `mode`."""
    target: Target | None = None
    """The board that the file is for; None for a file that loads on both LiteRT and tflite-runtime."""
    io: Io | None = None
    """The type of an int8 file's input and output; None means uint8. Other modes always have float32."""
    batch: int = 1
    """The batch size, which is fixed in the file."""
    logits: bool = False
    """Whether the final softmax is left out."""
    calibration_samples: int = CALIBRATION_SAMPLES
    """The largest number of examples on which ranges are measured, with the same number from each class."""
    seed: int = 0
    """The seed of the choice of these examples."""
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    """The resize policy that calibration uses and the runner will use."""
    input_range: tuple[float, float] | None = None
    """What a model takes that does not scale its pixels itself, e.g. `(-1, 1)`; the file gets the scaling, too."""
    input_size: tuple[int, ...] | None = None
    """The sizes of the axes that a model leaves open, such as height and width; a single one counts for all."""
    min_agreement: float | None = None
    """The least share of inputs, 0..1, on which file and model must agree; for None see `asked_agreement`."""
    verify_file: bool = True
    """Whether the file is compared with the model; if it is not, the card says so."""

    def __post_init__(self) -> None:
        check_seed(self.seed)
        _check_word("target", self.target, TARGETS)
        _check_word("input and output type", self.io, IOS)
        self._check_numbers()
        self._check_together()

    def change(self, **changes: Any) -> ExportOptions:
        """Returns the same options with other values.

        Raises:
            OptionError: there is no such option; the message names the closest one.
            ExportError: a value is not allowed, or does not fit the other values.
        """
        names = [one.name for one in dataclasses.fields(self)]
        for name in changes:
            if name not in names:
                raise OptionError(f"an export has no option {name!r}; {closest(name, names)}it has {', '.join(names)}")
        return dataclasses.replace(self, **changes)

    def in_modes(self, quantize: Sequence[str], **changes: Any) -> tuple[ExportOptions, ...]:
        """Returns the same options for one file in each of several modes; `io` is used in modes that allow a choice.

        Args:
            quantize: the names of the modes.
            **changes: other values, see `change`.

        Raises:
            OptionError, ExportError: see `change`; one bad value refuses all.
        """
        io = changes.pop("io", self.io)
        _check_word("input and output type", io, IOS)
        base = dataclasses.replace(self, io=None)
        modes = [mode(name) for name in quantize]
        return tuple(base.change(**changes, quantize=one.name, io=io if one.typed else None) for one in modes)

    @property
    def mode(self) -> Mode:
        """The quantization mode."""
        return mode(self.quantize)

    @property
    def ends(self) -> Io:
        """The type of input and output."""
        return self.io or ("uint8" if self.mode.typed else "float32")

    @property
    def split_groups(self) -> bool:
        """Whether a grouped convolution becomes plain convolutions.

        The Edge TPU has no grouped convolutions, and tflite-runtime's int8 and hybrid kernels are several times slower
        on them, while LiteRT is equally fast (`benchmarks/export_latency.py`). Float and int16x8 kernels are, too.
        """
        return self.target == "edgetpu" or (self.target != "litert" and self.quantize in {"int8", "dynamic"})

    @property
    def dense_per_channel(self) -> bool:
        """Whether dense layers get one scale for each channel.

        This is slightly more accurate, but gives FULLY_CONNECTED version 12 in dynamic files, which tflite-runtime
        refuses, and wrong results of older runtimes in int8 files. Only LiteRT always computes it right.
        """
        return self.target == "litert"

    def asked_agreement(self, *, trained: bool) -> float:
        """Returns the required agreement: `min_agreement`, or the mode's for a trained or a random model."""
        return self.mode.asked_agreement(trained=trained) if self.min_agreement is None else self.min_agreement

    def _check_numbers(self) -> None:
        for name in ("batch", "calibration_samples"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ExportError(f"{name}={value!r} is not allowed; give 1 or more")
        if self.input_size is not None:
            object.__setattr__(self, "input_size", _check_sizes(self.input_size))
        for name in ("logits", "verify_file"):
            if not isinstance(getattr(self, name), bool):
                raise ExportError(f"{name}={getattr(self, name)!r} is not allowed; give True or False")
        if self.min_agreement is not None and not _is_share(self.min_agreement):
            raise ExportError(f"min_agreement={self.min_agreement!r} is not allowed; give 0 to 1")
        if not isinstance(self.preprocessing, Preprocessing):
            raise ExportError(f"preprocessing={self.preprocessing!r} is not allowed; give a Preprocessing")
        if self.input_range is not None:
            object.__setattr__(self, "input_range", check_input_range(self.input_range))

    def _check_together(self) -> None:
        chosen = self.mode
        if self.target == "edgetpu" and chosen.name != "int8":
            raise ExportError(f"the Edge TPU runs int8 files only, not {chosen.name!r}; give quantize='int8'")
        if self.io not in {None, "float32"} and not chosen.typed:
            raise ExportError(f"{chosen.name!r} files take float32, not {self.io}; only int8 files have a choice")
        if self.target == "edgetpu" and self.io == "float32":
            raise ExportError("the Edge TPU takes no float32 input; give io='uint8' or 'int8'")
        if self.target == "edgetpu" and self.batch != 1:
            raise ExportError(f"the Edge TPU takes one picture at a time, not batch={self.batch}")


def check_input_range(wanted: Sequence[float]) -> tuple[float, float]:
    """Returns the two ends of a range that pixels are scaled to.

    Raises:
        ExportError: the value is not two numbers, or the range is empty or not finite.
    """
    try:
        low, high = (float(end) for end in wanted)
    except (TypeError, ValueError):
        raise ExportError(f"input_range={wanted!r} is not allowed; give two numbers, e.g. (-1, 1)") from None
    if not is_input_range(low, high):
        raise ExportError(f"input range {low:g},{high:g} is not allowed; give the lower end first, e.g. -1,1")
    return low, high


def _check_sizes(wanted: int | Sequence[int]) -> tuple[int, ...]:
    sizes = (wanted,) if isinstance(wanted, int) else tuple(wanted) if isinstance(wanted, list | tuple) else ()
    if not sizes or any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in sizes):
        raise ExportError(f"input_size={wanted!r} is not allowed; give 1 or more, e.g. 224, or (240, 320)")
    return sizes


def _is_share(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and 0 <= float(value) <= 1


def _check_word(what: str, value: str | None, words: tuple[str, ...]) -> None:
    if value is not None and value not in words:
        raise ExportError(f"unknown {what} {value!r}; give one of {', '.join(words)}")
