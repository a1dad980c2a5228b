"""`zoo evaluate`."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from zoo.cli.options.detecting import refuse_without_objects, save, stem_of
from zoo.cli.options.runtime import open_predictor, options_beside, runtime_options
from zoo.cli.output import echo, json_option, print_error, print_json, print_table, status
from zoo.cli.places import require_elsewhere
from zoo.cli.types import PATH, PathType
from zoo.errors import OptionError, OutputError, listed
from zoo.text import cell, plural

if TYPE_CHECKING:
    from zoo.runner import Predictor
    from zoo.tasks.confusion import Confusion
    from zoo.tasks.evaluation import Evaluation, Section


@click.command()
@click.argument("file", type=PATH)
@click.argument("data", type=PATH)
@click.option("--against", type=PATH, help="Second file to compare FILE with, on the same pictures.")
@click.option("--confusion", type=PATH, help="Write the confusion matrix to this .csv or .png file.")
@click.option(
    "--mistakes",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Number of mistakes, or of a detector's worst pictures, to list and to draw.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Least score of an object in precision, recall, counts and confusion, for detectors.  "
    "[default: that of FILE, or 0.5]",
)
@click.option(
    "--draw",
    type=PathType(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Draw a detector's worst pictures into this folder, with what is there and what is found.",
)
@click.option("--all", "everything", is_flag=True, help="Judge the pictures that FILE was trained on, too.")
@runtime_options
@json_option
@click.pass_context
def evaluate(
    ctx: click.Context,
    /,
    file: Path,
    data: Path,
    against: Path | None,
    confusion: Path | None,
    mistakes: int,
    threshold: float | None,
    draw: Path | None,
    everything: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Measure how often FILE is right on the pictures in DATA.

    DATA is a folder with one folder of pictures for each class, named as in the file's labels, or a CSV file of
    path,label. For a detector it is labelled boxes: COCO JSON, Pascal VOC XML, YOLO text files or CSV; the figure is
    COCO's mAP, the mean over the overlaps 0.50 to 0.95 (what others publish as "AP" may be at an overlap of 0.5, or
    0.4, alone). If DATA is split into train, val and test, the held-out part is used. Pictures that FILE was trained
    on are counted and left out, as far as FILE or its run's folder tells. With --against, both files get the same
    pictures and are compared; --runtime, --delegate and --provider are for both if they are of one format, else for
    FILE.
    """
    _check_use(ctx, draw, mistakes, as_json=as_json)
    from zoo.runner.evaluate import evaluate as judge
    from zoo.runner.truth import find_truth

    if confusion is not None:
        _require_writable_matrix(confusion)
    files = [path for path in (file, against) if path is not None]
    predictors = [open_predictor(path, **options_beside(file, path, options)) for path in files]
    _check_tasks(predictors, confusion)
    _set_threshold(predictors, threshold, draw)
    truth = find_truth(predictors, data, everything=everything)
    _check_places(draw, confusion, [one.path for one in truth.pictures], [data, *files])
    for note in truth.notes:
        echo(f"note: {note}", err=True)
    with status("evaluating") as progress:
        found = [judge(predictor, truth.pictures, only=truth.only, progress=progress) for predictor in predictors]
    comparison = predictors[0].task.compare(found[0], found[1]) if against else None
    if confusion is not None:
        _write_confusion(found[0].confusion, confusion)
    if draw is not None:
        _draw(found[0], draw, mistakes)
    if against:
        _note_whose(file, [place for place in (confusion, draw) if place is not None])
    unreadable = [*truth.unusable, *found[0].unreadable]
    if as_json:
        document = {"file": str(file), "data": str(data), **truth.as_dict(), **found[0].as_dict()}
        document["unreadable"] = [str(error) for error in unreadable]
        document["notes"] = _doubts(files, found)
        if comparison is not None:
            document["against"] = {"file": str(against), **found[1].as_dict(), "comparison": comparison.as_dict()}
        print_json(document)
    else:
        if truth.note:
            echo(truth.note)
        _print(found[0], mistakes, _doubts(files, found))
        if comparison is not None:
            echo()
            _print_section(comparison.section((str(file), str(against)), found[0], found[1]))
            echo(comparison.line())
    for error in unreadable:
        print_error(error)
    return 1 if unreadable else 0


def _check_use(ctx: click.Context, draw: Path | None, mistakes: int, *, as_json: bool) -> None:
    """Refuses numbers of mistakes that would not be read.

    Raises:
        click.UsageError: it is one.
    """
    if draw is not None and not mistakes:
        raise click.UsageError("--mistakes 0 leaves no picture to draw; give another number, or leave --draw out")
    if as_json and draw is None and ctx.get_parameter_source("mistakes") is ParameterSource.COMMANDLINE:
        raise click.UsageError(
            "--mistakes is for the table and --draw, and --json has a list of its own; leave out --mistakes"
        )


