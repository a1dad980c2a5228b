"""What is found out before a training."""

from __future__ import annotations

import shutil
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
