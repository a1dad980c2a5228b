"""What the cases of `compression.py` share: pictures, trainings that are kept, and files that are judged and timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench import packages
from bench.packages import Package
from bench.turns import spread
from zoo.benchmark.interleave import Candidate, time_runs
from zoo.export.checking.judging import Verdict
from zoo.export.options import ExportOptions, Quantize
from zoo.export.tflite.exporter import to_tflite
from zoo.files import atomic
from zoo.runner import Predictor
from zoo.runner.evaluate import evaluate
from zoo.training import TrainResult, resume
from zoo.training.tasks import task_named

if TYPE_CHECKING:
    import keras

SAMPLES = 200
"""Training pictures that ranges are measured on."""
WARMUP = 3


@dataclass(frozen=True)
class Bench:
    """The sizes of a benchmark, and the folder of its pictures, runs and files."""

    folder: Path
    """Finished runs in it are not trained again."""
    data: Path | None
    """A folder with the packages' files; None to have npm fetch them."""
    train: int
    """Number of training pictures."""
    test: int
    """Number of test pictures."""
    epochs: float
    """The factor of all numbers of epochs, 1 for those that the docs show."""
    seeds: tuple[int, ...]
    runs: int
    """Timed runs of each file."""

    def say(self, text: str) -> None:
        """Says on stderr what happens."""
        click.echo(text, err=True)

    def count(self, epochs: int) -> int:
        """Returns a number of epochs, at least 1."""
        return max(1, round(epochs * self.epochs))

    def pictures(self, package: Package, seed: int) -> Path:
        """Returns class folders of a package's pictures, which are written once for each seed."""
        path = self.folder / f"{package.name}-{self.train}-{self.test}-{seed}"
        if not path.exists():
            packed = packages.find(package, self.data)
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
        self.say(f"{path.name}: {'taken from' if (path / 'metrics.json').exists() else 'trained in'} {path.parent}")
        return resume(path) if path.exists() else begin(path)

    def file(
        self, name: str, model: keras.Model, result: TrainResult, quantize: Quantize = "int8", **how: Any
    ) -> tuple[Path, dict[str, Any]]:
        """Exports a model, however well it agrees, and judges the file on the held-out pictures of a run.

        Args:
            name: the file's name, without its suffix.
            model: the model.
            result: the run, whose training pictures int8 is calibrated on.
            quantize: the mode.
            **how: fields of `ExportOptions`.

        Returns:
            The file, and a row with its `score`, 0..1, and its `bytes`.
        """
        path = self.folder / "files" / f"{name}.tflite"
        options = ExportOptions(quantize=quantize, preprocessing=result.data.preprocessing, **how)
        examples = result.data.sample(SAMPLES)
        to_tflite(model, path, options, calibration=examples, labels=result.data.class_names, judge=_keep)
        split = result.metrics["split"]
        held_out = task_named(result.task).held_out(result.data, split)
        found = evaluate(Predictor(path, trusted=True), held_out)
        self.say(f"{path.name}: {found.score:.3f} on {len(held_out)} files")
        return path, {"score": float(found.score), "bytes": path.stat().st_size}

    def times(self, files: Mapping[str, Path]) -> dict[str, dict[str, float]]:
        """Returns the milliseconds of one run of each file, on one thread, all in turn."""
        candidates = {name: Candidate(path, "auto", 1, None, trusted=True) for name, path in files.items()}
        time_runs(list(candidates.values()), self.runs, WARMUP)
        return {name: spread(candidate.record.seconds, 1e3) for name, candidate in candidates.items()}


def _keep(path: Path, verification: Any, options: ExportOptions) -> Verdict:
    """Keeps a file whatever it is worth: that is what is measured."""
    return Verdict()
