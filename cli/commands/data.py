"""`zoo data`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from zoo.cli.groups import Group
from zoo.cli.output import echo, json_option, megabytes, print_json, print_table, status
from zoo.cli.types import GROUP_BY_HELP, PATH, RESIZE_HELP, SEED, int_list
from zoo.errors import InputError, listed
from zoo.inputs.preprocessing import RESIZES
from zoo.text import count_of

if TYPE_CHECKING:
    from zoo.data import DataReport


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def data(ctx: click.Context) -> None:
    """Check data before you train on them."""
    if ctx.invoked_subcommand is None:
        echo(*ctx.get_help().splitlines())


@data.command(short_help="Read all files of a folder and report what training would use.")
@click.argument("folder", type=PATH)
@click.option(
    "--input-size",
    "--size",
    "size",
    type=int_list,
    metavar="N[,N]",
    help="Size of the model's input: one number, or height,width.  [default: 224; for boxes 320]",
)
@click.option(
    "--channels",
    type=click.Choice(["1", "3"]),
    default="3",
    show_default=True,
    help="Number of colour channels: 1 for gray pictures, 3 for colour.",
)
@click.option(
    "--window",
    type=int_list,
    metavar="STEPS,N",
    help="Check .npy and .csv files of sensor values with this shape, instead of pictures.",
)
@click.option(
    "--resize", type=click.Choice(RESIZES), help=f"{RESIZE_HELP}  [default: as zoo run does it; for boxes stretch]"
)
@click.option(
    "--validation",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of each class to hold out for validation, if the data have no val folder.",
)
@click.option("--group-by", metavar="REGEX", default="", help=GROUP_BY_HELP)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Random seed of the split for validation.")
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    /,
    folder: Path,
    size: tuple[int, ...] | None,
    channels: str,
    window: tuple[int, ...] | None,
    resize: Any,
    validation: float,
    group_by: str,
    seed: int,
    as_json: bool,
) -> None:
    """Read all files of FOLDER and report what training would use.

    FOLDER holds class folders, or train and val (and test) folders with class folders inside; or it is a .csv file of
    path,label. Or it holds labelled boxes: COCO JSON, Pascal VOC XML, YOLO text files or CSV, in the layouts that
    Roboflow, CVAT, Label Studio and LabelImg write; a .json, data.yaml or .csv file may be given, too. Every file is
    decoded. Files that cannot be used are listed; training skips them. The exit code is 1 if the remaining files are
    not enough to train on.
    """
    if size is not None and len(size) > 2:
        raise click.UsageError(f"--input-size or --size takes one number or two, not {len(size)}", ctx)
    of_pictures = {"size": "--input-size", "channels": "--channels", "resize": "--resize"}
    unread = [
        typed for name, typed in of_pictures.items() if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if window is not None and unread:
        raise click.UsageError(
            f"--window is for sensor values, and {listed(unread)} for pictures; leave out what is not meant", ctx
        )
    from zoo.inputs.annotations import holds_boxes

    choices: dict[str, Any] = {"validation": validation, "seed": seed, "group_by": group_by, "as_json": as_json}
    if window is None and holds_boxes(folder):
        if resize not in {None, "stretch"}:
            raise click.UsageError(
                f"--resize {resize} is not for boxes: detectors see the whole picture, stretched; leave it out", ctx
            )
        problems = _check_boxes(folder, size or (320,), int(channels), resize or "stretch", **choices)
    else:
        height, width = (size or (224,))[0], (size or (224,))[-1]
        problems = _check_classes(folder, window or (height, width, int(channels)), resize, **choices)
    if problems:
        more = f" ({count_of(len(problems) - 1, 'more problem')})" if len(problems) > 1 else ""
        raise InputError(problems[0] + more)


def _check_classes(
    folder: Path, input_shape: tuple[int, ...], resize: Any, *, as_json: bool, **choices: Any
) -> tuple[str, ...]:
    """Reports on files by class, and returns the problems."""
    from zoo.data import check as check_data

    with status(f"reading {folder}") as progress:
        report = check_data(folder, input_shape, resize=resize, progress=progress, **choices)
    if as_json:
        print_json(report.as_dict())
    else:
        print_report(report)
    return report.problems


def _check_boxes(
    folder: Path, size: tuple[int, ...], channels: int, resize: Any, *, as_json: bool, **choices: Any
) -> tuple[str, ...]:
    """Reports on labelled boxes, and returns the problems."""
    from zoo.data.boxes import check_boxes, telling

    with status(f"reading {folder}") as progress:
        report = check_boxes(folder, (size[0], size[-1], channels), resize=resize, progress=progress, **choices)
    if as_json:
        print_json(report.as_dict())
    else:
        columns, rows = telling.count_rows(report)
        print_table(columns, rows)
        lines = [*telling.summary(report), *(f"note: {note}" for note in report.notes), *telling.oddities(report)]
        echo("", *lines, *telling.lists(report), *(f"problem: {problem}" for problem in report.problems))
    return report.problems


def print_report(report: DataReport) -> None:
    """Prints a report on data."""
    from zoo.data import telling

    columns, rows = telling.count_rows(report)
    print_table(columns, rows)
    echo("", *telling.summary(report))
    place = report.place
    where = {"memory": "in memory", "disk": f"in {place.folder}", "none": "nowhere"}[place.kind]
    echo(f"cache: {megabytes(place.size)} {where} ({place.why})")
    lines = [*telling.notes(report), *telling.lists(report), *(f"problem: {problem}" for problem in report.problems)]
    if lines:
        echo(*lines)
