"""Makes a model with random weights give different answers to different inputs."""

from __future__ import annotations

from typing import Any

import numpy as np


def spread(model: Any, inputs: Any) -> Any:
    """Scales the kernel of a classifier's last layer so that the logits of these inputs are up to 2 apart.

    Args:
        model: of random weights, whose sums may have grown or vanished from layer to layer.
        inputs: as the model takes them.

    Returns:
        The model.
    """
    import keras

    head = [layer for layer in model.layers if layer.weights][-1]
    features = np.asarray(keras.Model(model.inputs[0], head.input)(inputs, training=False)).reshape(len(inputs), -1)
    kernel, bias = head.get_weights()
    logits = features @ kernel.reshape(-1, kernel.shape[-1])
    factor = 2 / np.ptp(logits, axis=0).max()
    head.set_weights([kernel * factor, bias - factor * logits.mean(axis=0)])
    return model
