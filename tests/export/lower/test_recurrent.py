"""Recurrent layers in integer files: unrolled, with the answers of the loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from zoo.errors import ExportError
from zoo.export import to_tflite
from zoo.export.lower.lowering import lower
from zoo.export.lower.recurrent import MAX_STEPS
from zoo.tflite import modelfile

WINDOWS = np.random.default_rng(0).normal(size=(40, 6, 4)).astype(np.float32)


def model(layer: Any, steps: int = 6, **kwargs: Any) -> Any:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((steps, 4))
    x = keras.layers.Flatten()(layer(inputs, **kwargs))
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax", bias_initializer="ones")(x), name="steps")


def convlstm(inputs: Any) -> Any:
    return keras.layers.ConvLSTM1D(3, 2, padding="same")(keras.layers.Reshape((3, 4, 2))(inputs))


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.LSTM(5),
        keras.layers.GRU(5, return_sequences=True, go_backwards=True),
        keras.layers.SimpleRNN(5),
        keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True)),
        keras.layers.RNN([keras.layers.LSTMCell(4), keras.layers.GRUCell(3)]),
        convlstm,
    ],
    ids=["lstm", "gru", "rnn", "both ways", "cells", "convlstm"],
)
def test_unrolled_layers_give_the_same_answers(layer: Any) -> None:
    looped = model(layer)
    unrolled = lower(looped, unroll=True)
    np.testing.assert_allclose(unrolled(WINDOWS[:1]), looped(WINDOWS[:1]), atol=1e-5)
    assert all(one.unroll for one in unrolled.layers if isinstance(one, keras.layers.RNN))


@pytest.mark.slow  # the converter runs in a process of its own, which loads TensorFlow once more
def test_an_lstm_goes_into_an_int8_file(tmp_path: Path) -> None:
    report = to_tflite(model(keras.layers.LSTM(5)), tmp_path / "m.tflite", quantize="int8", calibration=WINDOWS)
    assert report.verification
    assert report.verification.max_diff < 0.1
    ops = {op.name for op in modelfile.read(report.path).main.ops}
    assert "WHILE" not in ops
    assert "LOGISTIC" in ops


def test_what_cannot_be_unrolled_is_refused_beforehand(tmp_path: Path) -> None:
    long = model(keras.layers.GRU(2, name="long"), steps=MAX_STEPS + 1)
    with pytest.raises(ExportError, match=r"layer 'long' \(GRU\) has 257 steps.*choose none, float16 or dynamic"):
        to_tflite(long, tmp_path / "m.tflite", quantize="int8", calibration=np.zeros((20, MAX_STEPS + 1, 4)))
    inputs = keras.Input(batch_shape=(1, 6, 4))
    stateful = keras.Model(inputs, keras.layers.LSTM(3, stateful=True, name="kept")(inputs))
    with pytest.raises(ExportError, match=r"layer 'kept' \(LSTM\) is stateful"):
        lower(stateful, unroll=True)
    assert not list(tmp_path.iterdir())
