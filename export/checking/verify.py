"""Compares a file with its Keras model: both get the same inputs and should give the same outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.errors import MissingDependencyError
from zoo.export.checking.calibration import Calibration
from zoo.export.checking.holdout import dependence, doubts, sure
from zoo.export.detectors import compared_with, heads_of
from zoo.onnx.kinds import is_onnx
from zoo.runner.loading.runtimes import Runtime, find
from zoo.runner.loading.session import Session, load
from zoo.system.quiet import quiet
from zoo.tasks import DEFAULT, Task
from zoo.tasks.task import Agreement

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

KERAS_BATCH = 16


@dataclass(frozen=True)
class Verification:
    """How well a file agrees with its Keras model."""

    inputs: int
    source: str
    """The source of the inputs."""
    runtime: str
    """The runtime that ran the file."""
    max_diff: float
    """Largest absolute difference of an output value, over all inputs."""
    mean_diff: float
    agreement: Agreement
    """The agreement of both, as the task counts it."""
    asked: float = 0.0
    """Least agreement that was required of the file; with 0 it was counted but not judged."""
    mean_size: float = 0.0
    """Mean absolute value of Keras' outputs, to hold `mean_diff` against."""
    held_out: bool = True
    """Whether the file was calibrated on none of the inputs."""
    weakness: str = ""
    """What in the model may be why its file loses, see `zoo.export.checking.fragile`; empty if nothing is known."""
    doubts: tuple[str, ...] = ()
    """What makes the figures say less than they seem to, one line each."""

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them; the task's figures are beside the others."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del plain["agreement"], plain["doubts"], plain["weakness"]
        return plain | self.agreement.figures


def verify(
    model: keras.Model,
    path: Path,
    examples: Calibration,
    *,
    pixels: bool,
    target: str | None = None,
    task: Task[Any] = DEFAULT,
    labels: Sequence[str] = (),
    others: Array | None = None,
) -> Verification:
    """Runs the same inputs through Keras and through the file.

    Args:
        model: the model, which takes the examples as they are.
        path: the path of the file that was made from it.
        examples: pixels 0..255, or values.
        pixels: whether the examples are pixels; else they are values.
        target: its runtime is taken where it is installed, else the best there is.
        task: says what it means that two answers agree.
        labels: the names of the classes, where the model is trained: what casts doubt on the check is looked for.
        others: inputs unlike the examples, on which the file may part from Keras; what is found there is a doubt.
    """
    inputs = examples.inputs
    reference = _run_keras(model, inputs)
    with quiet():  # only now: a session holds the weights of its own, and Keras needs memory while it runs
        session = load_for(path, target)
    outputs = run_all(session, inputs, pixels=pixels)
    differences = [np.abs(ours - theirs).ravel() for ours, theirs in zip(reference, outputs, strict=True)]
    difference = np.concatenate(differences)
    agreement = compared_with(task, session.file).agreement(reference, outputs)
    # A detector's first output says nothing of the picture as a whole.
    scores = reference[0] if heads_of(task) is None else None
    found = doubts(agreement, examples, scores, labels) if labels else []
    if others is not None:
        found += _on_others(model, session, others, task, pixels=pixels)
    return Verification(
        inputs=len(inputs),
        source=examples.source,
        runtime=session.runtime,
        max_diff=float(difference.max()),
        mean_diff=float(difference.mean()),
        agreement=agreement,
        mean_size=float(np.mean([np.abs(one).mean() for one in reference])),
        doubts=tuple(found),
    )


def _on_others(model: keras.Model, session: Session, others: Array, task: Task[Any], *, pixels: bool) -> list[str]:
    """What is found on inputs unlike those of the calibration, where Keras is sure of its answer."""
    reference = _run_keras(model, others)
    chosen = sure(reference[0].reshape(len(others), -1))
    if not chosen.any():
        return []
    outputs = run_all(session, others[chosen], pixels=pixels)
    return dependence(task.agreement([one[chosen] for one in reference], outputs), int(chosen.sum()))


def load_for(path: Path, target: str | None) -> Session:
    """Loads a file that was made here, with its target's runtime where that is installed, else with the best one."""
    return load(path, runtime="auto" if is_onnx(path) else runtime_for(target), trusted=True)


def run_all(session: Session, inputs: Array, *, pixels: bool) -> tuple[Array, ...]:
    """Returns the file's outputs for all inputs, each `(count, ...)` float32, for any batch and types of the file."""
    batch, shape = session.input.shape[0], session.input.shape[1:]
    if shape != inputs.shape[1:]:  # its channels stand before height and width
        inputs = np.moveaxis(inputs, -1, 1)
    chunks = []
    for start in range(0, len(inputs), batch):
        chunk = inputs[start : start + batch]
        # The last chunk is filled up to the file's fixed batch, and the added outputs are cut off again.
        filled = np.resize(chunk, (batch, *chunk.shape[1:]))
        stored = session.run(session.input.store(filled, pixels=pixels))
        chunks.append([info.dequantize(one)[: len(chunk)] for info, one in zip(session.outputs, stored, strict=True)])
    return tuple(np.concatenate(parts) for parts in zip(*chunks, strict=True))


def _run_keras(model: keras.Model, inputs: Array) -> tuple[Array, ...]:
    """Returns the model's outputs for all inputs, in the order of `model.outputs`."""
    import keras

    chunks = []
    for start in range(0, len(inputs), KERAS_BATCH):
        found = model(inputs[start : start + KERAS_BATCH], training=False)
        # A model may return a dictionary or a nested list; Keras flattens both in the order of `model.outputs`.
        chunks.append([np.asarray(one, np.float32) for one in keras.tree.flatten(found)])
    return tuple(np.concatenate(parts) for parts in zip(*chunks, strict=True))


def runtime_for(target: str | None) -> Runtime:
    """Returns the runtime of a target where it is installed, else the best one."""
    if target == "tflite-runtime":
        try:
            return "tflite-runtime" if find("tflite-runtime") else "auto"
        except MissingDependencyError:
            return "auto"
    return "auto"
