"""`zoo evaluate`."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.output import echo, json_option, print_error, print_json, print_table, progress_bar
from zoo.cli.runtime_options import open_classifier, runtime_options
from zoo.errors import OutputError
from zoo.text import cell

if TYPE_CHECKING:
    from zoo.runner.evaluate import Comparison, Evaluation

TABLE_CLASSES = 20
"""A table of more columns is not readable on a terminal."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--against", type=click.Path(path_type=Path), help="Another .tflite file, on the same pictures.")
@click.option("--confusion", type=click.Path(path_type=Path), help="Write the confusion matrix: .csv, or .png.")
@click.option("--mistakes", type=click.IntRange(min=0), default=10, show_default=True, help="How many to list.")
@runtime_options
@json_option
def evaluate(
    file: Path,
    data: Path,
    against: Path | None,
    confusion: Path | None,
    mistakes: int,
    as_json: bool,
    **options: Any,
) -> int:
    """Measure how often FILE is right on the pictures in DATA.

    DATA holds a folder of pictures for each class, named as the file's labels; of one that is split into train, val
    and test the held-out part is taken. Or it is a CSV file of path,label. With --against, both files see the same
    pictures, and the difference comes with its 95% confidence interval.
    """
    from zoo.files import require_writable
    from zoo.inputs import values
    from zoo.inputs.labelled import find_labelled
    from zoo.runner import evaluate as evaluation

    if confusion is not None:
        if confusion.suffix not in {".csv", ".png"}:
            raise click.BadParameter(f"{confusion} ends neither in .csv nor in .png", param_hint="--confusion")
        require_writable(confusion.parent)
    classifiers = [open_classifier(path, **options) for path in (file, against) if path is not None]
    suffixes = None if classifiers[0].takes_pictures else values.SUFFIXES
    pictures = find_labelled(data, suffixes, least=1).held_out()
    found = []
    with progress_bar("pictures", len(pictures) * len(classifiers)) as advance:
        found = [evaluation.evaluate(classifier, pictures, progress=advance) for classifier in classifiers]
    comparison = evaluation.compare(found[0], found[1], pictures) if against else None
    if confusion is not None:
        _write_confusion(found[0], confusion)
    if as_json:
        document = {"file": str(file), "data": str(data), **found[0].as_dict()}
        if comparison is not None:
            document["against"] = {"file": str(against), **found[1].as_dict(), "comparison": vars(comparison)}
        print_json(document)
    else:
        _print(found[0], mistakes)
        if comparison is not None:
            _print_comparison(file, found[0], str(against), found[1], comparison)
    for error in found[0].unreadable:
        print_error(error)
    return 1 if found[0].unreadable else 0


def _print(found: Evaluation, mistakes: int) -> None:
    best_five = f", top-5 {found.top5:.1%}" if len(found.labels) > 5 else ""
    echo(f"{found.count} pictures, top-1 {found.top1:.1%}{best_five}", "")

    def share(value: float | None) -> str:
        return "" if value is None else f"{value:.1%}"

    rows = [
        (figures.label, str(figures.count), share(figures.precision), share(figures.recall))
        for figures in found.classes()
    ]
    print_table(("class", "pictures", "precision", "recall"), rows)
    (used,) = (found.confusion.sum(axis=0) + found.confusion.sum(axis=1)).nonzero()
    if len(used) <= TABLE_CLASSES:
        echo("", "What they are (rows), what they are taken for (columns):")
        names = [found.labels[i] for i in used]
        counts = [[str(found.confusion[i, j] or "") for j in used] for i in used]
        print_table(("", *names), [[name, *row] for name, row in zip(names, counts, strict=True)])
    if found.mistakes and mistakes:
        shown = found.mistakes[:mistakes]
        some = f"{len(found.mistakes)} mistakes, the surest first:"
        echo("", some if len(shown) < len(found.mistakes) else "Mistakes:")
        print_table(
            ("picture", "is", "score", "taken for", "score "),
            [(str(m.path), m.truth, f"{m.truth_score:.1%}", m.named.label, f"{m.named.score:.1%}") for m in shown],
            left=("is", "taken for"),
        )


def _print_comparison(file: Path, first: Evaluation, other: str, second: Evaluation, found: Comparison) -> None:
    echo()
    print_table(
        ("file", "top-1", "top-5", "right where the other is wrong"),
        [
            (str(file), f"{first.top1:.1%}", f"{first.top5:.1%}", str(found.only_first)),
            (other, f"{second.top1:.1%}", f"{second.top5:.1%}", str(found.only_second)),
        ],
    )
    echo(
        f"The same name for {found.agreement:.1%} of {found.pictures} pictures. Top-1 differs by "
        f"{100 * found.difference:+.2f} points (95% confidence: {100 * found.low:+.2f} to {100 * found.high:+.2f})."
    )


def _write_confusion(found: Evaluation, path: Path) -> None:
    from zoo.files import atomic

    if path.suffix == ".png":
        from zoo.plots import plot_confusion

        plot_confusion(found.confusion, found.labels, path)
        return
    with atomic(path) as scratch:
        try:
            with scratch.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(["truth", *map(cell, found.labels)])
                for label, row in zip(found.labels, found.confusion.tolist(), strict=True):
                    writer.writerow([cell(label), *row])
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
