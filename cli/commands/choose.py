"""`zoo choose`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from zoo.cli.options.runtime import runtime_option, threads_option
from zoo.cli.output import echo, json_option, megabytes, milliseconds, print_json, print_table, status
from zoo.cli.types import PATH, any_list, float_list, int_list, word_list, words
from zoo.errors import listed
from zoo.export.options import MODES
from zoo.files.writing import require_writable
from zoo.models import rated_options
from zoo.specs import in_words
from zoo.system.quiet import quiet, quiet_tensorflow
from zoo.text import count_of, plural

if TYPE_CHECKING:
    from zoo.choose import Candidate, Choice, Limits, Variant
    from zoo.errors import ExportError

Command = TypeVar("Command", bound=Callable[..., Any])

LISTS: dict[type, tuple[Callable[[str], tuple[Any, ...]], str]] = {
    float: (float_list, "A,..."),
    int: (int_list, "N,..."),
    str: (word_list, "NAME,..."),
}
"""The parser and the metavar of lists of a type."""


def varied_options(command: Command) -> Command:
    """Adds an option for each option of the models that published accuracies depend on, from the registry."""
    for name, options in reversed(rated_options().items()):
        kinds = {option.kind for option in options}
        parse, metavar = LISTS[kinds.pop()] if len(kinds) == 1 else (any_list, "VALUE,...")
        command = click.option(
            "--" + name.replace("_", "-"),
            name,
            type=parse,
            metavar=metavar,
            help=f"Values of {name.replace('_', ' ')} to try.  [default: those with published accuracies]",
            expose_value=False,
            callback=_collect,
        )(command)
    return command


def _collect(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is not None and param.name:
        ctx.meta.setdefault(__name__, {})[param.name] = value


MEASURING = ("runs", "again")
"""The options of measurements on this machine."""
WITHOUT_TIMES = ("board", "max_ms", *MEASURING, "runtime", "threads", "plot", "show_all", "as_json")
"""The options of a choice, which files alone are not."""
BETWEEN_MODELS = ("max_mb", "min_top1")
"""The limits that say before any measurement which files of several models are not worth one."""


@click.command()
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option("--max-ms", type=float, help="Largest median time for one picture, in milliseconds.")
@click.option("--max-mb", type=float, help="Largest size of the file, in units of 1,000,000 bytes.")
@click.option("--min-top1", type=float, help="Smallest published ImageNet top-1 accuracy, in percent.")
@varied_options
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
    type=PATH,
    metavar="JSON",
    help="Take the times from this file, which zoo benchmark --json printed on the board.",
)
@click.option(
    "--files",
    type=PATH,
    metavar="DIR",
    help="Only write the .tflite files to DIR, for zoo benchmark on the board.",
)
@click.option("--plot", type=PATH, metavar="FILE", help="Draw the Pareto front into this .png or .svg file.")
@click.option("--all", "show_all", is_flag=True, help="Show all combinations, not only the Pareto front.")
@json_option
@click.pass_context
def choose(
    ctx: click.Context,
    /,
    names: tuple[str, ...],
    max_ms: float | None,
    max_mb: float | None,
    min_top1: float | None,
    quantize: tuple[str, ...] | None,
    num_classes: int | None,
    board: Path | None,
    files: Path | None,
    plot: Path | None,
    show_all: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Choose an architecture, its options and a quantization.

    Compares the combinations of all models with published ImageNet accuracies, or of the MODELs that you name. Each is
    built with random weights, exported, and timed on this machine; its accuracy is the top-1 published for it, in int8
    where there is one for int8. The table shows the Pareto front: the combinations (of at most --max-mb) for which no
    other one is both as fast and as accurate. The command picks the most accurate one within your limits (with
    --min-top1 alone, the fastest). Among several models, combinations that your limits rule out are not measured.

    Times are kept in ~/.cache/edgezoo, so that only missing ones are measured. The first run takes minutes; you may
    interrupt it and start it again.

    \b
    zoo choose --max-ms 20 --max-mb 4 --min-top1 65
    zoo choose mobilenet_v2 --min-top1 60 --plot front.png
    """
    _check_use(ctx, board, files)
    quiet_tensorflow()
    from zoo.choose import Limits, grid
    from zoo.choose import choose as find
    from zoo.plots import require

    limits = Limits(max_ms, max_mb, min_top1)
    default = MODES if board else ("none", "int8")
    variants = grid(
        names or None,
        quantize=quantize or default,
        num_classes=num_classes,
        whole=board is not None,
        **ctx.meta.get(__name__, {}),
    )
    if plot is not None:
        require(plot)
        require_writable(plot.parent)
    if files is not None:
        if len({one.model for one in variants}) == 1 and (unread := _given(ctx, BETWEEN_MODELS)):
            raise click.UsageError(
                f"--files writes all files of one model; leave {listed(unread)} out, and give "
                f"{plural(len(unread), 'it', 'them')} with --from"
            )
        _write(_again(ctx, names, num_classes), variants, limits, files)
        return
    with status("loading", steady=True) as progress, quiet():
        choice = find(limits=limits, variants=variants, board=board, progress=progress, **how)
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
            f"none of the {count_of(len(choice.candidates), 'combination')} has {limits}; {_nearest(choice)}"
        )


