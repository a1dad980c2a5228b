"""The options of `zoo build` and `zoo export`, and what they ask for, checked before TensorFlow loads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from zoo.cli.output import json_option
from zoo.cli.types import PATH, RESIZE_HELP, SEED, layer_names, number_pair, words
from zoo.errors import ExportError
from zoo.export.onnx.options import EVERY_TARGET, of_format
from zoo.export.options import (
    CALIBRATION_SAMPLES,
    FILE_FORMATS,
    IOS,
    LAYOUTS,
    METHODS,
    MODES,
    NMS,
    ExportOptions,
)
from zoo.export.unchecked import require_own
from zoo.files.writing import require_writable
from zoo.inputs.preprocessing import RESIZES, Preprocessing, Resize
from zoo.tflite.labels import read as read_labels

Command = TypeVar("Command", bound=Callable[..., Any])

FORMATS = (*FILE_FORMATS, "keras", "savedmodel", "tfjs")
PROGRAMS = ("jetson-inference",)
"""Packages whose programs prepare pixels themselves."""

_OPTIONS = (
    click.option(
        "--quantize",
        type=words(*MODES),
        metavar=",".join(MODES),
        default="none",
        show_default=True,
        help="Quantization modes, separated by commas; each one gives a .tflite file. An .onnx file has none, float16 "
        "or int8.",
    ),
    click.option(
        "--calibration",
        type=PATH,
        help="Folder of training pictures, with or without labelled boxes, or .npy file, to measure the activation "
        "ranges of int8 and int16x8 on. "
        "The check against Keras uses them, too.",
    ),
    click.option(
        "--calibration-samples",
        type=click.IntRange(min=1),
        default=CALIBRATION_SAMPLES,
        show_default=True,
        help="Largest number of calibration samples to use.",
    ),
    click.option(
        "--calibration-method",
        type=click.Choice(METHODS),
        default="minmax",
        show_default=True,
        help="How the range of each activation of an int8 file is chosen: the whole of it, without its outermost 0.01% "
        "at each end, or with the least squared error.",
    ),
    click.option(
        "--equalize",
        is_flag=True,
        help="Bring the channels of neighbouring layers to ranges of the same size before an int8 file is made; the "
        "float model computes the same. It helps weights of one scale, and depthwise nets.",
    ),
    click.option(
        "--per-tensor",
        is_flag=True,
        help="Give the weights of each layer of an int8 file one scale, as some accelerators want it, and not one a "
        "channel.",
    ),
    click.option(
        "--keep-float",
        type=layer_names,
        metavar="LAYER,...|auto",
        default="",
        help="Keras layers that stay float in an int8 file, by the names that zoo diagnose shows; auto for the fewest "
        "with which the file agrees with Keras as it should. For CPUs only; what it costs in time is measured.",
    ),
    click.option(
        "--seed",
        type=SEED,
        default=0,
        show_default=True,
        help="Random seed for the initial weights and for the choice of calibration samples.",
    ),
    click.option(
        "--target",
        type=click.Choice(EVERY_TARGET),
        help="What the file is for: a runtime or accelerator of .tflite files, or one of .onnx files, whose published "
        "lists the file is held against.  [default: a file that both litert and tflite-runtime load, or onnxruntime]",
    ),
    click.option(
        "--io",
        type=click.Choice(IOS),
        help="Data type of the input and output of an int8 .tflite file; an .onnx file always has float32.  "
        "[default: uint8]",
    ),
    click.option(
        "--layout",
        type=click.Choice(LAYOUTS),
        help="Axes of an .onnx file's picture: channels before height and width, as ONNX and TensorRT compute, or "
        "behind them.  [default: nchw]",
    ),
    click.option(
        "--for",
        "program",
        type=click.Choice(PROGRAMS),
        help="Program that runs the .onnx file, which then takes pixels as that program prepares them: imagenet and "
        "detectnet of jetson-inference, on a Jetson's GPU.",
    ),
    click.option(
        "--batch",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Fixed number of pictures that one run of the model takes.",
    ),
    click.option("--logits", is_flag=True, help="Leave out the final softmax, so that the model returns logits."),
    click.option(
        "--resize",
        type=click.Choice(RESIZES),
        help=f"{RESIZE_HELP}  [default: crop; stretch for detectors]",
    ),
    click.option(
        "--input-range",
        type=number_pair,
        metavar="LOW,HIGH",
        help="Range of pixel values that the Keras model expects, if it does not scale raw pixels itself, e.g. -1,1; "
        "the same as --pixels -1,1.",
    ),
    click.option(
        "--pixels",
        metavar="WORDS",
        help="Preparation of pixels that the Keras model expects, if it does not do it itself: tf, caffe or torch, as "
        "keras.applications calls them, a range LOW,HIGH, or mean=R,G,B and std=R,G,B of pixels 0..255, joined by "
        "colons, and bgr for blue first, e.g. mean=123.68,116.779,103.939:bgr.",
    ),
    click.option(
        "--min-agreement",
        type=click.FloatRange(0, 1),
        help="Smallest share of inputs on which the file and Keras must agree.  [default: by the mode]",
    ),
    click.option(
        "--nms",
        type=click.Choice(NMS),
        default="runner",
        show_default=True,
        help="Who decodes a detector's boxes: the runner (and MediaPipe Tasks), or an operation in the file, as the "
        "Android Task Library and pycoral want it; in an .onnx file that is NonMaxSuppression.",
    ),
    click.option("--no-verify", is_flag=True, help="Skip the comparison of the file with the Keras model."),
    click.option("--labels", type=PATH, help="Text file with one class name per line."),
    click.option("--license", "license_", help="Licence of the weights, written into the file's card."),
    click.option(
        "--out",
        type=PATH,
        default=".",
        show_default=True,
        help="Folder to write the files to.",
    ),
    json_option,
)


def export_options(command: Command) -> Command:
    """Adds the options of an export."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class ExportRequest:
    """The files that a command has to write, with options that were checked before TensorFlow loads."""

    formats: tuple[str, ...]
    """The kinds of files, some of `FORMATS`."""
    options: tuple[ExportOptions, ...]
    """The options of each `.tflite` and `.onnx` file."""
    plain: ExportOptions
    """The options of files that are not quantized and have no card: how pixels are prepared, and the open sizes."""
    seed: int
    """The seed of the random weights of a build."""
    calibration: Path | None
    labels: list[str] | None
    """The names of the classes, if a file of labels is given."""
    license: str | None
    out: Path
    """The folder for the files."""
    as_json: bool
    program: str | None = None
    """Whose program the .onnx file is for, one of `PROGRAMS`; None for a file that takes raw pixels."""


