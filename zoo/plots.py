"""Draws results as pictures: curves and tables with matplotlib, sheets of photos with Pillow."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from zoo.errors import InputError, MissingDependencyError, first_line
from zoo.files.writing import atomic
from zoo.system.surroundings import import_elsewhere
from zoo.text import shown

if TYPE_CHECKING:
    from zoo.tasks.confidence import Bin

FORMATS = (".png", ".svg")
_CAPTION = 40
"""Most characters of a label; longer labels would leave no room for the picture itself."""

_COLUMNS, _SIDE, _GAP, _LINE = 5, 240, 12, 17
"""Pictures in a row of a sheet; in pixels their longer side, the space around them, and the height of a line."""
_COMPRESSION = 4
"""The level of a sheet's PNG: Pillow's own takes almost three times as long for a file that is a fiftieth smaller."""
_TITLE_SIZE, _TEXT_SIZE, _LEAST_SIZE = 20, 13, 8
"""Sizes of letters in pixels."""


def figure(width: float, height: float) -> Any:
    """Makes an empty figure, with its size in inches, that needs no display.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    import_elsewhere()
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            f"pictures need matplotlib ({first_line(error)}): pip install matplotlib"
        ) from error
    # Figure itself, not pyplot: no global state, and no window system is looked for.
    return Figure(figsize=(width, height), layout="constrained")


