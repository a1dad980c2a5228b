"""Prints the results of `zoo run` as text, JSON lines or CSV, each flushed, so that an interrupt loses none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from zoo.cli.output import echo, print_json
from zoo.text import cell

if TYPE_CHECKING:
    from zoo.tasks import Task

Printer = Callable[[str, Sequence[Any]], None]


def printer(form: str | None, task: Task[Any], *, counts: bool = False) -> Printer:
    """Returns a function that prints the name of a picture and its predictions, best first.

    Args:
        form: `json`, `csv`, or None for text.
        task: the task, which defines the columns and the lines of its predictions.
        counts: whether the number of predictions of each class is printed instead.
    """
    if counts:
        return _counter(form)
    if form == "csv":
        writer = _csv_writer()
        writer.writerow(["file", "rank", *task.columns])

        def show_csv(name: str, predictions: Sequence[Any]) -> None:
            for rank, found in enumerate(predictions, start=1):
                writer.writerow([cell(name), rank, *map(_cell, task.cells(found))])
            sys.stdout.flush()

        return show_csv
    if form == "json":
        return _show_json

    def show_text(name: str, predictions: Sequence[Any]) -> None:
        echo(name, *(f"  {line}" for line in task.lines(predictions)))

    return show_text


def _csv_writer() -> Any:
    import csv  # imported here, because text needs none

    return csv.writer(sys.stdout, lineterminator="\n")


def _counter(form: str | None) -> Printer:
    """Returns a function that prints the name of a picture, and how many predictions there are of each class."""
    from zoo.tasks.detection import counted

    writer = _csv_writer()
    if form == "csv":
        writer.writerow(["file", "label", "count"])

    def show(name: str, predictions: Sequence[Any]) -> None:
        counts = counted(predictions)
        if form == "json":
            print_json({"file": name, "counts": counts}, indent=None)
        elif form == "csv":
            # A picture with nothing has a line, too, so that a table has every picture.
            writer.writerows([cell(name), cell(label), count] for label, count in (counts or {"": 0}).items())
            sys.stdout.flush()
        else:
            echo(name, *(f"  {count:>4}  {label}" for label, count in (counts or {"objects": 0}).items()))

    return show


def _cell(value: object) -> str:
    """Returns a CSV cell: a float with six digits, an int as it is, and text made safe by `cell`."""
    return f"{value:.6g}" if isinstance(value, float) else str(value) if isinstance(value, int) else cell(value)


def _show_json(name: str, predictions: Sequence[Any]) -> None:
    import dataclasses  # imported here, because text needs none

    found = [dataclasses.asdict(prediction) for prediction in predictions]
    print_json({"file": name, "predictions": found}, indent=None)
