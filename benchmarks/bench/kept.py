"""What the cases of `compression.py` share: pictures, trainings that are kept, and files that are judged and timed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench import packages
from bench.packages import Package
from bench.script import say
from bench.turns import loaded
from zoo.export.checking.judging import Verdict
from zoo.export.options import ExportOptions
from zoo.export.tflite.exporter import to_tflite
from zoo.files.writing import atomic
from zoo.runner import Predictor
from zoo.runner.evaluate import evaluate
from zoo.training import TrainResult, resume
from zoo.training.tasks import task_named

if TYPE_CHECKING:
    import keras

SAMPLES = 200
"""Training pictures that ranges are measured on."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """A model whose file is measured."""

    seed: int
    how: str
    """What files of this kind are called."""
    model: keras.Model
    run: TrainResult
    """The training with the pictures: int8 is calibrated on training pictures, and held-out ones judge."""
    options: Row = field(default_factory=dict)
    """Fields of `ExportOptions`."""
    facts: Row = field(default_factory=dict)
    """What else the row says."""


@dataclass(frozen=True)
class Bench:
    """The sizes of a benchmark, and the folder of its pictures, runs and files."""

    folder: Path
    """Finished runs in it are not trained again."""
    train: int
    """Number of training pictures."""
    test: int
    """Number of test pictures."""
    epochs: float
    """The factor of all numbers of epochs, 1 for those that the docs show."""
    seeds: tuple[int, ...]
    runs: int
    """Timed runs of each file."""

    def count(self, epochs: int) -> int:
        """Returns a number of epochs, at least 1."""
        return max(1, round(epochs * self.epochs))

    def pictures(self, package: Package, seed: int) -> Path:
        """Returns class folders of a package's pictures, which are written once for each seed."""
        path = self.folder / f"{package.name}-{self.train}-{self.test}-{seed}"
        if not path.exists():
            packed = packages.find(package)
            with atomic(path) as scratch:
                packages.write_pictures(package, packed, scratch, train=self.train, test=self.test, seed=seed)
        return path

    def run(self, name: str, begin: Callable[[Path], TrainResult]) -> TrainResult:
        """Returns a training: a finished one of this name, one that is continued, or a new one.

        Args:
            name: the name of the run's folder.
            begin: trains into a new folder.
        """
        path = self.folder / "runs" / f"{name}-{self.train}-{self.epochs:g}"
        say(f"{path.name}: {'taken from' if (path / 'metrics.json').exists() else 'trained in'} {path.parent}")
        return resume(path) if path.exists() else begin(path)

    def rows(self, name: str, made: Iterable[Made], *, timed: bool = True) -> list[Row]:
        """Exports models, however well they agree, and judges the files on held-out pictures.

        Args:
            name: the first part of the files' names.
            made: the models.
            timed: whether the first file of each kind is timed: one run on one thread, all in turn.

        Returns:
            A row for each, with its `score`, 0..1, its `bytes`, and the milliseconds of its kind, `ms`.
        """
        rows: list[Row] = []
        files: dict[str, Path] = {}
        for one in made:
            path = self.folder / "files" / f"{name}-{len(rows)}.tflite"
            data = one.run.data
            options = ExportOptions(**{"quantize": "int8", "preprocessing": data.preprocessing, **one.options})
            to_tflite(one.model, path, options, calibration=data.sample(SAMPLES), labels=data.class_names, judge=_keep)
            held_out = task_named(one.run.task).held_out(data, one.run.metrics["split"])
            score = float(evaluate(Predictor(path, trusted=True), held_out).score)
            say(f"{path.name}: {score:.3f} on {len(held_out)} files")
            files.setdefault(one.how, path)
            rows.append({"seed": one.seed, "how": one.how, **one.facts, "score": score, "bytes": path.stat().st_size})
        return self.timed(rows, files) if timed else rows

    def timed(self, rows: list[Row], files: dict[str, Path]) -> list[Row]:
        """Returns rows with the median of the times of one run of the file of their kind, in milliseconds."""
        times = {how: 1e3 * median(one.record.seconds) for how, one in loaded(files, self.runs).items()}
        return [row | {"ms": times[row["how"]]} for row in rows]


def _keep(path: Path, verification: Any, options: ExportOptions) -> Verdict:
    """Keeps a file whatever it is worth: that is what is measured."""
    return Verdict()
