"""A first run without files of the user: a small int8 model of the package on real pictures held out from training.

`tools/make-demo-model` makes both, and names the source of the pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from zoo.runner.predictor import Predictor
from zoo.runner.runtimes import Runtime


@dataclass(frozen=True)
class Trial:
    """One picture, and the model's answer."""

    picture: str
    """Path of the picture, relative to `folder()`."""
    truth: str
    answer: str
    score: float
    """Score of the answer, 0..1."""

    @property
    def right(self) -> bool:
        """Whether the answer is the true class."""
        return self.answer == self.truth


def folder() -> Path:
    """Returns the folder of the installed package with `digits_int8.tflite` and `pictures/LABEL/*.png`."""
    return Path(str(resources.files("zoo.assets") / "demo"))


def demo(*, runtime: Runtime = "auto", threads: int | None = None) -> list[Trial]:
    """Runs the model on every picture.

    Args:
        runtime: see `zoo.runner.load`.
        threads: see `zoo.runner.load`.

    Raises:
        ModelFileError: this runtime cannot run the model, or the installation is damaged.
        MissingDependencyError: the runtime is not installed.
    """
    predictor: Predictor[Any] = Predictor(folder() / "digits_int8.tflite", runtime=runtime, threads=threads)
    order = {label: i for i, label in enumerate(predictor.labels)}
    trials = []
    for path in sorted(folder().glob("pictures/*/*.png"), key=lambda path: (order[path.parent.name], path.name)):
        best = predictor.predict(path, limit=1)[0]
        trials.append(Trial(str(path.relative_to(folder())), path.parent.name, best.label, best.score))
    return trials
