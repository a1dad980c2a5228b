from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from zoo.errors import OptionError
from zoo.models import anchored
from zoo.models.anchored import Anchors
from zoo.weights import load_model

SMALL: dict[str, Any] = {"alpha": 0.35, "input_size": 96, "num_classes": 3}


@pytest.mark.parametrize(("small_objects", "strides"), [(False, (16, 32, 64, 128)), (True, (8, 16, 32, 64, 128))])
@pytest.mark.parametrize("size", [96, 224, 256, 320])
def test_boxes_and_scores_for_each_anchor(size: int, small_objects: bool, strides: tuple[int, ...]) -> None:
    model = zoo.build(
        "ssdlite_mobilenet_v2", alpha=0.35, input_size=size, num_classes=3, small_objects=small_objects, weights=None
    )
    count = sum(4 * (-(-size // stride)) ** 2 for stride in strides)
    assert [tuple(output.shape) for output in model.outputs] == [(None, count, 4), (None, count, 3)]
    assert anchored.anchors_of(model).shape == (count, 4)
    assert anchored.grids_of(model) == [(-(-size // stride),) * 2 for stride in strides]


@pytest.mark.parametrize("small_objects", [False, True])
def test_the_body_is_that_of_the_classifier(small_objects: bool) -> None:
    body = zoo.build("mobilenet_v2", alpha=0.35, input_size=96, num_classes=3, weights=None)
    model = zoo.build("ssdlite_mobilenet_v2", **SMALL, small_objects=small_objects, weights=None)
    start = anchored.head_start(model)
    names = [layer.name for layer in model.layers]
    assert names[:start] == [layer.name for layer in body.layers][:start]
    assert names[start - 1] == "out_relu"
    assert all(name.startswith(anchored.HEADS) for name in names[start:] if name not in {"boxes", "scores"})


def test_a_new_detector_finds_nothing_anywhere() -> None:
    model = zoo.build("ssdlite_mobilenet_v2", **SMALL, weights=None)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3)).astype(np.float32)
    scores = np.asarray(model(pixels)[1])
    # Rare objects are all that a new head knows of: 1% at every anchor, so that the loss begins small.
    assert abs(float(scores.mean()) - 0.01) < 0.005


def test_a_file_carries_its_anchors(tmp_path: Path) -> None:
    model = zoo.build("ssdlite_mobilenet_v2", **SMALL, weights=None)
    shapes = [[(0.1 * (i + 1), 0.05 * (j + 1)) for j in range(4)] for i in range(4)]
    anchored.set_shapes(model, shapes)
    model.save(tmp_path / "model.keras")
    read = load_model(tmp_path / "model.keras")
    assert anchored.shapes_of(read) == shapes
    assert anchored.is_detector(read)
    np.testing.assert_array_equal(anchored.anchors_of(read), anchored.anchors_of(model))


def test_other_numbers_of_anchors_are_refused() -> None:
    model = zoo.build("ssdlite_mobilenet_v2", **SMALL, weights=None)
    with pytest.raises(OptionError, match=r"4, 4, 4, 4\] anchors"):
        anchored.set_shapes(model, [[(0.1, 0.1)]] * 4)
    classifier = zoo.build("lenet", weights=None)
    assert not anchored.is_detector(classifier)
    with pytest.raises(OptionError, match="no anchors"):
        anchored.anchors_of(classifier)


@pytest.mark.parametrize(
    ("grids", "shapes"),
    [([(2, 2)], [[(0.0, 0.1)]]), ([(2, 2)], [[(float("nan"), 0.1)]]), ([(2, 2)], []), ([], []), ([(3, 3)], [[(1, 1)]])],
)
def test_anchors_that_fit_no_model_are_refused(
    grids: list[tuple[int, int]], shapes: list[list[tuple[float, float]]]
) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # of three kinds
        Anchors(grids, shapes)(keras.Input((4, 4)))
