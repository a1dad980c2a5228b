"""Prints what `zoo build` and `zoo export` have written: a table of files, notes, and a command that tries one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoo.cli.output import echo, megabytes, print_table
from zoo.inputs.preprocessing import is_picture

if TYPE_CHECKING:
    from zoo.export import ExportReport
    from zoo.export.checking.verify import Verification


def print_files(results: list[dict[str, Any]], reports: Sequence[ExportReport], float_bytes: int) -> None:
    """Prints the files that were written.

    Args:
        results: what `--json` prints of each file.
        reports: the reports of the `.tflite` and `.onnx` files among them.
        float_bytes: the size of the weights as float32; the table compares files with it where none is float.
    """
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
