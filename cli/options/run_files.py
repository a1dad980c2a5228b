"""What `zoo train --export` is asked for, and the end of a training: its figures, and the files made of it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zoo.cli.output import echo, megabytes, print_json, print_table, raise_failures, status
from zoo.cli.types import words
from zoo.export.onnx.options import EVERY_TARGET, of_format
from zoo.export.options import FILE_FORMATS, MODES, ExportOptions
from zoo.system.locks import exclusive
from zoo.text import count_of

if TYPE_CHECKING:
    from zoo.export.run import RunFiles
    from zoo.training import TrainResult

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_MODES = ("none", "int8")
"""The quantization modes of `--export` where none are given."""


def run_export_options(command: Command) -> Command:
    """Adds --export, --quantize, --target and --min-agreement."""
    options = (
        click.option(
            "--export",
            type=words(*FILE_FORMATS, "tfjs"),
            metavar=",".join((*FILE_FORMATS, "tfjs")),
            help="Formats to export the best model to, after the training, separated by commas; tfjs is a folder for "
            "TensorFlow.js, Teachable Machine's libraries and ml5.",
        ),
        click.option(
            "--quantize",
            type=words(*MODES),
            metavar=",".join(MODES),
            help="Quantization modes for --export, separated by commas; each one gives a file.  "
            f"[default: {','.join(DEFAULT_MODES)}]",
        ),
        click.option(
            "--target",
            type=click.Choice(EVERY_TARGET),
            help="Runtime or accelerator of the board, for --export.  "
            "[default: files that both litert and tflite-runtime load, or onnxruntime]",
        ),
        click.option(
            "--min-agreement",
            type=click.FloatRange(0, 1),
            help="Smallest share of inputs on which a file of --export and Keras must agree.  "
            "[default: the accuracy decides]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True)
class Wanted:
    """The files that a run is exported to."""

    files: tuple[ExportOptions, ...] = ()
    """The options of each `.tflite` and `.onnx` file."""
    tfjs: bool = False
    """Whether a layers model of TensorFlow.js is among them."""

    def __bool__(self) -> bool:
        """Whether there is any."""
        return self.tfjs or bool(self.files)


def wanted_files(export: tuple[str, ...] | None, quantize: tuple[str, ...] | None, **options: Any) -> Wanted:
    """Returns what `--export` asks for, checked before TensorFlow loads.

    Raises:
        UsageError: options of an export are given without it.
        ExportError: two options do not go together.
        MissingDependencyError: an .onnx file is wanted, and its extra is not installed.
    """
    formats = [one for one in FILE_FORMATS if one in (export or ())]
    if not formats:
        for name, value in {"quantize": quantize, **options}.items():
            if value is not None:
                raise click.UsageError(f"--{name.replace('_', '-')} is for --export tflite; give that, too")
    if "onnx" in formats:
        from zoo.export.onnx.graph import require_packages  # `--help` needs nothing that reads files

        require_packages()
    files = tuple(
        one
        for form in formats
        for one in ExportOptions().in_modes(quantize or DEFAULT_MODES, **of_format(form, formats, options), format=form)
    )
    return Wanted(files, "tfjs" in (export or ()))


def require_exportable(wanted: Wanted, model: Any, data: Any) -> None:
    """Finds out before a training what the export would fail by, see `zoo.export.run.require_exportable`."""
    if wanted:
        from zoo.export.run import require_exportable as require

        require(model, data, wanted.files, tfjs=wanted.tfjs)


def finish(
    result: TrainResult,
    wanted: Wanted,
    *,
    as_json: bool,
    facts: Mapping[str, Any] | None = None,
    told: Sequence[str] = (),
) -> None:
    """Prints the figures of a training, exports it, and prints the table of its files; as JSON also other facts.

    Args:
        result: the result of the training.
        wanted: the files to write.
        as_json: whether one JSON document is printed instead.
        facts: more for that document.
        told: notes that the command which began the run has printed, and that are not printed again.

    Raises:
        ZooError: a file could not be written; all others are, and are shown.
    """
    if not as_json:
        _print(result, told)  # whatever becomes of the files
    files = _export(result, wanted) if wanted else None
    failures = files.failures if files else ()
    if as_json:
        exported: dict[str, Any] = {"files": files.rows if files else []}
        if failures:
            exported["failed"] = [failure.as_dict() for failure in failures]
        report = result.report
        data_facts = {"found": report.found, "used": report.used, "notes": list(report.notes)}
        found = {"began_with": result.began_with, "notes": list(result.notes), "data": data_facts}
        print_json({"folder": str(result.folder), **result.metrics, **found, **exported, **(facts or {})})
    else:
        if files:
            _print_files(result, files.rows, files.notes)
        echo(_next(result, files), _more_epochs(result))
    raise_failures([failure.error for failure in failures])


def _export(result: TrainResult, wanted: Wanted) -> RunFiles:
    from zoo.export.run import export_files

    with status("exporting") as progress, exclusive(result.folder):
        return export_files(result, wanted.files, tfjs=wanted.tfjs, progress=progress)


def _print(result: TrainResult, told: Sequence[str]) -> None:
    from zoo.training.tasks import sureness, task_named

    metrics, task = result.metrics, task_named(result.task)
    echo()
    section = task.section(metrics)
    print_table(section.columns, section.rows)
    held_out = "validation" if len(result.data.sources["validation"]) else "training"
    echo(
        "",
        f"{task.monitor} {result.score:.1%} on {count_of(metrics['count'], 'file')} of the {metrics['split']} split, "
        + (
            f"best epoch {metrics['best_epoch']} of {metrics['epochs']} by {task.score_name} on the {held_out} files, "
            f"{metrics['seconds']:.0f} s"
            if metrics["epochs"]
            else "not trained in this run"
        ),
        *sureness(task, metrics),
    )
    pictures = result.data.sources["train"].reader.takes_pictures
    drawn = "".join(f", {file}" for _, file in task.plots(pictures=pictures))
    echo(f"{result.folder}: model.keras, README.md, curves.png{drawn}, ...")
    for note in result.notes:
        if note not in told:
            echo(f"note: {note}")


def _print_files(result: TrainResult, rows: Sequence[dict[str, Any]], notes: Sequence[str]) -> None:
    """Prints the table of a run's files, with score and agreement with Keras, and what is to be known of them."""
    from zoo.training.tasks import task_named

    task = task_named(result.task)
    cells = [
        (
            row["file"],
            row["mode"],
            megabytes(row["bytes"]),
            f"{row[task.monitor]:.1%}",
            *([_interval(row["interval"])] if task.counts_files else []),
            "" if row["agreement"] is None else f"{row['agreement']:.0%}",
            "" if row["latency_ms"] is None else f"{row['latency_ms']:.2f} ms",
            row["runtime"],
        )
        for row in rows
    ]
    interval = ("95% interval",) if task.counts_files else ()
    columns = ("file", "mode", "size", task.score_name, *interval, "as Keras", "latency", "run by")
    echo()
    print_table(columns, cells, left=("mode", "run by"))
    echo()
    for note in notes:
        echo(f"note: {note}")


