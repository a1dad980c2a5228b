"""`zoo run`."""

from __future__ import annotations

import contextlib
import io
import itertools
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.options.detecting import Objects, Wanted, detecting_options
from zoo.cli.options.runtime import min_score_option, open_predictor, runtime_options, warn_of_random_weights
from zoo.cli.output import echo, overwrite, print_error, status
from zoo.cli.results import printer
from zoo.cli.types import PATH, PathType
from zoo.progress import SILENT
from zoo.text import count_of

if TYPE_CHECKING:
    from zoo.runner import Predictor


@click.command()
@click.argument("file", type=PATH)
@click.argument("photos", type=PathType(path_type=Path, readable=False), nargs=-1)
@click.option(
    "--camera",
    metavar="N|picamera2[:N]|PIPELINE",
    help="Run on the frames of a camera: its number, picamera2 (a Raspberry Pi's module), or a GStreamer pipeline.",
)
@click.option("--video", type=PATH, help="Run on the frames of a video file.")
@click.option("--frames", type=click.IntRange(min=1), help="Stop after this number of frames.")
@click.option(
    "--top-k",
    type=click.IntRange(min=1),
    help="Number of best classes or objects to show for each picture.  [default: 5 classes, 100 objects]",
)
@min_score_option
@detecting_options
@runtime_options
@click.option("--strict", is_flag=True, help="Stop at the first picture that cannot be read.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line per picture.")
@click.option(
    "--csv",
    "as_csv",
    is_flag=True,
    help="Print CSV, one line per class or object; text that begins with = + - or @ gets an apostrophe in front.",
)
def run(
    file: Path,
    photos: tuple[Path, ...],
    camera: str | None,
    video: Path | None,
    frames: int | None,
    top_k: int | None,
    threshold: float | None,
    only: str | None,
    count: bool,
    draw: Path | None,
    crop: Path | None,
    strict: bool,
    as_json: bool,
    as_csv: bool,
    **options: Any,
) -> int:
    """Run the model in FILE on PHOTOS.

    FILE holds everything that is needed: what it is for (classes, or objects and their boxes), input size, channels and
    labels. PHOTOS are files, folders, patterns, or - for
    standard input; for a model of sensor values they are .npy or .csv files. Each result is printed as soon as it is
    there. A picture that cannot be read is reported, the others still get their results, and the exit code is 1.
    """
    # Nothing but the runner is imported below: this command has to start fast on a board.
    _require_model_first(file, photos)
    sources = sum((bool(photos), camera is not None, video is not None))
    if sources != 1:
        line = _as_typed("zoo", "run", str(file), "PHOTO.jpg")
        missing = "" if sources else f"nothing is given to run {file} on, as in: {line}; "
        raise click.UsageError(f"{missing}give PHOTOS, or --camera, or --video")
    if as_json and as_csv:
        raise click.UsageError("give --json or --csv, not both")
    form = "json" if as_json else "csv" if as_csv else None
    if frames and photos:
        raise click.UsageError("--frames is for --camera and --video")
    if strict and not photos:
        raise click.UsageError("--strict is for PHOTOS; leave it out with --camera and --video")
    predictor = open_predictor(file, **options)
    wanted = Wanted(threshold, only, count, draw, crop)
    objects = Objects(predictor, wanted, photos, several=frames != 1 and not _is_one(photos))
    limit = objects.limit(top_k)
    if photos:
        failed = _run_on_pictures(predictor, photos, objects, limit, strict, form)
    else:
        failed = 0
        _run_on_frames(predictor, itertools.islice(_stream(camera, video), frames), objects, limit, form)
    if form is None:
        warn_of_random_weights(predictor)
    return 1 if failed else 0


