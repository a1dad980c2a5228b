"""Pictures drawn with matplotlib and Pillow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo import plots

pytest.importorskip("matplotlib")

DRAW = """
import sys
from pathlib import Path
from zoo.plots import figure, save
drawing = figure(3, 2)
axes = drawing.subplots()
axes.set_title("title")
axes.plot([1, 2, 3], label="line")
axes.legend()
save(drawing, Path(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_settings_in_the_current_folder_start_no_latex(suffix: str, tmp_path: Path) -> None:
    """A `matplotlibrc` in the current folder is not followed; it could contain a LaTeX preamble."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\ntext.latex.preamble: \\input{evil}\n")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("latex", "pdflatex", "dvipng", "kpsewhich"):
        (programs / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/MARK\n")
        (programs / name).chmod(0o755)
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path)}
    command = [sys.executable, "-I", "-c", DRAW, f"drawing{suffix}"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert not (tmp_path / "MARK").exists()
    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"drawing{suffix}").exists()


def places(path: Path, count: int) -> list[tuple[int, int, int]]:
    """The colours in the middle of the lower half of a sheet's first places."""
    with Image.open(path) as sheet:
        width = sheet.width // 5
        rows = -(-count // 5)
        height = (sheet.height - 3 * 17) // rows
        assert sheet.mode == "RGB"
        found = [
            sheet.getpixel((i % 5 * width + width // 2, 3 * 17 + i // 5 * height + height * 2 // 3))
            for i in range(count)
        ]
    return [tuple(one) for one in found]


def test_a_sheet_has_each_picture_in_its_place_and_nothing_behind_the_last(tmp_path: Path) -> None:
    colours = [(40 * i, 255 - 40 * i, 7) for i in range(6)]
    pictures = np.array([np.full((9, 12, 3), colour) for colour in colours], np.uint8)
    plots.plot_pictures(pictures, [f"{i}\nnamed {i}" for i in range(6)], tmp_path / "a.png", "six")
    assert places(tmp_path / "a.png", 7) == [*colours, (255, 255, 255)]
    plots.plot_pictures(pictures, [f"{i}\nnamed {i}" for i in range(6)], tmp_path / "b.png", "six")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_sheet_of_gray_values_that_leave_the_range_of_bytes(tmp_path: Path) -> None:
    pictures = np.array([np.full((4, 4, 1), value) for value in (-3.0, 100.4, 300.0)], np.float32)
    plots.plot_pictures(pictures, ["a", "b", "c"], tmp_path / "a.png", "three")
    assert places(tmp_path / "a.png", 3) == [(0,) * 3, (100,) * 3, (255,) * 3]


def test_a_long_caption_stays_above_its_own_picture(tmp_path: Path) -> None:
    long = plots.caption("a very long name of a class that has no end")
    pictures = np.full((3, 8, 8, 3), 255, np.uint8)
    inked = {}
    for text in ("short", long):
        plots.plot_pictures(pictures, ["", f"{text}\nnamed {text}, 100%", ""], tmp_path / "a.png", "")
        with Image.open(tmp_path / "a.png") as sheet:
            columns = np.flatnonzero((np.asarray(sheet) < 128).any(axis=(0, 2)))
            inked[text] = columns.min(), columns.max()
            width = sheet.width // 5
        assert width <= columns.min()
        assert columns.max() < 2 * width
    # All of it is there: it is centred, with room on both sides.
    assert inked[long][0] > width + 1
    assert inked[long][1] < 2 * width - 2
    assert inked[long][1] - inked[long][0] > inked["short"][1] - inked["short"][0]


def test_a_sheet_without_pictures_has_its_title(tmp_path: Path) -> None:
    plots.plot_pictures(np.empty((0, 1, 1, 3), np.uint8), [], tmp_path / "a.png", "no misses")
    with Image.open(tmp_path / "a.png") as sheet:
        assert (np.asarray(sheet) < 128).any()
