"""One worker of a training, or a training on several devices of one: `worker.py ORDER`.

The order is JSON: what to do (`train` lenet on data, train a `model` on data, or `resume` a run), its target, the
number of devices, an epoch with a batch of it and the signal that the process sends to itself after that, and the
options. What came of it is printed as JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import Any

from zoo.system.quiet import quiet_tensorflow

quiet_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402

import zoo  # noqa: E402
from zoo.errors import ZooError  # noqa: E402
from zoo.specs import NUM_CLASSES, ModelSpec  # noqa: E402
from zoo.training import TrainResult, resume, train  # noqa: E402
from zoo.training.stages import Stage  # noqa: E402
from zoo.training.watch import NullWatch  # noqa: E402


class Watch(NullWatch):
    """Counts the batches, and sends the signal."""

    def __init__(self, at: list[int] | None) -> None:
        self.at = at
        self.batches = 0

    def batch(self, stage: Stage, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Counts one."""
        self.batches += 1
        if self.at and [epoch, batch] == self.at[:2]:
            os.kill(os.getpid(), self.at[2])


@zoo.register(ModelSpec("normed", "a convolution with batch normalization", options=(NUM_CLASSES,)))
def normed(*, num_classes: int = 10) -> keras.Model:
    """Builds the smallest model whose training depends on the statistics of batches."""
    pixels = keras.Input((28, 28, 1))
    x = layers.Rescaling(1 / 255)(pixels)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(pixels, layers.Dense(num_classes, activation="softmax")(x))


def use_devices(count: int) -> None:
    """Makes so many devices of the one processor, for the mirrored strategy."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    whole = tf.distribute.MirroredStrategy
    tf.distribute.MirroredStrategy = lambda: whole([f"CPU:{i}" for i in range(count)])


def run(kind: str, target: Any, watch: Watch, options: dict[str, Any]) -> TrainResult:
    """Does what was ordered."""
    if kind == "train":
        return train("lenet", target, watch=watch, **options)
    if kind == "model":
        return train(target[0], target[1], watch=watch, **options)
    return resume(target, watch=watch, **options)


def main() -> None:
    """Prints the result, or the error."""
    kind, target, devices, at, options = json.loads(sys.argv[1])
    if devices > 1:
        use_devices(devices)
    watch = Watch(at)
    try:
        result = run(kind, target, watch, options)
    except ZooError as error:
        sys.stdout.write(json.dumps({"error": str(error)}) + "\n")
        sys.exit(error.exit_code)
    weights = b"".join(np.asarray(w).tobytes() for w in result.model.get_weights())
    said = {
        "batches": watch.batches,
        "weights": hashlib.sha256(weights).hexdigest(),
        "history": result.history,
        "accuracy": result.accuracy,
        "chief": result.chief,
    }
    sys.stdout.write(json.dumps(said) + "\n")


main()