def _require_model_first(file: Path, photos: Sequence[Path]) -> None:
    """Refuses a picture in the place of the model, before a reader of models says what it does not find in it.

    Raises:
        click.UsageError: the first word names a picture.
    """
    from zoo.inputs.find import SUFFIXES

    if file.suffix.lower() not in SUFFIXES:
        return
    models = [str(one) for one in photos if one.suffix.lower() in {".tflite", ".onnx"}]
    others = [str(one) for one in photos if str(one) not in models]
    line = _as_typed("zoo", "run", *(models[:1] or ["MODEL.tflite"]), str(file), *others)
    raise click.UsageError(f"{file} is a picture, and the model stands before the pictures: {line}")


def _as_typed(*words: str) -> str:
    import shlex  # only who typed something else is told

    return shlex.join(words)


def _run_on_pictures(
    predictor: Predictor[Any],
    photos: tuple[Path, ...],
    objects: Objects,
    limit: int | None,
    strict: bool,
    form: str | None,
) -> int:
    """Makes predictions for every picture, and returns how many could not be read."""
    from zoo.inputs.find import told
    from zoo.runner import find_pictures

    failed = full = 0
    left_out: Counter[str] = Counter()
    suffixes = predictor.suffixes
    show = printer(form, predictor.task, counts=objects.counts)
    # Where the results themselves appear on the terminal, nothing is drawn between them.
    drawn = contextlib.nullcontext(SILENT) if sys.stdout.isatty() else status("pictures", keep=True)
    with drawn as progress:
        results = predictor.predict_many(map(_source, find_pictures(photos, suffixes, left_out)), limit)
        for done, result in enumerate(results, start=1):
            progress.step("pictures", done)
            if result.error is None:
                piped = isinstance(result.source, io.BytesIO)
                name = str(getattr(result.source, "name", "-") if piped else result.source)
                objects.write(result.source, name, result.predictions)
                full += objects.counts and objects.is_full(result.predictions, limit)
                show(name, result.predictions)
            elif strict:
                raise result.error
            else:
                failed += 1
                print_error(result.error)
    _note_full(count_of(full, "picture has", "pictures have"), full)
    if left_out:
        echo(f"note: files of another kind were left out: {told(left_out)}", err=True)
    return failed


def _note_full(counted: str, full: int) -> None:
    """Says of how many pictures or frames there may be more objects than are counted, if it is any."""
    if full:
        echo(f"note: {counted} the most objects that are counted; --top-k sets another number", err=True)


def _is_one(photos: tuple[Path, ...]) -> bool:
    """Whether these are one picture: one file or standard input, no folder or pattern."""
    return len(photos) == 1 and (photos[0].is_file() or photos[0] == Path("-"))


def _source(path: Path) -> Any:
    if path != Path("-"):
        return path
    from zoo.inputs.pictures.formats import MAX_FILE_BYTES

    stream = io.BytesIO(sys.stdin.buffer.read(MAX_FILE_BYTES + 1))  # as much as shows that it is too much
    stream.name = "standard input"
    return stream


def _stream(camera: str | None, video: Path | None) -> Iterator[Any]:
    from zoo.inputs.pictures.camera import camera_frames, video_frames

    if camera is not None:
        return camera_frames(camera)
    assert video is not None  # noqa: S101  # one of the two was given
    return video_frames(video)


def _run_on_frames(
    predictor: Predictor[Any], stream: Iterator[Any], objects: Objects, limit: int | None, form: str | None
) -> None:
    """Prints one line per frame; on a terminal, each replaces the one before."""
    show = printer(form, predictor.task, counts=objects.counts) if form else None
    times: deque[float] = deque([time.perf_counter()], maxlen=30)
    full = 0
    for number, frame in enumerate(stream, start=1):
        predictions = predictor.predict(frame, limit)
        times.append(time.perf_counter())
        full += objects.counts and objects.is_full(predictions, limit)
        objects.write(frame, f"frame {number:06}", predictions)
        if show:
            show(f"frame {number}", predictions)
            continue
        rate = (len(times) - 1) / (times[-1] - times[0])
        line = f"frame {number}  {rate:5.1f} fps  {predictor.task.brief(predictions)}"
        (overwrite if sys.stdout.isatty() else echo)(line)
    if not form and sys.stdout.isatty():
        echo()
    _note_full(count_of(full, "frame has", "frames have"), full)
