"""Pictures drawn with matplotlib."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.plots import plot_pictures

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


def test_pictures_stand_in_rows_of_five_in_one_size_with_captions_above_them(tmp_path: Path) -> None:
    colours = [(200, 10 + 30 * i, 90) for i in range(7)]  # letters are gray
    pictures = np.broadcast_to(np.array(colours, np.uint8)[:, None, None], (7, 6, 12, 3))
    plot_pictures(pictures, ["right\nwrong"] * 7, tmp_path / "p.png", "title")
    with Image.open(tmp_path / "p.png") as image:
        drawn = np.asarray(image.convert("RGB"))
    spots = [np.argwhere((drawn == colour).all(axis=-1)) for colour in colours]
    first, last = (np.array([side(spot, axis=0) for spot in spots]) for side in (np.min, np.max))
    sizes = last - first
    assert np.ptp(sizes, axis=0).max() <= 2
    np.testing.assert_allclose(sizes[:, 1], 2 * sizes[:, 0], atol=3)
    assert sizes[0, 1] > 0.18 * drawn.shape[1]
    # The pictures of a row have the same height and follow one another; the second row begins below the first.
    assert np.ptp(first[:5, 0]) <= 1
    assert (np.diff(first[:5, 1]) > sizes[0, 1]).all()
    np.testing.assert_allclose(first[5:, 1], first[:2, 1], atol=1)
    assert first[5, 0] > last[0, 0]
    for top, left in first:
        assert drawn[top - 35 : top - 1, left : left + sizes[0, 1]].min() < 60, "no caption"


def test_a_gray_picture_is_drawn_by_0_to_255_whatever_its_own_range_is(tmp_path: Path) -> None:
    pictures = np.array([100, 140], np.uint8).repeat(16).reshape(2, 4, 4, 1)
    plot_pictures(pictures, ["", ""], tmp_path / "p.png", "")
    with Image.open(tmp_path / "p.png") as image:
        values, counts = np.unique(np.asarray(image.convert("L")), return_counts=True)
    assert set(values[counts > 10_000]) == {100, 140, 255}
