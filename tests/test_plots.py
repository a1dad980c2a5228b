"""Pictures drawn with matplotlib."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
