"""The options of all commands that run a `.tflite` or `.onnx` file, and the predictor they ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.output import echo
from zoo.cli.types import PATH, RESIZE_HELP
from zoo.cli.types import input_range as range_or_name
from zoo.inputs.preprocessing import RESIZES, Preprocessing
from zoo.runner.loading.runtimes import MAX_THREADS, RUNTIMES
from zoo.tflite.labels import read as read_labels

if TYPE_CHECKING:
    from zoo.runner import Predictor
    from zoo.runner.entry import Scaling

runtime_option = click.option(
    "--runtime",
    type=click.Choice(["auto", *RUNTIMES]),
    default="auto",
    show_default=True,
    help="Runtime that executes the model; auto takes the first one that is installed and works.",
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(1, MAX_THREADS),
    help="Number of CPU threads the runtime may use.  [default: the number of physical cores, at most 4]",
)
delegate_option = click.option(
    "--delegate",
    metavar="NAME|LIBRARY",
    help="Accelerator to run a .tflite file on: edgetpu, edgetpu:DEVICE (usb:0, pci:1...), or the path of a delegate's "
    "shared library.",
)

provider_option = click.option(
    "--provider",
    metavar="NAME",
    help="What runs an .onnx file: cpu, or cuda, tensorrt, openvino... where the installed onnxruntime has it, see "
    "`zoo doctor`.  [default: cpu]",
)

min_score_option = click.option(
    "--min-score",
    type=click.FLOAT,
    metavar="SCORE",
    help="Least score of an answer, 0 to 1, such as 0.7; below it, the answer is: not sure.  [default: any score]",
)


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --resize, --input-range and --labels: how pictures are read, and what classes are called."""
    return _with(
        command,
        click.option("--resize", type=click.Choice(RESIZES), help=f"{RESIZE_HELP}  [default: as the file says]"),
        click.option(
            "--input-range",
            type=range_or_name,
            metavar="LOW,HIGH|imagenet",
            help="Range that pixels are scaled to, for files that other tools made; imagenet for its mean and standard "
            "deviation, as nets from PyTorch take it.  "
            "[default: as the file says, else 0,255]",
        ),
        click.option(
            "--labels",
            type=PATH,
            help="Text file with one class name per line, for files without labels.  [default: the file's own labels]",
        ),
    )


def runtime_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --runtime, --threads, --delegate, --provider, --resize, --input-range, --labels and --trusted."""
    trusted_option = click.option(
        "--trusted",
        is_flag=True,
        help="Load FILE without the safety checks. Only for files that you made yourself.",
    )
    return _with(
        command, runtime_option, threads_option, delegate_option, provider_option, reading_options, trusted_option
    )


def _with(command: Callable[..., Any], *options: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a command with options, in their order."""
    for option in reversed(options):
        command = option(command)
    return command


def open_predictor(
    file: Path,
    *,
    runtime: Any,
    threads: int | None,
    delegate: str | None,
    provider: str | None = None,
    resize: Any,
    input_range: Scaling | None,
    labels: Path | None,
    min_score: float | None = None,
    trusted: bool = False,
    again: bool = False,
) -> Predictor[Any]:
    """Loads a file for the task that its card names, with what `runtime_options` parsed.

    What the runtime itself prints is not shown.

    Args:
        file: the `.tflite` or `.onnx` file.
        runtime: the runtime to use, as in `Predictor`.
        threads: the number of CPU threads the runtime may use; None for its default.
        delegate: the accelerator, as in `Predictor`; None for none.
        provider: what runs an `.onnx` file, as in `Predictor`; None for the CPU.
        resize: a resize policy that replaces the file's own; None keeps it.
        input_range: the range that pixels are scaled to; None for what the file says.
        labels: a text file with one class name per line; None for the file's own labels.
        min_score: the least score of an answer, as in `Predictor`; None for any.
        trusted: whether the safety checks are skipped.
        again: whether the same file was opened with the same options before; then it is not checked a second time and
            no note is printed.
    """
    from zoo.runner import Predictor
    from zoo.system.quiet import quiet

    with quiet():
        predictor: Predictor[Any] = Predictor(
            file,
            runtime=runtime,
            threads=threads,
            delegate=delegate,
            provider=provider,
            preprocessing=Preprocessing(resize) if resize else None,
            input_range=input_range,
            labels=None if labels is None else read_labels(labels),
            min_score=min_score,
            trusted=trusted or again,
        )
    if not again:
        for note in predictor.notes:
            echo(f"note: {note}", err=True)
    return predictor


def options_beside(first: Path, second: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Returns the options of a second file: of what runs the first one, only if both have one format."""
    from zoo.runner.formats import form_of

    if form_of(first) == form_of(second):
        return options
    return options | {"runtime": "auto", "delegate": None, "provider": None}


def warn_of_random_weights(predictor: Predictor[Any]) -> None:
    """Prints a note on stderr if the file's weights are random."""
    if predictor.card.get("weights") == "random":
        echo("note: this file's weights are random; its answers mean nothing", err=True)
