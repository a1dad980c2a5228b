"""How `zoo run` prints what it finds: text, JSON lines or CSV, each flushed, so that an interrupt loses none."""

from __future__ import annotations

import csv
import dataclasses
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from zoo.cli.output import echo, print_json
from zoo.text import cell

if TYPE_CHECKING:
    from zoo.runner import Prediction

Printer = Callable[[str, "Sequence[Prediction]"], None]


def printer(form: str | None) -> Printer:
    """What prints the name of a picture and its predictions, best first; `form` is json, csv or None."""
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["file", "rank", "label", "index", "score"])

        def show_csv(name: str, predictions: Sequence[Prediction]) -> None:
            for rank, found in enumerate(predictions, start=1):
                writer.writerow([cell(name), rank, cell(found.label), found.index, f"{found.score:.6g}"])
            sys.stdout.flush()

        return show_csv
    return _show_json if form == "json" else _show_text


def _show_json(name: str, predictions: Sequence[Prediction]) -> None:
    found = [dataclasses.asdict(prediction) for prediction in predictions]
    print_json({"file": name, "predictions": found}, indent=None)


def _show_text(name: str, predictions: Sequence[Prediction]) -> None:
    echo(name, *(f"  {found.score:7.2%}  {found.label}" for found in predictions))