def _interval(ends: Sequence[float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.1%} to {ends[1]:.1%}"


def _next(result: TrainResult, files: RunFiles | None) -> str:
    """Returns a command that goes on from here."""
    from zoo.training.records.readme import read_files

    again = f"zoo train --resume {shlex.quote(str(result.folder))} --export tflite"
    if files and len(files.rows) < 2:
        return f"The training is whole; to export it again: {again}"
    written = [row["file"] for row in (files.rows if files else read_files(result.folder))[1:]]
    there = [file for file in written if (result.folder / file).exists()]
    if not there:
        return f"Next: {again}"
    runnable = [file for file in there if Path(file).suffix[1:] in FILE_FORMATS]
    if not runnable:
        return f"Its folder for TensorFlow.js: {result.folder / there[-1]}"
    values = "PHOTO.jpg" if result.data.sources["train"].reader.takes_pictures else "VALUES.npy"
    return f"Try it: zoo run {shlex.quote(str(result.folder / runnable[-1]))} {values}"


def _more_epochs(result: TrainResult) -> str:
    """Returns the command that trains the finished run further."""
    last = result.metrics["best_epoch"] == result.metrics["epochs"] > 0
    rising = "The best epoch was the last one. " if last else ""
    return f"{rising}For more epochs: zoo train --from {shlex.quote(str(result.folder))} --epochs 20"
