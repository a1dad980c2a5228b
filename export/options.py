"""Defines all options of an export as one checked value."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, get_args

from zoo.bounds import one_or_more
from zoo.compress.methods import METHODS, Method
from zoo.errors import ExportError, OptionError, closest
from zoo.export.modes import MODES, Mode, Quantize, mode
from zoo.export.onnx import options as onnx_options
from zoo.export.onnx.options import EVERY_TARGET, FILE_FORMATS, LAYOUTS, Format, Layout
from zoo.inputs.preprocessing import Preprocessing, is_input_range
from zoo.onnx.targets import OnnxTarget
from zoo.pixels import preparation
from zoo.published import Preparation
from zoo.specs import check_seed
from zoo.tflite.targets import TARGETS, Target

__all__ = [
    "AUTO", "CALIBRATION_SAMPLES", "FILE_FORMATS", "IOS", "LAYOUTS", "METHODS", "MODES", "NMS", "ExportOptions",
    "Format", "Io", "Layout", "Method", "Mode", "Nms", "Quantize", "mode",
]  # fmt: skip

Io = Literal["uint8", "int8", "float32"]

IOS: tuple[Io, ...] = get_args(Io)

Nms = Literal["runner", "file"]
"""Who decodes a detector's boxes and removes those that overlap: the runner, or an operation in the file."""
NMS: tuple[Nms, ...] = get_args(Nms)

CALIBRATION_SAMPLES = 200
"""Default number of examples on which ranges are measured."""

AUTO = "auto"
"""Stands for the layers that have to stay float for the file to agree well enough."""
OF_INT8: dict[str, Any] = {"calibration_method": "minmax", "keep_float": (), "per_tensor": False, "equalize": False}
"""The options that only int8 files have, with the values that other files have."""


