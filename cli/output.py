"""How commands print: tables for people, JSON for programs, progress on the terminal only."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from zoo.errors import OptionError


def print_json(value: Any) -> None:
    """Prints one JSON document."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: Sequence[str] = ()) -> None:
    """Prints a table; columns are right-aligned except the first and those named in `left`.

    On a terminal it folds to the width; in a pipe every row stays on one line.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, column in enumerate(columns):
        aligned = "left" if i == 0 or column in left else "right"
        table.add_column(column, justify=aligned, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*row)
    # No markup: [brackets] in file names and pip lines are text.
    Console(width=None if sys.stdout.isatty() else 10_000, soft_wrap=False, markup=False).print(table)


def print_error(error: object) -> None:
    """Prints an error on stderr, as one line whatever it says."""
    click.echo(f"zoo: error: {' '.join(str(error).split())}", err=True)


@contextlib.contextmanager
def status(text: str) -> Iterator[Callable[[str], None]]:
    """Shows that something long is under way, on a terminal; prints nothing elsewhere.

    Yields a function that changes the text.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner

    spinner = Spinner("dots", text)
    # A copy of the terminal's descriptor: the spinner goes on while native chatter is swallowed. Nothing is redirected,
    # or what Python's loggers write would come out at the terminal past all swallowing.
    with os.fdopen(os.dup(2), "w") as terminal:
        console = Console(file=terminal, force_terminal=True)
        with Live(spinner, console=console, transient=True, redirect_stdout=False, redirect_stderr=False):
            yield lambda text: spinner.update(text=text)


@contextlib.contextmanager
def progress_bar(what: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """A bar on the terminal; yields a function to call after each of `total` things."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(what), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda: progress.advance(task)


def downloading(say: Callable[[str], None]) -> Callable[[int, int], None]:
    """Turns what `status` yields into something to report a download's bytes to."""

    def report(done: int, total: int) -> None:
        share = f" of {megabytes(total)} ({done / total:.0%})" if total else ""
        say(f"downloading weights: {megabytes(done)}{share}")

    return report


def import_tensorflow(*, start: bool = True) -> None:
    """Imports TensorFlow without its chatter.

    Args:
        start: whether TensorFlow takes up its devices at once; before it does, several workers can be connected.

    Raises:
        MissingDependencyError: it is not installed.
    """
    from zoo.quiet import quiet, quiet_tensorflow
    from zoo.registry import needs_tensorflow

    quiet_tensorflow()
    with status("loading TensorFlow"), needs_tensorflow(), quiet():
        import keras
        import tensorflow as tf

        if start:
            # Made here, because making the first tensor is what logs the machine's features.
            keras.ops.convert_to_tensor(0.0)
        tf.get_logger().setLevel("ERROR")


def require_memory(size: int, what: str) -> None:
    """Refuses what cannot fit into this machine's memory, before the system kills the process for it.

    Raises:
        OptionError: it is larger than all of the memory.
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > total:
        raise OptionError(
            f"{what} with these options needs {size / 1e9:,.0f} GB for its weights alone, this machine has "
            f"{total / 1e9:,.0f} GB; choose smaller values"
        )


def megabytes(size: int) -> str:
    """A file size, in units of 1,000,000 bytes."""
    return f"{size / 1e6:.2f} MB"


def count(value: int | None) -> str:
    """A parameter or MAC count with thousands separators."""
    return "" if value is None else f"{value:,}"


def shape(dims: Sequence[int] | None) -> str:
    """A shape, e.g. `224x224x3`."""
    return "" if dims is None else "x".join(map(str, dims))