def read_request(
    formats: tuple[str, ...],
    *,
    quantize: tuple[str, ...],
    seed: int,
    resize: Resize | None,
    no_verify: bool,
    calibration: Path | None,
    labels: Path | None,
    license_: str | None,
    out: Path,
    as_json: bool,
    program: str | None = None,
    **options: Any,
) -> ExportRequest:
    """Checks the folder, the label file and the options before TensorFlow loads.

    All arguments but the formats are the values of `export_options`.

    Raises:
        OutputError: the folder cannot be written to.
        InputError: the label file cannot be read.
        ExportError, OptionError: see `ExportOptions`.
        MissingDependencyError: an .onnx file is wanted, and its extra is not installed.
    """
    require_writable(out)
    names = read_labels(labels) if labels else None
    policy = Preprocessing(resize) if resize else None
    checked = [one for one in FILE_FORMATS if one in formats]
    if "onnx" in checked:
        from zoo.export.onnx.graph import require_packages  # `--help` needs nothing that reads files

        require_packages()
    common = {"seed": seed, "preprocessing": policy, "verify_file": not no_verify, **options}
    wanted: list[ExportOptions] = []
    for form in checked:
        wanted += ExportOptions().in_modes(quantize, **of_format(form, checked, common), format=form)
    samples = options.get("calibration_samples", CALIBRATION_SAMPLES)
    if checked and calibration is None and samples != CALIBRATION_SAMPLES:
        raise ExportError(
            f"--calibration-samples {samples} is a number of calibration samples; give --calibration, too"
        )
    if not checked:
        require_own(formats, {**common, "quantize": quantize, "calibration": calibration, "license": license_})
        ExportOptions().in_modes((), **common)  # refuses what is not allowed
    if program:
        _require_program(program, wanted)
    others = {name: options[name] for name in ("pixels", "input_range", "input_size") if options.get(name) is not None}
    plain = ExportOptions(**others)
    return ExportRequest(formats, tuple(wanted), plain, seed, calibration, names, license_, out, as_json, program)


def _require_program(program: str, wanted: Sequence[ExportOptions]) -> None:
    """Refuses what does not go with a program; errors are those of `read_request`."""
    from zoo.export.onnx.jetson_programs import require_options

    of_onnx = [options for options in wanted if options.format == "onnx"]
    if not of_onnx:
        raise ExportError(f"--for {program} is for .onnx files; give --export onnx")
    for options in of_onnx:
        require_options(options)
