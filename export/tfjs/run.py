"""Writes the layers model of TensorFlow.js of a run, and measures it on the held-out files."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.export.checking.calibration import VERIFY_INPUTS
from zoo.export.detectors import task_of
from zoo.export.tfjs.check import read_back
from zoo.export.tfjs.exporter import prepare, to_tfjs
from zoo.tasks.confidence import wilson
from zoo.training.records.results import predict
from zoo.training.tasks import task_named

if TYPE_CHECKING:
    import keras

    from zoo.data import Data
    from zoo.training import TrainResult

MODE = "tfjs"
"""What the list of a run's files calls the mode of a layers model."""
MEASURED = (
    "was read back and measured with Keras, not with TensorFlow.js, so that it has no latency here; pages of Teachable "
    "Machine and ml5 resize pictures in their own way, which moves scores"
)


def require_layers(model: keras.Model, data: Data) -> None:
    """Finds out before a training whether TensorFlow.js has all layers of a model.

    Raises:
        ExportError, InputError: see `zoo.export.to_tfjs`.
    """
    # Layers that are rebuilt draw seeds: those of the training are to be the same with and without this trial.
    state = random.getstate()
    try:
        prepare(model, None, labels=data.class_names)
    finally:
        random.setstate(state)


def write_layers(result: TrainResult) -> tuple[dict[str, Any], list[str]]:
    """Writes the folder `NAME_tfjs` into a run's folder, reads it back, and measures it with Keras.

    Returns:
        Its row of the table of files, and notes.

    Raises:
        ZooError: see `zoo.export.to_tfjs`.
    """
    data, training, model = result.data, task_named(result.task), result.model
    split, count = result.metrics["split"], result.metrics["count"]
    written = to_tfjs(model, result.folder / f"{model.name}_tfjs", labels=data.class_names)
    again = read_back(written.path, written.half)
    score = training.evaluate(predict(again, data, split), data, split).as_dict()[training.monitor]
    inputs = np.asarray(data.sample(VERIFY_INPUTS), np.float32)
    reference, answers = (np.asarray(one.predict(inputs, verbose=0)) for one in (model, again))
    row = {
        "file": written.path.name,
        "mode": MODE,
        "bytes": sum(file.stat().st_size for file in written.path.iterdir()),
        training.monitor: score,
        "interval": list(wilson(round(score * count), count)) if training.counts_files else None,
        "agreement": task_of(model).agreement([reference], [answers]).share,
        "latency_ms": None,
        "runtime": "Keras, read back",
        "split": split,
        "count": count,
    }
    return row, [f"{written.path.name} {MEASURED}", *written.notes]
