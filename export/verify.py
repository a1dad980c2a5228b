"""Keras against `.tflite`: does the file say what the model says?"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.quiet import quiet
from zoo.runner import backends

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]


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


def synthetic_inputs(shape: tuple[int, ...], count: int, seed: int = 0) -> Array:
    """Inputs for when there are none: pictures of smooth random patches, sensor windows of noise.

    Args:
        shape: of one input, without the batch.
        count: how many.
        seed: of the generator.

    Returns:
        `(count, *shape)` float32; pictures hold whole numbers 0..255.
    """
    rng = np.random.default_rng(seed)
    if len(shape) != 3:
        return rng.standard_normal((count, *shape)).astype(np.float32)
    height, width, channels = shape
    pictures = np.empty((count, *shape), np.float32)
    for i in range(count):
        # Patches from 1 to 32 pixels: white noise alone would look the same to every filter.
        patch = int(rng.choice([1, 2, 4, 8, 16, 32]))
        small = rng.integers(0, 256, (-(-height // patch), -(-width // patch), channels))
        pictures[i] = small.repeat(patch, axis=0).repeat(patch, axis=1)[:height, :width]
    return pictures


def verify(
    model: keras.Model, path: Path, inputs: Array, *, source: str, runtime: backends.Runtime = "auto"
) -> Verification:
    """Runs the same inputs through Keras and through the file.

    Args:
        model: takes `inputs`.
        path: of the file made from it.
        inputs: `(count, ...)`, float32: pixels 0..255, or sensor values.
        source: says what the inputs are, for the report.
        runtime: that runs the file.
    """
    with quiet():
        session = backends.load(path, runtime=runtime)
    batch = session.input.shape[0]
    expected, actual = [], []
    for start in range(0, len(inputs), batch):
        chunk = inputs[start : start + batch]
        # The last chunk is filled up to the file's fixed batch; what was added is cut off again.
        filled = np.resize(chunk, (batch, *chunk.shape[1:]))
        expected.append(np.asarray(model(filled, training=False))[: len(chunk)])
        actual.append(session.output.dequantize(session.run(filled))[: len(chunk)])
    keras_scores = np.concatenate(expected).reshape(len(inputs), -1)
    file_scores = np.concatenate(actual).reshape(len(inputs), -1)
    difference = np.abs(keras_scores - file_scores)
    best = keras_scores.argmax(axis=1)
    best_five = np.argsort(-file_scores, axis=1, kind="stable")[:, :5]
    return Verification(
        inputs=len(inputs),
        source=source,
        runtime=session.runtime,
        max_diff=float(difference.max()),
        mean_diff=float(difference.mean()),
        top1=float((file_scores.argmax(axis=1) == best).mean()),
        top5=float((best_five == best[:, np.newaxis]).any(axis=1).mean()),
    )
