"""The range in which an 8-bit file stores coded boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.export import to_tflite
from zoo.runner import load
from zoo.tasks.objects.boxes import LARGEST_CODE

GRIDS, SHAPES = [(4, 4), (2, 2)], [[(0.3, 0.3)], [(0.6, 0.6), (0.9, 0.9)]]


@pytest.fixture(scope="module")
def wild() -> Any:
    """A detector that gives boxes of objects on dark pictures, and numbers far from all others on bright ones."""
    import keras
    from keras import layers

    from zoo.models.detectors.anchored import Anchors

    pixels = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(pixels)
    levels = [layers.AveragePooling2D(side)(x) for side in (8, 16)]
    boxes, scores = [], []
    for i, (level, shapes) in enumerate(zip(levels, SHAPES, strict=True)):
        count = level.shape[1] * level.shape[2] * len(shapes)
        kernel = keras.initializers.RandomUniform(-1, 1, seed=i)
        bias = keras.initializers.RandomUniform(-2, 2, seed=i)
        one = layers.Conv2D(4 * len(shapes), 1, kernel_initializer=kernel, bias_initializer=bias)(level)
        boxes.append(layers.Reshape((count, 4))(one))
        one = layers.Conv2D(2 * len(shapes), 1, kernel_initializer=kernel, bias_initializer=bias)(level)
        scores.append(layers.Reshape((count, 2))(one))
    coded = Anchors(GRIDS, SHAPES, name="boxes")(layers.Concatenate(axis=1)(boxes))
    score = layers.Activation("sigmoid", name="scores")(layers.Concatenate(axis=1)(scores))
    model = keras.Model(pixels, [coded, score], name="wild")
    # The first number of each box follows a bright red: up to -80 there, about 0 on the darker half.
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D) and layer.kernel.shape[-1] == 4:
            kernel, bias = layer.get_weights()
            kernel[..., 2], bias[2] = [[[-60, 0, 0]]], -25
            layer.set_weights([kernel, bias])
    return model


@pytest.mark.slow
@pytest.mark.parametrize("io", ["uint8", "int8"])
def test_boxes_of_objects_are_stored_finely_whatever_other_anchors_say(wild: Any, io: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    dark = rng.integers(0, 128, (6, 32, 32, 3)).astype(np.float32)
    bright = rng.integers(200, 256, (6, 32, 32, 3)).astype(np.float32)
    pixels = np.concatenate([dark, bright])
    wanted = np.asarray(wild(pixels)[0])
    assert np.abs(wanted).max() > 4 * LARGEST_CODE
    options: dict[str, Any] = {"quantize": "int8", "io": io, "verify_file": False}
    report = to_tflite(wild, tmp_path / "wild.tflite", calibration=pixels, **options)
    session = load(report.path)
    (boxes, _), step = session.outputs, 2 * LARGEST_CODE / 255
    stored = [session.run(session.input.store(one[np.newaxis], pixels=True))[0] for one in pixels]
    found = np.concatenate([boxes.dequantize(one) for one in stored])
    assert boxes.scale <= step
    # The third number follows the pixels, which have steps of 2/255 themselves.
    tolerance = np.array([2 * step, 2 * step, 2 * step + 60 * 2 / 255, 2 * step])
    assert (np.abs(found - wanted.clip(-LARGEST_CODE, LARGEST_CODE)) <= tolerance).all()
    assert found.min() == pytest.approx(-LARGEST_CODE, abs=step)
