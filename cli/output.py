"""Prints lines and tables for people, JSON for programs, and progress on the terminal only.

All text passes through `zoo.text.shown` here, so that nothing in a file's labels, card or name reaches the terminal as
a command.
"""

from __future__ import annotations

import codecs
import contextlib
import math
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from zoo.errors import OptionError, ZooError
from zoo.progress import SILENT, Progress
from zoo.text import plural, short_number, shown, to_json

MOST_ROWS, MOST_IN_CELL = 10_000, 500
"""Most rows of a table, and most characters of a cell, because every row of a column is as wide as its longest cell."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def echo(*lines: str, err: bool = False) -> None:
    """Prints each text as exactly one line, with line breaks in it escaped; without arguments, an empty line."""
    click.echo("\n".join(map(shown, lines)), err=err)


def overwrite(line: str) -> None:
    """Replaces the last line on a terminal; cuts the line to the terminal's width, so that it can be replaced, too."""
    width = shutil.get_terminal_size().columns
    click.echo(f"\r\033[K{shown(line)[: max(20, width - 1)]}", nl=False)


def print_json(value: Any, *, indent: int | None = 1) -> None:
    """Prints one JSON document; with `indent` None it takes one line."""
    plain = codecs.lookup(getattr(sys.stdout, "encoding", None) or "ascii").name != "utf-8"
    click.echo(to_json(value, indent=indent, ascii_only=plain))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: Sequence[str] = ()) -> None:
    """Prints a table; columns are right-aligned except the first and those named in `left`.

    On a terminal it folds to the width, between words if it is wide enough for the longest ones, so that names of files
    can be copied; in a pipe every row stays on one line. Cells are shown as they are: [brackets] and :names: in file
    names and labels are text. Long cells and tables are cut, and say so.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    width = None if sys.stdout.isatty() else 10_000
    console = Console(width=width, soft_wrap=False, markup=False, emoji=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    cells = [[shown(cell, limit=MOST_IN_CELL) for cell in row] for row in (columns, *rows[:MOST_ROWS])]
    widths = _widths(cells, console.width)
    for i, column in enumerate(columns):
        aligned = "left" if i == 0 or column in left else "right"
        table.add_column(cells[0][i], justify=aligned, overflow="fold", width=widths[i])  # type: ignore[arg-type]
    for row in cells[1:]:
        table.add_row(*row)
    console.print(table)
    if len(rows) > MOST_ROWS:
        echo(f"... and {len(rows) - MOST_ROWS:,} {plural(len(rows) - MOST_ROWS, 'row')} more, which --json has")


_BETWEEN = 3
"""The characters between two columns of a table."""


def _widths(cells: Sequence[Sequence[str]], most: int) -> list[int | None]:
    """Returns the widths of a table's columns with which no word is broken: where there is no room, None for each."""
    from rich.cells import cell_len

    columns = list(zip(*cells, strict=True))
    widths = [max(cell_len(word) for cell in column for word in cell.split() or [""]) for column in columns]
    room = most - 1 - sum(widths) - _BETWEEN * (len(columns) - 1)  # older versions of rich need one more
    if room < 0:
        return [None] * len(columns)
    lacking = [max(map(cell_len, column)) - width for column, width in zip(columns, widths, strict=True)]
    for i in sorted(range(len(columns)), key=lacking.__getitem__):
        more = min(room, lacking[i])
        widths[i] += more
        room -= more
    return list(widths)


def print_error(error: object) -> None:
    """Prints an error on stderr, as one line even if its message has several."""
    echo(f"zoo: error: {' '.join(str(error).split())}", err=True)


def raise_failures(errors: Sequence[ZooError]) -> None:
    """Prints all errors but the last, and raises that one; does nothing if there are none."""
    for error in errors[:-1]:
        from zoo.cli.wording import in_shell

        context = click.get_current_context()
        print_error(in_shell(str(error), context.command, context.find_root().obj or ()))
    if errors:
        raise errors[-1]


@contextlib.contextmanager
def status(text: str, *, steady: bool = False, keep: bool = False) -> Iterator[Progress]:
    """Shows in one line of standard error how far a job is, if that is a terminal; elsewhere nothing is shown.

    Args:
        text: the first step.
        steady: whether no thread redraws the line, because that would disturb measurements.
        keep: whether the line stays visible at the end.
    """
    if not sys.stderr.isatty():
        yield SILENT
        return
    from zoo.cli.drawing import drawn

    with drawn(text, steady=steady, keep=keep) as progress:
        yield progress


def import_tensorflow(*, start: bool = True, pool: bool = True, to_load: Path | None = None) -> None:
    """Imports TensorFlow without its log messages, which takes seconds.

    Args:
        to_load: the file of a Keras model that is loaded next, of which what shows at a look is found out before.
        start: whether TensorFlow initializes its devices now. Workers can be connected only before that.
        pool: whether TensorFlow keeps the memory of freed tensors, see `zoo.system.heap`.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
        WeightsError: there is no file to load, or it is of another kind.
    """
    if to_load is not None and not to_load.is_dir():
        from zoo.weights.formats.files import require_keras_file

        require_keras_file(to_load, "model")
    from zoo.registry import needs_tensorflow
    from zoo.system.heap import keep_no_pool
    from zoo.system.quiet import quiet, quiet_tensorflow

    quiet_tensorflow()
    if not pool:
        keep_no_pool()
    with status("loading TensorFlow"), needs_tensorflow(), quiet():
        import keras
        import tensorflow as tf

        if start:
            # The first tensor is made here, because TensorFlow then logs the machine's features.
            keras.ops.convert_to_tensor(0.0)
        tf.get_logger().setLevel("ERROR")


def require_memory(size: int, what: str) -> None:
    """Refuses a model that cannot fit into this machine's memory, before the system kills the process for it.

    Raises:
        OptionError: `size` bytes are more than the whole memory.
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > total:
        raise OptionError(
            f"{what} with these options needs {size / 1e9:,.0f} GB for its weights alone, this machine has "
            f"{total / 1e9:,.0f} GB; choose smaller values"
        )


def megabytes(size: int) -> str:
    """Returns a file size in words, in units of 1,000,000 bytes."""
    return f"{size / 1e6:.2f} MB"


def milliseconds(value: float) -> str:
    """Returns a time in words, with three significant digits."""
    return f"{significant(value)} ms"


def significant(value: float) -> str:
    """Returns a number with three significant digits, never with an exponent."""
    rounded = float(f"{value:.3g}")
    digits = 2 - math.floor(math.log10(abs(rounded))) if rounded else 2
    return f"{value:,.{max(0, digits)}f}"


def count(value: int | None) -> str:
    """Returns a number of parameters or MACs with thousands separators; empty for None."""
    return "" if value is None else f"{value:,}"


def short_count(value: int | None) -> str:
    """Returns a number of parameters or MACs with a unit, e.g. `3.54 M`; empty for None."""
    return "" if value is None else short_number(value)


def shape(dims: Sequence[int] | None) -> str:
    """Returns a shape in words, e.g. `224x224x3`; empty for None."""
    return "" if dims is None else "x".join(map(str, dims))
