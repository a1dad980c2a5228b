"""What is found out before a training."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import zoo
from zoo.errors import MissingDependencyError, OutputError
from zoo.training.needs import least_bytes, require_ready


@pytest.mark.slow
def test_a_disk_without_room_for_the_run_is_named_before_it(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def usage(path: Path) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=2_500_000)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    with pytest.raises(OutputError, match=r"run needs 3 MB at least .* has 2 MB left; .*--out"):
        zoo.train("lenet", pictures, out=tmp_path / "new" / "run", epochs=1)
    assert asked[0] in (tmp_path, tmp_path / "new")
    assert not (tmp_path / "new" / "run").exists()


def test_the_room_is_that_of_the_model_and_two_checkpoints() -> None:
    model = zoo.build("lenet")
    assert least_bytes(model) == 3 * 4 * model.count_params() + 2_000_000


@pytest.mark.slow
def test_plots_that_cannot_be_drawn_are_named_before_the_training(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match="pip install matplotlib"):
        zoo.train("lenet", pictures, out=tmp_path / "run", epochs=1)
    assert not (tmp_path / "run").exists()
    monkeypatch.undo()
    require_ready(tmp_path / "run", zoo.build("lenet"))


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["lenet", "nowhere"], "no data folder or .csv file nowhere"),
        (["ssdlite_mobilenet_v2", "nowhere"], "no data folder or annotation file nowhere"),
        (["lenet", ".", "--epochs", "-3"], "--epochs -3 is not allowed; give 0 to 100000"),
        (["lenet", ".", "--out", "taken"], "taken exists already; choose another folder with --out"),
        (["lenet", ".", "--weights", "none.keras"], "no weights file none.keras"),
        (["lenet", ".", "--weights", "imagenet"], "no ImageNet weights are published for lenet; there are for mobile"),
    ],
)
def test_what_shows_at_a_look_is_refused_before_tensorflow_is_imported(
    words: list[str], error: str, tmp_path: Path
) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").touch()
    program = (
        "import sys; from zoo.cli.main import main\ntry: main(sys.argv[1:])\nexcept SystemExit as ended:\n"
        "    sys.exit(99 if 'tensorflow' in sys.modules else ended.code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "train", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"zoo: error: {error}")
