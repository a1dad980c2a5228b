"""The options of `zoo run` for files that find objects, and what they write: drawn pictures, and the parts in boxes."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.types import PATH, PathType
from zoo.errors import OptionError, OutputError, in_one_line, listed

if TYPE_CHECKING:
    from PIL import Image

    from zoo.runner import Predictor
    from zoo.tasks.task import StoredReader

DEFAULT_CLASSES = 5
"""The number of best classes that a classifier shows unless told otherwise."""
SUFFIXES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
"""The files that are written, by suffix, with Pillow's names of the formats."""
OTHER_SUFFIXES = {".avi", ".avif", ".bmp", ".gif", ".mkv", ".mov", ".mp4", ".ppm", ".tif", ".tiff", ".webm"}
"""The suffixes of other pictures and of videos; who names such a file does not mean a folder."""
QUALITY = 92
LONGEST = 80
"""The most bytes of a picture's or a label's name in a file's name, which has 255 bytes at most."""


def detecting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --threshold, --only, --count, --draw and --crop."""
    options = [
        click.option(
            "--threshold",
            type=click.FloatRange(0, 1),
            help="Least score of an object, for detectors.  [default: that of FILE, or 0.5]",
        ),
        click.option(
            "--only",
            metavar="NAME,...",
            help="Classes to look for, for detectors; a name with a comma in double quotes.  [default: all]",
        ),
        click.option("--count", is_flag=True, help="Print how many objects of each class there are, for detectors."),
        click.option(
            "--draw",
            type=PATH,
            metavar="OUT",
            help="Draw the objects into the picture and write it to OUT: a .jpg, .png or .webp file for one photo, "
            "else a folder. For detectors.",
        ),
        click.option(
            "--crop",
            type=PathType(path_type=Path, file_okay=False),
            metavar="DIR",
            help="Write the part of the picture in each box to this folder, for detectors.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


class Wanted:
    """What the user wants of a detector, as `detecting_options` parsed it."""

    def __init__(
        self, threshold: float | None, only: str | None, count: bool, draw: Path | None, crop: Path | None
    ) -> None:
        self.threshold = threshold
        self.only = only
        self.count = count
        self.draw = draw
        self.crop = crop

    def used(self) -> list[str]:
        """Returns the options that were given."""
        return [f"--{name}" for name, value in vars(self).items() if value is not None and value is not False]


def refuse_without_objects(predictor: Predictor[Any], used: Sequence[str]) -> None:
    """Refuses the options of detectors that were given for another file; does nothing if none was.

    Raises:
        OptionError: some were.
    """
    if used:
        raise OptionError(
            f"{predictor.session.path} is a {predictor.task.noun} and finds no objects; leave {listed(used)} out"
        )


class Objects:
    """Prints, draws and cuts out what a detector finds; for other files all of it does nothing."""

    def __init__(
        self, predictor: Predictor[Any], wanted: Wanted, photos: Sequence[Path] = (), *, several: bool
    ) -> None:
        """Sets the limits of the predictor's task.

        Args:
            predictor: the file.
            wanted: what the user wants.
            photos: the files, folders and patterns whose pictures are read; nothing is written among them.
            several: whether there may be more pictures than one.

        Raises:
            OptionError: the file finds no objects, one file was named for many pictures, or pictures that are read lie
                in the place of those to write.
            InputError: a class is none of the file's.
            OutputError: nothing can be written there.
        """
        from zoo.tasks.task import StoredReader
        from zoo.text import name_list

        self._wanted = wanted
        self._task: StoredReader[Any] | None = None
        self._taken: set[str] = set()
        if not isinstance(predictor.task, StoredReader):
            refuse_without_objects(predictor, wanted.used())
            return
        only = [] if wanted.only is None else name_list(wanted.only)
        self._task = predictor.task = predictor.task.narrowed(
            predictor.labels, threshold=wanted.threshold, iou=None, only=only
        )
        self._check_places(several, [path for path in photos if path != Path("-")], predictor.suffixes)

    def _check_places(self, several: bool, photos: Sequence[Path], suffixes: Collection[str] | None) -> None:
        from zoo.cli.places import require_elsewhere
        from zoo.files.writing import require_writable
        from zoo.inputs.find import find_pictures

        if self._wanted.draw is not None:
            suffix = self._wanted.draw.suffix.lower()
            is_file = suffix in SUFFIXES and not self._wanted.draw.is_dir()
            if suffix in OTHER_SUFFIXES and not self._wanted.draw.is_dir():
                raise OptionError(
                    f"--draw {self._wanted.draw}: {suffix} files are not written; give a .jpg, .png or .webp file for "
                    "one picture, or a folder for the frames of a video"
                )
            if is_file and several:
                raise OptionError(
                    f"--draw {self._wanted.draw} is one file, but there may be several pictures; give a folder"
                )
            require_elsewhere("--draw", self._wanted.draw, find_pictures(photos, suffixes), is_folder=not is_file)
            require_writable(self._wanted.draw.parent if is_file else self._wanted.draw)
        if self._wanted.crop is not None:
            require_elsewhere("--crop", self._wanted.crop, find_pictures(photos, suffixes), is_folder=True)
            require_writable(self._wanted.crop)

    @property
    def counts(self) -> bool:
        """Whether numbers of objects are printed instead of the objects."""
        return self._wanted.count

    def limit(self, asked: int | None) -> int | None:
        """Returns the largest number of predictions: as asked, else what is usual for the file's task."""
        return asked if asked is not None or self._task is not None else DEFAULT_CLASSES

    def is_full(self, found: Sequence[Any], limit: int | None) -> bool:
        """Whether a picture has as many objects as are found at most, so that there may be more of them."""
        from zoo.tasks.detection import LIMIT

        return len(found) >= (LIMIT if limit is None else limit)

    def write(self, source: Any, name: str, found: Sequence[Any]) -> None:
        """Writes the drawn picture and the parts in boxes, where that is wanted.

        Args:
            source: the picture, as the predictor took it.
            name: the name of the picture's file, or of the frame.
            found: what is found in it, best first.

        Raises:
            InputError: the picture cannot be read again.
            OutputError: a file cannot be written.
        """
        draw, crop = self._wanted.draw, self._wanted.crop
        if self._task is None or (draw is None and crop is None):
            return
        from zoo.inputs.pictures.images import upright

        if isinstance(source, io.BytesIO):
            source.seek(0)
        picture = upright(source)
        stem = self._stem(name)
        if draw is not None:
            whole = draw.suffix.lower() in SUFFIXES and not draw.is_dir()
            save(self._task.draw(picture, found), draw if whole else draw / f"{stem}.jpg")
        if crop is not None:
            parts = zip(found, self._task.crops(picture, found), strict=True)
            for number, (one, part) in enumerate(parts, start=1):
                save(part, crop / f"{stem}_{number}_{_safe(one.label)}.jpg")

    def _stem(self, name: str) -> str:
        """Returns a file's name without its suffix, with a number behind it if another picture has that name."""
        stem = wanted = stem_of(name)
        number = 1
        while stem in self._taken:
            number += 1
            stem = f"{wanted}-{number}"
        self._taken.add(stem)
        return stem


def save(picture: Image.Image, path: Path) -> None:
    """Writes a picture in the format of its suffix, whole or not at all.

    Raises:
        OutputError: it cannot be written, or is larger than its format can hold.
    """
    from zoo.files.writing import atomic

    with atomic(path, durable=False) as scratch:  # a video has many frames
        try:
            # Colours at full size: thin lines would lose theirs in JPEG's usual half.
            picture.save(scratch, SUFFIXES[path.suffix.lower()], quality=QUALITY, subsampling=0)
        except ValueError as error:
            raise OutputError(
                f"cannot write {path}: {in_one_line(error, 200)}; the picture has {picture.width}x{picture.height} "
                "pixels, which a .png file holds"
            ) from error


def stem_of(name: str) -> str:
    """Returns the name of a picture's file without its suffix, as part of the name of another file."""
    return _safe(Path(name).stem) or "picture"


def _safe(text: str) -> str:
    """Returns text as part of a file's name: letters, digits, dots, lines and blanks, of at most `LONGEST` bytes."""
    return re.sub(r"[^\w.\- ]", "_", text).encode()[:LONGEST].decode(errors="ignore").strip(". ")
