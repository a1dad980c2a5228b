"""`zoo choose`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.output import echo, json_option, megabytes, milliseconds, print_json, print_table, status
from zoo.cli.runtime_options import runtime_option, threads_option
from zoo.cli.types import float_list, int_list, words
from zoo.export.options import MODES
from zoo.files import require_writable
from zoo.quiet import quiet, quiet_tensorflow

if TYPE_CHECKING:
    from zoo.choose import Candidate, Choice


@click.command()
@click.argument("model")
@click.option("--max-ms", type=float, help="Largest median time for one picture, in milliseconds.")
@click.option("--max-mb", type=float, help="Largest size of the file, in units of 1,000,000 bytes.")
@click.option("--min-top1", type=float, help="Smallest published ImageNet top-1 accuracy, in percent.")
@click.option(
    "--alpha", type=float_list, metavar="A,...", help="Width multipliers to try.  [default: the published ones]"
)
@click.option("--input-size", type=int_list, metavar="N,...", help="Input sizes to try.  [default: the published ones]")
@click.option(
    "--quantize",
    type=words(*MODES),
    metavar=",".join(MODES),
    help="Quantization modes to try.  [default: none,int8; with --from all modes]",
)
@click.option("--num-classes", type=click.IntRange(min=2), help="Number of classes in your data.  [default: 1000]")
@runtime_option
@threads_option
@click.option("--runs", type=click.IntRange(min=1), default=50, show_default=True, help="Number of timed runs.")
@click.option("--again", is_flag=True, help="Measure all combinations, including those measured before.")
@click.option(
    "--from",
    "board",
    type=click.Path(path_type=Path),
    metavar="JSON",
    help="Take the times from this file, which zoo benchmark --json printed on the board.",
)
@click.option(
    "--files",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Only write the .tflite files to DIR, for zoo benchmark on the board.",
)
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw the Pareto front into this .png or .svg file."
)
@click.option("--all", "show_all", is_flag=True, help="Show all combinations, not only the Pareto front.")
@json_option
def choose(
    model: str,
    max_ms: float | None,
    max_mb: float | None,
    min_top1: float | None,
    alpha: tuple[float, ...] | None,
    input_size: tuple[int, ...] | None,
    quantize: tuple[str, ...] | None,
    num_classes: int | None,
    board: Path | None,
    files: Path | None,
    plot: Path | None,
    show_all: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Choose a width, an input size and a quantization of MODEL.

    Each combination is built with random weights, exported, and timed on this machine; its accuracy is the ImageNet
    top-1 published for it. The table shows the Pareto front: the combinations (of at most --max-mb) for which no other
    one is both as fast and as accurate. The command picks the most accurate one within your limits (with --min-top1
    alone, the fastest).

    Times are kept in ~/.cache/edgezoo, so that only missing ones are measured. The first run takes minutes; you may
    interrupt it and start it again.

    \b
    zoo choose mobilenet_v2 --max-ms 20 --max-mb 4
    zoo choose mobilenet_v2 --min-top1 60 --plot front.png
    """
    quiet_tensorflow()
    from zoo.choose import Limits, grid
    from zoo.choose import choose as find
    from zoo.plots import require

    limits = Limits(max_ms, max_mb, min_top1)
    default = MODES if board else ("none", "int8")
    variants = grid(
        model,
        alpha=alpha or (),
        input_size=input_size or (),
        quantize=quantize or default,
        num_classes=num_classes,
        whole=board is not None,
    )
    if plot is not None:
        require(plot)
        require_writable(plot.parent)
    if files is not None:
        _write(model, variants, files)
        return
    with status("loading", steady=True) as progress, quiet():
        choice = find(model, limits, variants=variants, board=board, progress=progress, **how)
    if plot is not None:
        from zoo.choose.plotting import plot_choice

        plot_choice(choice, plot)
    if as_json:
        print_json(choice.as_dict())
    else:
        _print(choice, show_all)
        if plot is not None:
            echo(f"drawn: {plot}")
    if limits.any and choice.pick is None:
        raise click.ClickException(
            f"none of the {len(choice.candidates)} combinations has {limits}; {_nearest(choice)}"
        )


def _write(model: str, variants: Any, folder: Path) -> None:
    from zoo.choose import write_files

    require_writable(folder)
    with status("loading", steady=True) as progress, quiet():
        write_files(variants, folder, progress)
    echo(f"{len(variants)} files in {folder}. On the board: zoo benchmark {folder}/*.tflite --json > board.json")
    echo(f"Then: zoo choose {model} --from board.json")


def _print(choice: Choice, show_all: bool) -> None:
    shown = choice.candidates if show_all else choice.front
    options = shown[0].variant.varied if shown else ()
    rows = [
        (
            *(f"{candidate.variant.values[name]:g}" for name in options),
            "float" if candidate.variant.quantize == "none" else candidate.variant.quantize,
            "" if candidate.top1 is None else f"{candidate.top1:.1f}%",
            milliseconds(candidate.measured.median_ms),
            milliseconds(candidate.measured.p90_ms),
            megabytes(candidate.measured.size_bytes),
            *(["yes" if candidate in choice.front else ""] if show_all else []),
            *([_verdict(candidate, choice)] if choice.limits.any else []),
        )
        for candidate in shown
    ]
    columns = (
        *(name.replace("_", " ").removesuffix(" size") for name in options),
        "mode",
        "top-1",
        "median",
        "p90",
        "size",
        *(["front"] if show_all else []),
        *(["limits"] if choice.limits.any else []),
    )
    print_table(columns, rows, left=("mode", "front", "limits"))
    small = "" if choice.limits.max_mb is None else f" of those of at most {choice.limits.max_mb:g} MB"
    echo("", f"{len(choice.front)} of {len(choice.candidates)} combinations are on the front{small}.")
    if choice.pick is not None:
        echo(f"pick: {choice.pick.variant.command}")
    echo(f"machine: {choice.machine}; {choice.runtime}, threads: {choice.threads}")
    echo(f"top-1: {choice.source.source}, {choice.source.url}")
    for note in choice.notes:
        echo(f"note: {note}")


def _verdict(candidate: Candidate, choice: Choice) -> str:
    return "PICK" if candidate == choice.pick else choice.limits.broken(candidate) or "fits"


def _nearest(choice: Choice) -> str:
    """Returns the best combinations there are, in words, for limits that none of them meets."""
    fastest = min(choice.candidates, key=lambda one: one.measured.median_ms)
    smallest = min(choice.candidates, key=lambda one: one.measured.size_bytes)
    best = max(choice.candidates, key=lambda one: one.top1 or 0)
    return (
        f"the fastest takes {milliseconds(fastest.measured.median_ms)}, the smallest has "
        f"{megabytes(smallest.measured.size_bytes)}, the most accurate {best.top1 or 0:g}%"
    )