def _check_use(ctx: click.Context, board: Path | None, files: Path | None) -> None:
    """Refuses options that would not be read.

    Raises:
        click.UsageError: there are some.
    """
    if files is not None and (unread := _given(ctx, WITHOUT_TIMES)):
        raise click.UsageError(
            f"--files only writes files, it measures and chooses nothing; leave {listed(unread)} out"
        )
    if board is not None and (unread := _given(ctx, MEASURING)):
        raise click.UsageError(f"--from takes the times from {board}, nothing is measured; leave {listed(unread)} out")


def _given(ctx: click.Context, names: Sequence[str]) -> list[str]:
    """Returns those of some options that the user gave, as typed."""
    typed = {param.name: param.opts[0] for param in ctx.command.params}
    return [typed[name] for name in names if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]


def _again(ctx: click.Context, names: Sequence[str], num_classes: int | None) -> str:
    """Returns the command that chooses among the files that this one writes."""
    varied = {name: ",".join(map(in_words, values)) for name, values in ctx.meta.get(__name__, {}).items()}
    classes = {} if num_classes is None else {"num_classes": str(num_classes)}
    options = [f"--{name.replace('_', '-')} {value}" for name, value in (varied | classes).items()]
    return " ".join(["zoo choose", *names, *options, "--from board.json"])


def _write(then: str, variants: Sequence[Variant], limits: Limits, folder: Path) -> None:
    from zoo.choose import prune, write_files

    require_writable(folder)
    failures: dict[Variant, ExportError] = {}
    with status("loading", steady=True) as progress, quiet():
        pruned = prune(variants, limits, progress) if len({one.model for one in variants}) > 1 else None
        written = write_files(pruned.variants if pruned else variants, folder, progress, failures)
    if failures and not written:
        raise next(iter(failures.values()))
    echo(
        f"{count_of(len(written), 'file')} in {folder}. On the board: zoo benchmark {folder}/*.tflite "
        f"--json > board.json"
    )
    echo(f"Then: {then}")
    for note in pruned.notes if pruned else ():
        echo(f"note: {note}")
    for variant, error in failures.items():
        echo(f"note: {variant.stem} cannot be exported: {error}")


def _print(choice: Choice, show_all: bool) -> None:
    shown = choice.candidates if show_all else choice.front
    options = shown[0].variant.varied if shown and len(choice.models) == 1 else ()
    rows = [
        (
            *_named(candidate, options),
            "float" if candidate.variant.quantize == "none" else candidate.variant.quantize,
            "" if candidate.top1 is None else f"{candidate.top1:.1f}%",
            candidate.top1_of or "",
            milliseconds(candidate.measured.median_ms),
            milliseconds(candidate.measured.p90_ms),
            megabytes(candidate.measured.size_bytes),
            *(["yes" if candidate in choice.front else ""] if show_all else []),
            *([_verdict(candidate, choice)] if choice.limits.any else []),
        )
        for candidate in shown
    ]
    columns = (
        *([name.replace("_", " ").removesuffix(" size") for name in options] or ["model"]),
        "mode",
        "top-1",
        "of",
        "median",
        "p90",
        "size",
        *(["front"] if show_all else []),
        *(["limits"] if choice.limits.any else []),
    )
    print_table(columns, rows, left=("mode", "of", "front", "limits"))
    small = "" if choice.limits.max_mb is None else f" of those of at most {choice.limits.max_mb:g} MB"
    echo(
        "",
        f"{len(choice.front)} of {count_of(len(choice.candidates), 'combination')} "
        f"{plural(len(choice.front), 'is', 'are')} on the front{small}.",
    )
    if choice.pick is not None:
        echo(f"pick: {choice.pick.variant.command}")
    echo(f"machine: {choice.machine}; {choice.runtime}, threads: {choice.threads}")
    for model, known in choice.sources.items():
        of = "top-1" if len(choice.models) == 1 else f"top-1 of {model}"
        echo(f"{of}: {known.source}, {known.url}")
    for note in choice.notes:
        echo(f"note: {note}")


def _named(candidate: Candidate, options: Sequence[str]) -> list[str]:
    """Returns the columns that name a combination: its options if there is one model, else the name of the net."""
    values = candidate.variant.values
    return [in_words(values[name]) for name in options] or [candidate.variant.net]


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
