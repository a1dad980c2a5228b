"""What `zoo build` and `zoo export` share: the options of an export, and the table at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from zoo.cli.output import json_option, megabytes, print_json, print_table, status
from zoo.cli.types import number_pair, words
from zoo.export.edgetpu import Placement
from zoo.export.quantize import IOS, MODES, TARGETS
from zoo.files import read_text, require_writable
from zoo.specs import RESIZES, Preprocessing

Command = TypeVar("Command", bound=Callable[..., Any])

FORMATS = ("tflite", "keras", "savedmodel")

_OPTIONS = (
    click.option(
        "--quantize",
        type=words(*MODES),
        metavar=",".join(MODES),
        default="none",
        show_default=True,
        help="One .tflite file for each mode.",
    ),
    click.option(
        "--calibration",
        type=click.Path(path_type=Path),
        help="Folder of training pictures (or .npy file), for int8 and int16x8; also what the check uses.",
    ),
    click.option(
        "--calibration-samples", type=click.IntRange(min=1), default=200, show_default=True, help="At most this many."
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Of the choice of calibration samples."),
    click.option(
        "--target",
        type=click.Choice(TARGETS),
        help="The board's runtime.  [default: a file for litert and tflite-runtime alike]",
    ),
    click.option("--io", type=click.Choice(IOS), help="Input and output of int8 files.  [default: uint8]"),
    click.option(
        "--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Pictures at a time, fixed."
    ),
    click.option("--logits", is_flag=True, help="Leave the final softmax out."),
    click.option(
        "--resize", type=click.Choice(RESIZES), default="crop", show_default=True, help="How pictures come to size."
    ),
    click.option(
        "--input-range",
        type=number_pair,
        metavar="LOW,HIGH",
        help="What a model takes that does not scale its pixels itself, e.g. -1,1.",
    ),
    click.option(
        "--min-agreement",
        type=click.FloatRange(0, 1),
        help="Least share of inputs on which file and Keras must agree.  [default: by mode]",
    ),
    click.option("--no-verify", is_flag=True, help="Do not compare the file with Keras."),
    click.option("--labels", type=click.Path(path_type=Path), help="Text file with one class name a line."),
    click.option("--license", "license_", help="Licence of the weights, for the file's card."),
    click.option(
        "--out", type=click.Path(path_type=Path), default=".", show_default=True, help="Folder for the files."
    ),
    json_option,
)


def export_options(command: Command) -> Command:
    """Adds the options of an export."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_early(choices: dict[str, Any]) -> list[str] | None:
    """Finds what is wrong before TensorFlow loads: the folder to write to, the label file.

    Returns:
        The class names, where a label file is given.
    """
    require_writable(choices["out"])
    labels = choices["labels"]
    return read_text(labels, "label file").splitlines() if labels else None


def export_files(
    model: Any,
    stem: str,
    formats: Sequence[str],
    labels: list[str] | None,
    facts: dict[str, Any],
    choices: dict[str, Any],
) -> None:
    """Writes all files that were asked for and prints what came of it.

    Args:
        model: the Keras model.
        stem: of the files' names.
        formats: of `FORMATS`.
        labels: class names.
        facts: for the card.
        choices: the values of `export_options`.
    """
    from zoo.export import to_keras, to_savedmodel, to_tflite

    out: Path = choices["out"]
    as_json: bool = choices["as_json"]
    if choices["license_"]:
        facts = facts | {"license": choices["license_"]}
    results: list[dict[str, Any]] = []
    notes: list[str] = []
    placements: tuple[Placement, ...] = ()
    for name in formats:
        if name != "tflite":
            started = time.perf_counter()
            with status(f"writing {name}"):
                path = (
                    to_keras(model, out / f"{stem}.keras")
                    if name == "keras"
                    else to_savedmodel(model, out / f"{stem}_savedmodel")
                )
            seconds = time.perf_counter() - started
            results.append({"format": name, "path": str(path), "bytes": _size(path), "seconds": round(seconds, 3)})
            continue
        for mode in choices["quantize"]:
            suffix = "" if mode == "none" else f"_{mode}"
            with status(f"exporting {mode}") as say:
                report = to_tflite(
                    model,
                    out / f"{stem}{suffix}.tflite",
                    quantize=mode,
                    calibration=choices["calibration"],
                    calibration_samples=choices["calibration_samples"],
                    seed=choices["seed"],
                    labels=labels,
                    target=choices["target"],
                    io=choices["io"] if mode == "int8" else None,
                    batch=choices["batch"],
                    logits=choices["logits"],
                    preprocessing=Preprocessing(choices["resize"]),
                    input_range=choices["input_range"],
                    min_agreement=choices["min_agreement"],
                    verify_file=not choices["no_verify"],
                    facts=facts,
                    progress=say,
                )
            results.append({"format": name, **report.as_dict()})
            notes += [note for note in report.notes if note not in notes]
            if report.edgetpu:
                notes += report.edgetpu.lines()
                placements = report.edgetpu.placements
            if report.compiled:
                notes.append(f"compiled for the Edge TPU: {report.compiled}")
    if as_json:
        print_json(results)
        return
    _print_results(results, 4 * model.count_params())
    if placements:
        rows = [(p.op, p.output, f"{p.macs:,}", "Edge TPU" if p.on_tpu else "CPU", p.why) for p in placements]
        click.echo()
        print_table(("operation", "output", "MACs", "runs on", "because"), rows, left=("output", "runs on", "because"))
        click.echo()
    for note in notes:
        click.echo(f"note: {note}")
    files = [result["path"] for result in results if result["format"] == "tflite"]
    if files:
        click.echo(f"Try it: zoo run {files[-1]} PHOTO.jpg")


def _print_results(results: list[dict[str, Any]], float_bytes: int) -> None:
    for result in results:
        if result["format"] == "tflite" and result["quantize"] == "none":
            float_bytes = result["bytes"]
    rows = []
    for result in results:
        v = result.get("verification")
        rows.append(
            (
                result["path"],
                result.get("quantize", result["format"]),
                megabytes(result["bytes"]),
                f"{result['bytes'] / float_bytes:.2f}",
                f"{v['max_diff']:.1e}" if v else "",
                f"{v['mean_diff']:.1e}" if v else "",
                f"{v['top1']:.0%}" if v else "",
                f"{v['top5']:.0%}" if v else "",
                f"{result['seconds']:.1f} s",
            )
        )
    columns = ("file", "mode", "size", "of float", "max diff", "mean diff", "top-1", "top-5", "time")
    print_table(columns, rows, left=("mode",))
    checked = next((r["verification"] for r in results if r.get("verification")), None)
    if checked:
        click.echo(
            f"Differences and agreement: against Keras, on {checked['inputs']} {_plural(checked['source'])}, "
            f"run by {checked['runtime']}."
        )


def _plural(source: str) -> str:
    return source if source == "synthetic inputs" else f"inputs from {source}"


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
