"""Keras against `.tflite`: does the file say what the model says?"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.errors import MissingDependencyError
from zoo.export.calibration import Calibration
from zoo.quiet import quiet
from zoo.runner.runtimes import Runtime, find
from zoo.runner.session import Session, load

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

KERAS_BATCH = 16


@dataclass(frozen=True)
class Verification:
    """How well a file agrees with the Keras model it came from."""

    inputs: int
    source: str
    """What the inputs were."""
    runtime: str
    """What ran the file."""
    max_diff: float
    """Largest absolute difference of an output value, over all inputs."""
    mean_diff: float
    top1: float
    """Share of inputs on which both name the same best class."""
    top5: float
    """Share of inputs on which the file's best five hold Keras' best class."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


def verify(
    model: keras.Model, path: Path, examples: Calibration, *, pixels: bool, target: str | None = None
) -> Verification:
    """Runs the same inputs through Keras and through the file.

    Args:
        model: takes the examples as they are.
        path: of the file made from it.
        examples: pixels 0..255, or values.
        pixels: which of the two.
        target: its runtime is taken where it is installed, else the best there is.
    """
    inputs = examples.inputs
    with quiet():
        session = load(path, runtime=_runtime(target), trusted=True)
    keras_scores = np.concatenate(
        [
            np.asarray(model(inputs[i : i + KERAS_BATCH], training=False), np.float32)
            for i in range(0, len(inputs), KERAS_BATCH)
        ]
    )
    file_scores = run_all(session, inputs, pixels=pixels)
    difference = np.abs(keras_scores - file_scores)
    best = keras_scores.argmax(axis=1)
    best_five = np.argsort(-file_scores, axis=1, kind="stable")[:, :5]
    return Verification(
        inputs=len(inputs),
        source=examples.source,
        runtime=session.runtime,
        max_diff=float(difference.max()),
        mean_diff=float(difference.mean()),
        top1=float((file_scores.argmax(axis=1) == best).mean()),
        top5=float((best_five == best[:, np.newaxis]).any(axis=1).mean()),
    )


def run_all(session: Session, inputs: Array, *, pixels: bool) -> Array:
    """The file's scores, `(count, classes)` float32, whatever its batch and types are."""
    batch = session.input.shape[0]
    scores = []
    for start in range(0, len(inputs), batch):
        chunk = inputs[start : start + batch]
        # The last chunk is filled up to the file's fixed batch; what was added is cut off again.
        filled = np.resize(chunk, (batch, *chunk.shape[1:]))
        stored = session.input.store(filled, pixels=pixels)
        scores.append(session.output.dequantize(session.run(stored))[: len(chunk)])
    return np.concatenate(scores)


def _runtime(target: str | None) -> Runtime:
    if target == "tflite-runtime":
        try:
            return "tflite-runtime" if find("tflite-runtime") else "auto"
        except MissingDependencyError:
            return "auto"
    return "auto"
