"""The options of all commands that run a `.tflite` file, and the classifier they ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.output import echo
from zoo.cli.types import number_pair
from zoo.files import read_list
from zoo.inputs.preprocessing import RESIZES, Preprocessing
from zoo.runner.runtimes import MAX_THREADS, RUNTIMES

if TYPE_CHECKING:
    from zoo.runner import Classifier

runtime_option = click.option(
    "--runtime", type=click.Choice(["auto", *RUNTIMES]), default="auto", show_default=True, help="What runs it."
)
threads_option = click.option(
    "--threads", type=click.IntRange(1, MAX_THREADS), help="Of the runtime.  [default: the cores, at most 4]"
)
delegate_option = click.option("--delegate", help="edgetpu, edgetpu:DEVICE (usb:0, pci:1...), or a delegate's library.")


def runtime_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --runtime, --threads, --delegate, --resize, --input-range, --labels and --trusted."""
    options = [
        runtime_option,
        threads_option,
        delegate_option,
        click.option("--resize", type=click.Choice(RESIZES), help="How pictures come to size.  [default: the file's]"),
        click.option(
            "--input-range",
            type=number_pair,
            metavar="LOW,HIGH",
            help="What pixels are scaled to, for float files made by others.  [default: as the file says, else 0,255]",
        ),
        click.option(
            "--labels",
            type=click.Path(path_type=Path),
            help="Names of the classes, one a line, for files that carry none.  [default: the file's]",
        ),
        click.option(
            "--trusted", is_flag=True, help="FILE is your own: load it unchecked, also where nothing can be remembered."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def open_classifier(
    file: Path,
    *,
    runtime: Any,
    threads: int | None,
    delegate: str | None,
    resize: Any,
    input_range: tuple[float, float] | None,
    labels: Path | None,
    trusted: bool = False,
    again: bool = False,
) -> Classifier:
    """Loads a file with what `runtime_options` parsed, without the runtime's chatter.

    Args:
        file: the `.tflite` file.
        runtime: and what follows: see `Classifier`.
        threads: of the runtime.
        delegate: of the runtime.
        resize: another policy than the file's own.
        input_range: what pixels are scaled to.
        labels: a file of them.
        trusted: the file is not checked.
        again: the same file and options as before: neither checked nor remarked on a second time.
    """
    from zoo.quiet import quiet
    from zoo.runner import Classifier

    with quiet():
        classifier = Classifier(
            file,
            runtime=runtime,
            threads=threads,
            delegate=delegate,
            preprocessing=Preprocessing(resize) if resize else None,
            input_range=input_range,
            labels=None if labels is None else read_list(labels, "labels file").splitlines(),
            trusted=trusted or again,
        )
    if not again and not classifier.says_its_input and input_range is None:
        echo(
            f"note: {file} was not made by this package and does not say how its pixels are scaled; it gets 0..255. "
            "If the answers are wrong, try --input-range -1,1 or 0,1",
            err=True,
        )
    return classifier


def warn_of_random_weights(classifier: Classifier) -> None:
    """Says that answers mean nothing, where they do."""
    if classifier.card.get("weights") == "random":
        echo("note: this file's weights are random; its answers mean nothing", err=True)
