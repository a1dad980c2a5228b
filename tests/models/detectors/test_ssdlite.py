from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from tests.shallow import shallow
from tests.training.scenes import NAMES, draw_scenes
from tests.weights.conftest import save_legacy
from zoo import registry
from zoo.errors import OptionError
from zoo.export import to_tflite
from zoo.graph import unallocated
from zoo.models import mobilenet_v1, mobilenet_v3
from zoo.models.detectors import anchored
from zoo.models.detectors.anchored import Anchors
from zoo.progress import SILENT
from zoo.runner import Detector
from zoo.training.recipe import Recipe
from zoo.training.tasks import task_named
from zoo.weights import build_from, load_model

SMALL: dict[str, Any] = {"alpha": 0.35, "input_size": 96, "num_classes": 3}


@pytest.fixture(scope="module", autouse=True)
def _shallow() -> Iterator[None]:
    with shallow():
        yield


@pytest.fixture
def few_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies of MobileNetV1 and V3 with one block, or two, for each size of maps: what takes time are the layers."""
    blocks = ((64, 1), (128, 2), (256, 2), (512, 2), (512, 1), (1024, 2))
    assert set(blocks) < set(mobilenet_v1.BLOCKS)
    monkeypatch.setattr(mobilenet_v1, "BLOCKS", blocks)
    # The layers with a number are counted.
    spec, builder = registry._MODELS["mobilenet_v1"]
    few = replace(spec, taps={8: "conv_pw_3_relu", 16: "conv_pw_5_relu", 32: "conv_pw_6_relu"})
    monkeypatch.setitem(registry._MODELS, "mobilenet_v1", (few, builder))
    monkeypatch.setattr(mobilenet_v3, "SMALL", tuple(mobilenet_v3.SMALL[i] for i in (0, 1, 2, 3, 8)))


@pytest.mark.slow
@pytest.mark.parametrize(("small_objects", "strides"), [(False, (16, 32, 64, 128)), (True, (8, 16, 32, 64, 128))])
@pytest.mark.parametrize("size", [96, 224, 256, 320])
def test_boxes_and_scores_for_each_anchor(size: int, small_objects: bool, strides: tuple[int, ...]) -> None:
    with unallocated():
        model = registry.build(
            "ssdlite_mobilenet_v2", alpha=0.35, input_size=size, num_classes=3, small_objects=small_objects
        )
    count = sum(4 * (-(-size // stride)) ** 2 for stride in strides)
    assert [tuple(output.shape) for output in model.outputs] == [(None, count, 4), (None, count, 3)]
    assert anchored.anchors_of(model).shape == (count, 4)
    assert anchored.grids_of(model) == [(-(-size // stride),) * 2 for stride in strides]


BODIES: list[tuple[str, dict[str, Any]]] = [
    ("mobilenet_v2", {"alpha": 0.35}),
    ("mobilenet_v1", {"alpha": 0.25}),
    ("mobilenet_v3", {"variant": "small_minimalistic", "alpha": 0.5}),
    ("mobilenet_v3", {"variant": "large", "alpha": 0.5}),
]
"""Classifiers of all rows, each with options for its body."""


@pytest.mark.slow
@pytest.mark.parametrize("small_objects", [False, True])
@pytest.mark.parametrize(("classifier", "options"), BODIES)
def test_every_row_has_the_body_of_its_classifier(
    classifier: str, options: dict[str, Any], small_objects: bool
) -> None:
    size = {"input_size": 96, "num_classes": 3}
    with unallocated():
        body = registry.build(classifier, **options, **size)
        model = registry.build(f"ssdlite_{classifier}", **options, **size, small_objects=small_objects)
    start = anchored.head_start(model)
    names = [layer.name for layer in model.layers]
    assert names[:start] == [layer.name for layer in body.layers][:start]
    assert body.layers[start].name == "global_average_pool"
    assert all(name.startswith(anchored.HEADS) for name in names[start:] if name not in {"boxes", "scores"})
    strides = (8, 16, 32, 64, 128) if small_objects else (16, 32, 64, 128)
    assert anchored.grids_of(model) == [(-(-96 // stride),) * 2 for stride in strides]


def test_names_of_files_tell_a_small_variant_from_small_objects() -> None:
    spec = zoo.spec("ssdlite_mobilenet_v3")
    assert spec.instance_name(spec.check({"variant": "small"})) == "ssdlite_mobilenet_v3_small"
    assert spec.instance_name(spec.check({"small_objects": True})) == "ssdlite_mobilenet_v3_small_objects"
    spec = zoo.spec("ssdlite_mobilenet_v2")
    assert spec.instance_name(spec.check({"small_objects": True})) == "ssdlite_mobilenet_v2_small"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "application", "file", "last"),
    [
        (
            "ssdlite_mobilenet_v1",
            {"alpha": 0.25, "input_size": 128},
            lambda: keras.applications.MobileNet((128, 128, 3), alpha=0.25, weights=None, include_top=False),
            "mobilenet/mobilenet_2_5_128_tf_no_top.h5",
            "conv_pw_13_relu",
        ),
        (
            "ssdlite_mobilenet_v3",
            {"variant": "small_minimalistic", "input_size": 64},
            lambda: keras.applications.MobileNetV3Small(
                (64, 64, 3), minimalistic=True, weights=None, include_top=False
            ),
            "mobilenet_v3/weights_mobilenet_v3_small_minimalistic_224_1.0_float_no_top_v2.h5",
            "conv_1_activation",
        ),
    ],
)
def test_the_body_begins_with_the_weights_of_imagenet(
    name: str,
    options: dict[str, Any],
    application: Callable[[], Any],
    file: str,
    last: str,
    randomize: Callable[..., Any],
    inputs_for: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs = randomize(application(), gain=1.5)
    path = save_legacy(theirs, tmp_path / file)
    # The file lies where a download would put it; that its hash is looked at is tested with downloads.
    monkeypatch.setattr("zoo.weights.fetch.imagenet.Published.fetch", lambda *_, **__: path)
    monkeypatch.setattr("zoo.weights.fetch.imagenet.Published.path", path)
    built = build_from(name, "imagenet", options | {"num_classes": 2})
    assert built.new_head
    assert built.notes[-1] == f"{path.name}: it has no head, so the head for 2 classes is new: train it"
    pixels = inputs_for((options["input_size"],) * 2 + (3,), 2)
    features = keras.Model(built.model.inputs[0], built.model.get_layer(last).output)
    expected = np.asarray(theirs(pixels if "v3" in name else pixels / 127.5 - 1, training=False))
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(np.asarray(features(pixels, training=False)), expected, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_scenes(tmp_path_factory.mktemp("scenes") / "data", count=12)


@pytest.mark.slow
@pytest.mark.usefixtures("few_blocks")
@pytest.mark.parametrize(("classifier", "options"), BODIES[1:3])
def test_it_learns_is_exported_and_finds(
    classifier: str, options: dict[str, Any], scenes: Path, tmp_path: Path
) -> None:
    """Takes some steps as a training does, without its reports; `tests/training/test_detection.py` has all of it."""
    import tensorflow as tf

    task, recipe = task_named("detection"), Recipe(resize="stretch", batch_size=12)
    model = zoo.build(f"ssdlite_{classifier}", input_size=96, num_classes=len(NAMES), seed=0, **options)
    data = task.load(scenes, (96, 96, 3), recipe, SILENT)
    task.check(model, data)
    task.adapt(model, data, recipe)
    objective, optimizer = task.objective(model, data, recipe), keras.optimizers.Adam(1e-3)
    pictures, labels = next(iter(data.train))
    losses = []
    for _ in range(2):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(objective.loss.call(objective.targets(labels), model(pictures, training=True)))
        gradients = tape.gradient(loss, model.trainable_variables)
        assert all(gradient is not None for gradient in gradients)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        losses.append(float(loss))
    assert losses[1] < losses[0]
    report = to_tflite(
        model,
        tmp_path / "int8.tflite",
        quantize="int8",
        calibration=np.asarray(pictures),
        labels=NAMES,
        verify_file=False,
    )
    detector = Detector(report.path)
    assert tuple(detector.labels) == NAMES
    found = detector.detect(scenes / "valid" / "images" / "3.png", threshold=0.0)
    assert found
    assert {one.label for one in found} <= set(NAMES)


@pytest.mark.slow
def test_a_new_detector_finds_nothing_anywhere() -> None:
    model = zoo.build("ssdlite_mobilenet_v2", **SMALL, weights=None)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3)).astype(np.float32)
    scores = np.asarray(model(pixels)[1])
    # Rare objects are all that a new head knows of: 1% at every anchor, so that the loss begins small.
    assert abs(float(scores.mean()) - 0.01) < 0.005


@pytest.mark.slow
def test_a_file_carries_its_anchors(tmp_path: Path) -> None:
    model = zoo.build("ssdlite_mobilenet_v2", **SMALL, weights=None)
    shapes = [[(0.1 * (i + 1), 0.05 * (j + 1)) for j in range(4)] for i in range(4)]
    anchored.set_shapes(model, shapes)
    model.save(tmp_path / "model.keras")
    read = load_model(tmp_path / "model.keras")
    assert anchored.shapes_of(read) == shapes
    assert anchored.is_detector(read)
    np.testing.assert_array_equal(anchored.anchors_of(read), anchored.anchors_of(model))


@pytest.mark.slow
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