@dataclass(frozen=True)
class ExportOptions:
    """All options of an export; every instance has been checked.

    Raises:
        ExportError: a value is not allowed, or two values do not fit together.
        OptionError: the seed is out of range.
    """

    quantize: Quantize = "none"
    """The name of the mode, see `mode`."""
    target: Target | OnnxTarget | None = None
    """What the file is for, of the targets of its format; None for a file that loads on both LiteRT and tflite-runtime,
    or on ONNX Runtime."""
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
    preprocessing: Preprocessing | None = None
    """The resize policy that calibration uses and the runner will use; None for that of the task: crop for classifiers,
    stretch for detectors."""
    input_range: tuple[float, float] | None = None
    """What a model takes that does not scale its pixels itself, e.g. `(-1, 1)`; the file gets the scaling, too."""
    pixels: Preparation | str | None = None
    """The same for any preparation, in the words of `zoo.pixels.preparation`, e.g. `caffe`; the file then prepares raw
    pixels."""
    input_size: tuple[int, ...] | None = None
    """The sizes of the axes that a model leaves open, such as height and width; a single one counts for all."""
    min_agreement: float | None = None
    """The least share of inputs, 0..1, on which file and model must agree; for None see `asked_agreement`."""
    verify_file: bool = True
    """Whether the file is compared with the model; if it is not, the card says so."""
    calibration_method: Method = "minmax"
    """How the range of each activation of an int8 file is chosen from what was seen of it: `minmax` holds all of it,
    `percentile` leaves out the outermost 0.01% at each end, `mse` has the least squared error."""
    keep_float: tuple[str, ...] | Literal["auto"] = ()
    """The Keras layers that stay float in an int8 file; `auto` for the fewest with which it agrees well enough."""
    per_tensor: bool = False
    """Whether the weights of each layer of an int8 file have one scale, as some accelerators want it, and not one a
    channel."""
    equalize: bool = False
    """Whether the channels of neighbouring layers are brought to ranges of the same size before an int8 file is made,
    see `zoo.compress.equalize`."""
    nms: Nms = "runner"
    """Where a detector's boxes are decoded: `runner` leaves it to `zoo run`, `Detector` and MediaPipe Tasks; `file`
    appends the operation that the Android Task Library and pycoral want, or in an `.onnx` file `NonMaxSuppression`."""
    format: Format = "tflite"
    """The format of the file; `to_tflite` and `to_onnx` set it."""
    layout: Layout | None = None
    """Where the channels of an `.onnx` file's picture stand; None means `nchw`, before height and width."""

    def __post_init__(self) -> None:
        check_seed(self.seed)
        _check_word("target", self.target, EVERY_TARGET)
        _check_word("input and output type", self.io, IOS)
        _check_word("place of non-maximum suppression", self.nms, NMS)
        _check_word("calibration method", self.calibration_method, METHODS)
        _check_word("format", self.format, FILE_FORMATS)
        _check_word("layout", self.layout, LAYOUTS)
        self._check_numbers()
        self._check_together()
        self._check_int8()
        onnx_options.check(self)

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

    def in_modes(self, quantize: str | Sequence[str], **changes: Any) -> tuple[ExportOptions, ...]:
        """Returns the same options for one file in each of several modes; each mode gets those that it allows.

        Args:
            quantize: the names of the modes, or a single one.
            **changes: other values, see `change`.

        Raises:
            OptionError, ExportError: see `change`; one bad value refuses all.
        """
        io = changes.pop("io", self.io)
        _check_word("input and output type", io, IOS)
        of_int8 = {name: changes.pop(name, getattr(self, name)) for name in OF_INT8}
        modes = [mode(name) for name in one_or_more(quantize)]
        if modes and not any(one.name == "int8" for one in modes):
            dataclasses.replace(self, **of_int8, io=io, quantize=modes[0].name)  # refuses those that need int8
        base = dataclasses.replace(self, **OF_INT8, io=None)
        return tuple(
            base.change(
                **changes,
                **(of_int8 if one.name == "int8" else {}),
                quantize=one.name,
                io=io if one.typed else None,
            )
            for one in modes
        )

    @property
    def mode(self) -> Mode:
        """The quantization mode."""
        return mode(self.quantize)

    @property
    def preparation(self) -> Preparation | None:
        """How pixels are prepared for the model outside of its graph; None if that is not said."""
        wanted = self.pixels if self.input_range is None else self.input_range
        return None if wanted is None else preparation(wanted)

    @property
    def ends(self) -> Io:
        """The type of the input, and of the output as well, see `output_type`; an `.onnx` file always has float32."""
        return self.io or ("uint8" if self.mode.typed and self.format == "tflite" else "float32")

    @property
    def output_type(self) -> Io:
        """The type of the outputs; float32 with `nms="file"`, because the operation reads quantized boxes as zeros."""
        return "float32" if self.nms == "file" else self.ends

    @property
    def tflite_target(self) -> Target | None:
        """The target of a `.tflite` file; None for that of another format."""
        return next((one for one in TARGETS if one == self.target), None)

    @property
    def split_groups(self) -> bool:
        """Whether a grouped convolution becomes plain convolutions.

        The Edge TPU has no grouped convolutions, and tflite-runtime's int8 and hybrid kernels are several times slower
        on them, while LiteRT is equally fast (`benchmarks/export_latency.py`). So are kernels of other modes, and ONNX.
        """
        slow = self.target != "litert" and self.quantize in {"int8", "dynamic"}
        return self.target == "edgetpu" or (slow and self.format == "tflite")

    @property
    def dense_per_channel(self) -> bool:
        """Whether dense layers get one scale for each channel.

        This is slightly more accurate, but gives FULLY_CONNECTED version 12 in dynamic files, which tflite-runtime
        refuses, and wrong results of older runtimes in int8 files. Only LiteRT always computes it right.
        """
        return self.target == "litert"

    def asked_agreement(self, *, trained: bool, task: str = "") -> float:
        """Returns the required agreement: `min_agreement`, or the mode's for a trained or a random model of a task."""
        found = self.mode.asked_agreement(trained=trained, task=task)
        return found if self.min_agreement is None else self.min_agreement

    def _check_numbers(self) -> None:
        for name in ("batch", "calibration_samples"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ExportError(f"{name}={value!r} is not allowed; give 1 or more")
        if self.input_size is not None:
            object.__setattr__(self, "input_size", _check_sizes(self.input_size))
        for name in ("logits", "verify_file", "per_tensor", "equalize"):
            if not isinstance(getattr(self, name), bool):
                raise ExportError(f"{name}={getattr(self, name)!r} is not allowed; give True or False")
        if self.min_agreement is not None and not _is_share(self.min_agreement):
            raise ExportError(f"min_agreement={self.min_agreement!r} is not allowed; give 0 to 1")
        if not isinstance(self.preprocessing, Preprocessing | None):
            raise ExportError(f"preprocessing={self.preprocessing!r} is not allowed; give a Preprocessing")
        if self.pixels is not None:
            object.__setattr__(self, "pixels", preparation(self.pixels))
        if self.input_range is not None:
            object.__setattr__(self, "input_range", check_input_range(self.input_range))

    def _check_together(self) -> None:
        chosen = self.mode
        if self.pixels is not None and self.input_range is not None:
            raise ExportError("pixels and input_range both say how pixels are prepared; leave out one of them")
        if self.target == "edgetpu" and chosen.name != "int8":
            raise ExportError(f"the Edge TPU runs int8 files only, not {chosen.name!r}; give quantize='int8'")
        if self.io not in {None, "float32"} and not chosen.typed:
            raise ExportError(f"{chosen.name!r} files take float32, not {self.io}; only int8 files have a choice")
        if self.min_agreement is not None and not self.verify_file:
            raise ExportError(
                f"min_agreement={self.min_agreement:g} asks for the check that verify_file=False (--no-verify) leaves "
                "out; leave out one of them"
            )
        if self.target == "edgetpu" and self.io == "float32":
            raise ExportError("the Edge TPU takes no float32 input; give io='uint8' or 'int8'")
        if self.target == "edgetpu" and self.batch != 1:
            raise ExportError(f"the Edge TPU takes one picture at a time, not batch={self.batch}")
        if self.nms == "file" and self.io in {"uint8", "int8"}:
            raise ExportError(
                f"nms='file' needs float32 outputs, because its operation gives boxes of zeros for {self.io} ones; "
                "leave out io (--io): an int8 file then takes uint8 pixels"
            )
        if self.nms == "file" and self.batch != 1:
            raise ExportError(
                f"nms='file' decodes one picture at a time, not batch={self.batch}; leave out one of them"
            )

    def _check_int8(self) -> None:
        if self.keep_float != AUTO:
            object.__setattr__(self, "keep_float", _check_names(self.keep_float))
        for name, usual in OF_INT8.items():
            value = getattr(self, name)
            if value != usual and self.quantize != "int8":
                option = f"--{name.replace('_', '-')}"
                raise ExportError(f"{name}={value!r} ({option}) is for int8 files only; give quantize='int8' as well")
        if self.keep_float and self.target == "edgetpu":
            raise ExportError(
                "keep_float (--keep-float) is for CPUs: an Edge TPU runs a file up to its first float operation and "
                "leaves all behind it to the CPU; leave it out, or choose another target"
            )
        if self.keep_float == AUTO and not self.verify_file:
            raise ExportError("keep_float='auto' goes by the check of the file; leave out verify_file=False")


def _check_names(wanted: Any) -> tuple[str, ...]:
    """Returns names of layers, each once."""
    if isinstance(wanted, str) or not all(isinstance(name, str) and name for name in wanted):
        raise ExportError(f"keep_float={wanted!r} is not allowed; give names of layers, e.g. ('Conv1',), or 'auto'")
    return tuple(dict.fromkeys(wanted))


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
