"""The common part of `zoo build` and `zoo export`: the options of an export, and the table at its end."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zoo.cli.output import echo, json_option, megabytes, print_json, print_table, raise_failures, status
from zoo.cli.types import RESIZE_HELP, SEED, layer_names, number_pair, words
from zoo.errors import ExportError, ZooError
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
from zoo.files import require_writable
from zoo.inputs.preprocessing import RESIZES, Preprocessing, Resize, is_picture
from zoo.system.locks import exclusive
from zoo.tflite.labels import read as read_labels

if TYPE_CHECKING:
    from zoo.export import ExportReport
    from zoo.export.checking.verify import Verification

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
        type=click.Path(path_type=Path),
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
    click.option("--labels", type=click.Path(path_type=Path), help="Text file with one class name per line."),
    click.option("--license", "license_", help="Licence of the weights, written into the file's card."),
    click.option(
        "--out",
        type=click.Path(path_type=Path),
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
    if not checked:
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


def export_files(model: Any, stem: str, request: ExportRequest, facts: dict[str, Any]) -> None:
    """Writes all requested files and prints a table of them.

    A file that cannot be written does not keep others from it, nor from being shown.

    Args:
        model: the Keras model.
        stem: the beginning of the files' names.
        request: the files to write.
        facts: more fields for the card.

    Raises:
        ZooError: a file could not be written; if there are several, the others' errors are printed.
    """
    if request.license:
        facts = facts | {"license": request.license}
    results: list[dict[str, Any]] = []
    reports: list[ExportReport] = []
    origin: dict[str, Any] = {name: facts[name] for name in ("weights_from", "weights_why") if name in facts}
    failures: list[ZooError] = []
    with exclusive(request.out / stem):
        for name in request.formats:
            of_format: list[ExportOptions | None] = [one for one in request.options if one.format == name]
            for options in of_format or [None]:
                try:
                    if options is None:
                        results.append(_write_other(model, name, request.out / stem, request) | origin)
                        continue
                    ending = "_jetson" if name == "onnx" and request.program else ""
                    path = request.out / f"{stem}{options.mode.suffix}{ending}.{name}"
                    report = _write_checked(model, path, options, request, facts)
                except ZooError as error:
                    failures.append(error)
                    continue
                results.append({"format": name, **report.as_dict(), **origin})
                reports.append(report)
    if request.as_json and results:
        print_json(results)
    elif results:
        _print(results, reports, 4 * model.count_params())
    raise_failures(failures)


def _print(results: list[dict[str, Any]], reports: Sequence[ExportReport], float_bytes: int) -> None:
    _print_results(results, reports, float_bytes)
    _print_placements(reports)
    others = [note for result in results if result["format"] == "tfjs" for note in result["notes"]]
    for note in dict.fromkeys([*(note for report in reports for note in _notes(report)), *others]):
        echo(f"note: {note}")
    if reports:
        echo(f"Try it: {_command(reports[-1])}")


def _command(report: ExportReport) -> str:
    """A command line that runs a file on what it takes."""
    from zoo.export.onnx.jetson_programs import command_of

    if of_program := command_of(report.path, report.card):
        return of_program
    shape = report.card["input"]["shape"]
    # A path that begins with a dash would be taken for an option.
    path = str(report.path) if not str(report.path).startswith("-") else f"./{report.path}"
    values = "PHOTO.jpg" if is_picture(tuple(shape)) else f"VALUES.npy  (numbers of shape {tuple(shape)})"
    return f"zoo run {shlex.quote(path)} {values}"


def _write_other(model: Any, name: str, stem: Path, request: ExportRequest) -> dict[str, Any]:
    from zoo.export import to_keras, to_savedmodel

    started = time.perf_counter()
    more: dict[str, Any] = {}
    with status(f"writing {name}"):
        if name == "keras":
            path = to_keras(model, stem.with_name(f"{stem.name}.keras"))
        elif name == "savedmodel":
            path = to_savedmodel(model, stem.with_name(f"{stem.name}_savedmodel"))
        else:
            from zoo.export.tfjs.exporter import to_tfjs

            written = to_tfjs(model, stem.with_name(f"{stem.name}_tfjs"), request.plain, labels=request.labels)
            path, more = written.path, {"notes": list(written.notes)}
    seconds = time.perf_counter() - started
    return {"format": name, "path": str(path), "bytes": _size(path), "seconds": round(seconds, 3), **more}


def _write_checked(
    model: Any, path: Path, options: ExportOptions, request: ExportRequest, facts: dict[str, Any]
) -> ExportReport:
    from zoo.export.formats import writer

    calibration, labels, write = request.calibration, request.labels, writer(options.format, request.program)
    with status(f"exporting {options.quantize}") as progress:
        return write(model, path, options, calibration=calibration, labels=labels, facts=facts, progress=progress)


def _notes(report: ExportReport) -> list[str]:
    notes = list(report.notes)
    if report.edgetpu:
        notes += report.edgetpu.lines()
    if report.compiled:
        notes.append(f"compiled for the Edge TPU: {report.compiled}")
    return notes


def _print_placements(reports: Sequence[ExportReport]) -> None:
    """Prints where each operation of the last file for an Edge TPU runs."""
    placements = next((report.edgetpu.placements for report in reversed(reports) if report.edgetpu), ())
    if placements:
        rows = [(p.op, p.output, f"{p.macs:,}", "Edge TPU" if p.on_tpu else "CPU", p.why) for p in placements]
        echo()
        print_table(("operation", "output", "MACs", "runs on", "because"), rows, left=("output", "runs on", "because"))
        echo()


def _print_results(results: list[dict[str, Any]], reports: Sequence[ExportReport], float_bytes: int) -> None:
    for result in results:
        if result.get("quantize") == "none":
            float_bytes = result["bytes"]
    # What the task counts, such as top1 and top5.
    checked = [report.verification for report in reports if report.verification]
    figures = list(checked[0].agreement.figures) if checked else []
    rows = []
    for result in results:
        v = result.get("verification")
        rows.append(
            (
                result["path"],
                result.get("quantize", result["format"]),
                megabytes(result["bytes"]),
                f"{result['bytes'] / float_bytes:.2f}" if float_bytes else "",
                f"{v['max_diff']:.1e}" if v else "",
                f"{v['mean_diff']:.1e}" if v else "",
                *(f"{v[name]:.0%}" if v else "" for name in figures),
                f"{result['seconds']:.1f} s",
            )
        )
    titles = (re.sub(r"(?<=[a-z])(?=\d)", "-", name).replace("_", " ") for name in figures)
    columns = ("file", "mode", "size", "of float", "max diff", "mean diff", *titles, "time")
    print_table(columns, rows, left=("mode",))
    lines = [_said_of_check(report, report.verification) for report in reports if report.verification]
    for line in dict.fromkeys(lines):
        echo(line)


def _said_of_check(report: ExportReport, found: Verification) -> str:
    """Returns on what a file was compared with Keras; of one that was calibrated, whether on the same."""
    source = found.source if found.source == "synthetic inputs" else f"inputs from {found.source}"
    seen = "held out from calibration" if found.held_out else "on which it was calibrated"
    calibrated = f" ({seen})" if "calibration" in report.card else ""
    return f"Differences and agreement: against Keras, on {found.inputs} {source}{calibrated}, run by {found.runtime}."


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