def check_name(path: Path) -> None:
    """Finds out early whether `save` knows a picture's format.

    Raises:
        InputError: the file's name ends in neither `.png` nor `.svg`.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path} ends neither in {' nor in '.join(FORMATS)}; name a picture so")


def require(path: Path) -> None:
    """Finds out before long work whether a picture can be drawn into a file of this name.

    Raises:
        InputError: its name ends in neither `.png` nor `.svg`.
        MissingDependencyError: matplotlib is not installed.
    """
    check_name(path)
    figure(1, 1)


def save(drawing: Any, path: Path) -> None:
    """Writes a figure as PNG or SVG, depending on the file's suffix, whole or not at all.

    Raises:
        InputError: the file's name ends in neither `.png` nor `.svg`.
        OutputError: the file cannot be written.
    """
    check_name(path)
    from matplotlib import rc_context
    from matplotlib.text import Text

    kind = path.suffix.lower().removeprefix(".")
    # The same drawing gives the same bytes, without a date, a program's name or random names.
    nothing = dict.fromkeys(("Date", "Creator") if kind == "svg" else ("Software",))
    # Text stays plain text, without formulas between dollar signs and without TeX, whatever `matplotlibrc` says.
    plain = rc_context({"svg.hashsalt": "zoo", "text.parse_math": False, "text.usetex": False})
    with atomic(path, durable=False) as scratch, plain:
        for text in drawing.findobj(Text):
            text.set_parse_math(False)
            text.set_usetex(False)
        drawing.savefig(scratch, format=kind, dpi=120, metadata=nothing)


def caption(text: object) -> str:
    """Returns untrusted text as a drawing can show it: in one line of limited length."""
    plain = shown(text)
    return plain if len(plain) <= _CAPTION else f"{plain[: _CAPTION - 3]}..."


def plot_confusion(confusion: npt.NDArray[np.int64], labels: Sequence[str], path: Path) -> None:
    """Draws `(classes, classes)` counts, true class by row; cells are shaded by their share of the row."""
    size = len(labels)
    side = min(24.0, max(4.0, 0.45 * size + 2))
    drawing = figure(side, side)
    axes = drawing.subplots()
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("named")
    axes.set_ylabel("truth")
    if size <= 50:
        names = [caption(label) for label in labels]
        axes.set_xticks(range(size), names, rotation=90)
        axes.set_yticks(range(size), names)
    if size <= 30:
        for row, column in zip(*confusion.nonzero(), strict=True):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(confusion[row, column]), ha="center", va="center", color=colour, fontsize=8)
    right = np.trace(confusion)
    axes.set_title(f"{right} of {confusion.sum()} right ({right / max(1, confusion.sum()):.1%})")
    save(drawing, path)


def plot_reliability(answers: Mapping[str, Sequence[Bin]], path: Path) -> None:
    """Draws the share of right answers by score, and below it how many answers have which score.

    Args:
        answers: bins of answers by their best score, by the names that the drawing gives them.
        path: the file of the drawing.
    """
    drawing = figure(5, 6)
    upper, lower = drawing.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color="gray", linewidth=0.8, linestyle=":", label="as often right as sure")
    for name, bins in answers.items():
        there = [one for one in bins if one.count]
        upper.plot([one.score for one in there], [one.accuracy for one in there], marker="o", markersize=4, label=name)
        edges = [*(one.low for one in bins), bins[-1].high]
        lower.stairs([one.count for one in bins], edges, label=name)
    upper.set_ylabel("share that is right")
    upper.legend(loc="upper left")
    upper.grid(alpha=0.3)
    lower.set_xlabel("score of the class that is named")
    lower.set_ylabel("files")
    lower.set_xlim(0, 1)
    upper.set_ylim(0, 1.02)
    save(drawing, path)


def plot_curves(history: Sequence[dict[str, Any]], best_epoch: int, path: Path, names: Sequence[str]) -> None:
    """Draws the loss and metrics of these names by epoch, with a line where a new stage begins.

    A row has the value of a name on the validation files under `val_NAME`, that of training under `NAME`, or both.
    """
    drawing = figure(4.5 * len(names), 4)
    epochs = [row["epoch"] for row in history]
    for axes, name in zip(drawing.subplots(1, len(names), squeeze=False).flat, names, strict=True):
        marker = "o" if len(epochs) < 3 else ""
        if all(name in row for row in history):
            axes.plot(epochs, [row[name] for row in history], label="training", marker=marker)
        if all(f"val_{name}" in row for row in history):
            axes.plot(epochs, [row[f"val_{name}"] for row in history], label="validation", marker=marker)
        axes.axvline(best_epoch, color="gray", linewidth=0.8, linestyle=":", label=f"best: {best_epoch}")
        for row, following in itertools.pairwise(history):
            if row["stage"] != following["stage"]:
                axes.axvline(row["epoch"] + 0.5, color="black", linewidth=0.8)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    axes.legend()
    save(drawing, path)


def plot_pictures(pictures: npt.NDArray[Any], captions: Sequence[str], path: Path, title: str) -> None:
    """Draws pictures `(count, height, width, 1 or 3)`, 0..255, in rows of five with their captions, as PNG.

    The caller passes labels through `caption` first. Pillow draws here: matplotlib lays out 25 axes, which takes longer
    than the training of a head on a few hundred pictures.

    Raises:
        OutputError: the file cannot be written.
    """
    count = len(captions)
    most = max((text.count("\n") + 1 for text in captions), default=0)
    width, height = _SIDE + 2 * _GAP, _SIDE + _LINE * most + 2 * _GAP
    sheet = Image.new("RGB", (_COLUMNS * width, 3 * _LINE + -(-count // _COLUMNS) * height), "white")
    _write(sheet, title, _TITLE_SIZE, 3 * _LINE)
    for at, (picture, text) in enumerate(zip(pictures, captions, strict=True)):
        cell = Image.new("RGB", (width, height), "white")
        bottom = _GAP + _LINE * most
        _write(cell, text, _TEXT_SIZE, bottom)
        shown_as = _fitted(picture)
        cell.paste(shown_as, ((width - shown_as.width) // 2, bottom + _GAP // 2))
        sheet.paste(cell, (at % _COLUMNS * width, 3 * _LINE + at // _COLUMNS * height))
    with atomic(path, durable=False) as scratch:
        sheet.save(scratch, format="png", compress_level=_COMPRESSION)


def _fitted(picture: npt.NDArray[Any]) -> Image.Image:
    """Returns a picture `(height, width, 1 or 3)` as large as its place; the pixels of a small one stay squares."""
    values = np.clip(picture, 0, 255).astype(np.uint8)
    image = Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values).convert("RGB")
    scale = _SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.NEAREST if scale >= 3 else Image.Resampling.BICUBIC)


def _write(image: Image.Image, text: str, size: int, bottom: int) -> None:
    """Writes lines in the middle of an image, the last one above `bottom`; in smaller letters where they are long."""
    draw, room = ImageDraw.Draw(image), image.width - _GAP
    longest = max(_font(size).getlength(line) for line in text.split("\n"))
    font = _font(size if longest <= room else max(_LEAST_SIZE, int(size * room / longest)))
    for above, line in enumerate(reversed(text.split("\n"))):
        draw.text((image.width / 2, bottom - above * _LINE), line, fill="black", font=font, anchor="md")


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Returns the font of all plots."""
    import_elsewhere()
    import matplotlib as mpl

    # Pillow's own font has Latin letters only. The simple layout gives the same pixels with and without libraqm.
    file = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(file), size, layout_engine=ImageFont.Layout.BASIC)