def _require_writable_matrix(path: Path) -> None:
    """Finds out before the evaluation whether the confusion matrix can be written.

    Raises:
        click.BadParameter: its suffix is none of those that are written.
        OutputError: nothing can be written there.
        MissingDependencyError: it is a picture, and Matplotlib is not installed.
    """
    from zoo.files.writing import require_writable

    if path.suffix not in {".csv", ".png"}:
        raise click.BadParameter(f"{path} ends neither in .csv nor in .png", param_hint="--confusion")
    require_writable(path.parent)
    if path.suffix == ".png":
        from zoo.plots import require

        require(path)


def _note_whose(file: Path, places: Sequence[Path]) -> None:
    """Says whose answers are in the matrix and the drawn pictures, where two files were judged."""
    if places:
        echo(f"note: {listed(places)} {plural(len(places), 'shows', 'show')} the answers of {file} alone", err=True)


def _doubts(files: Sequence[Path], found: Sequence[Evaluation]) -> list[str]:
    """Returns a line for each file that may have learned nothing."""
    from zoo.tasks.evaluation import Doubtful

    told = [(path, one.doubt()) for path, one in zip(files, found, strict=True) if isinstance(one, Doubtful)]
    return [f"{path}: {doubt}" for path, doubt in told if doubt]


def _check_tasks(predictors: Sequence[Predictor[Any]], confusion: Path | None) -> None:
    """Finds out before the evaluation whether the files can be compared, and have the confusion matrix that is wanted.

    Raises:
        OptionError: they cannot, or have none.
    """
    first, *others = predictors
    for other in others:
        if other.task.name != first.task.name:
            raise OptionError(
                f"{first.session.path} is for {first.task.name} and {other.session.path} for {other.task.name}; "
                "compare files of the same task"
            )
    if confusion is not None and not first.task.has_confusion:
        raise OptionError(
            f"{first.session.path} is for {first.task.name}, which has no confusion matrix; leave --confusion out"
        )


def _set_threshold(predictors: Sequence[Predictor[Any]], threshold: float | None, draw: Path | None) -> None:
    """Sets the least score of an object, and finds out before the evaluation whether pictures can be drawn.

    Raises:
        OptionError: the files find no objects.
        OutputError: nothing can be written into the folder.
    """
    from zoo.files.writing import require_writable
    from zoo.tasks.task import StoredReader

    used = [name for name, value in (("--threshold", threshold), ("--draw", draw)) if value is not None]
    for one in predictors:
        if isinstance(one.task, StoredReader):
            one.task = one.task.narrowed(one.labels, threshold=threshold, iou=None, only=())
        else:
            refuse_without_objects(one, used)
    if draw is not None:
        require_writable(draw)


def _check_places(draw: Path | None, confusion: Path | None, pictures: Sequence[Path], given: Sequence[Path]) -> None:
    """Finds out before the evaluation whether what it writes would take the place of what it reads.

    Raises:
        OptionError: it would.
    """
    if draw is not None:
        require_elsewhere("--draw", draw, pictures, is_folder=True)
    if confusion is not None:
        require_elsewhere("--confusion", confusion, [*given, *pictures], is_folder=False)


def _draw(found: Evaluation, folder: Path, most: int) -> None:
    """Draws the worst pictures, numbered, the worst first."""
    from zoo.inputs.pictures.images import upright
    from zoo.tasks.evaluation import Drawable

    if isinstance(found, Drawable):
        worst = found.mistaken()[:most]
        if not worst:
            echo("note: no picture has a mistake to draw", err=True)
        for number, one in enumerate(worst, start=1):
            save(found.drawn(upright(one.path), one), folder / f"{number:03}_{stem_of(one.path.name)}.jpg")


def _print(found: Evaluation, mistakes: int, doubts: Sequence[str]) -> None:
    echo(found.headline(), *(f"note: {line}" for line in doubts), "")
    for number, section in enumerate(found.sections(mistakes)):
        if number:
            echo()
        _print_section(section)


def _print_section(section: Section) -> None:
    if section.title:
        echo(section.title)
    print_table(section.columns, section.rows, left=section.left)


def _write_confusion(found: Confusion, path: Path) -> None:
    from zoo.files.writing import atomic

    if path.suffix == ".png":
        from zoo.plots import plot_confusion

        plot_confusion(found.counts, found.labels, path)
        return
    with atomic(path) as scratch:
        try:
            with scratch.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(["truth", *map(cell, found.labels)])
                for label, row in zip(found.labels, found.counts.tolist(), strict=True):
                    writer.writerow([cell(label), *row])
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
