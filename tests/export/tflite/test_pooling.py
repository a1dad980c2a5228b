"""Averages over windows, which no net of the zoo has: a user's own model with them is exported in every mode."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import pytest
from keras import layers

from zoo.export import to_tflite
from zoo.export.options import Quantize
from zoo.runner import Classifier
from zoo.tflite import modelfile


@pytest.mark.slow
@pytest.mark.parametrize("mode", get_args(Quantize))
def test_averages_over_windows_are_those_of_keras(
    mode: Any, tmp_path: Path, randomize: Callable[..., Any], inputs_for: Callable[..., Any]
) -> None:
    entry = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 255)(entry)
    x = layers.AveragePooling2D(2)(layers.Conv2D(8, 3, activation="relu")(x))
    # Of seven columns and rows, a window of the last one has a part outside, which does not count.
    x = layers.AveragePooling2D(3, 2, padding="same")(x)
    model = randomize(keras.Model(entry, layers.Dense(4, activation="softmax")(layers.Flatten()(x))))
    pictures = inputs_for((16, 16, 3), 20)
    report = to_tflite(model, tmp_path / "m.tflite", quantize=mode, calibration=pictures)
    assert "AVERAGE_POOL_2D" in {op.name for op in modelfile.read(report.path).main.ops}
    classifier = Classifier(report.path)
    scores = np.stack([classifier.outputs(picture)[0][0] for picture in pictures])
    expected = np.asarray(model(pictures, training=False))
    np.testing.assert_allclose(scores, expected, atol=1e-5 if mode == "none" else 0.03)
