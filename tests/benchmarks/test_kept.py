"""Trainings of benchmarks are kept, and every file is measured, whatever it is worth."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.kept import Bench, Made
from zoo.training import TrainResult, train


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, 120, 50, 0.5, (0,), 3)


@pytest.mark.slow
def test_a_finished_training_is_taken_again_and_its_files_are_judged(
    bench: Bench, digits_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[Path] = []

    def begin(out: Path) -> TrainResult:
        begun.append(out)
        return train("lenet", digits_folder, out=out, epochs=1)

    first, again = bench.run("lenet-0", begin), bench.run("lenet-0", begin)
    assert begun == [bench.folder / "runs" / "lenet-0-120-0.5"]
    assert (again.folder, again.score) == (first.folder, first.score)
    # One epoch teaches next to nothing, and the file is kept all the same.
    [row] = bench.rows("lenet", [Made(0, "float", again.model, again, {"quantize": "none"}, {"bits": 32})])
    assert row["score"] == pytest.approx(again.score, abs=1 / 12)
    assert row["bytes"] == (bench.folder / "files" / "lenet-0.tflite").stat().st_size
    assert row["ms"] > 0
    assert (row["seed"], row["how"], row["bits"]) == (0, "float", 32)
    assert "lenet-0-120-0.5: taken from" in capsys.readouterr().err


def test_epochs_have_a_factor_and_are_never_none(bench: Bench) -> None:
    assert [bench.count(epochs) for epochs in (20, 3, 1)] == [10, 2, 1]
