"""Weights of files for detectors: the backbone, the boxes with their anchors, and the scores."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo
from tests.conftest import fill
from tests.shallow import shallow
from tests.weights.conftest import save_legacy
from zoo.errors import WeightsError
from zoo.models.detectors import anchored
from zoo.weights import auto, build_from, detectors, load_weights
from zoo.weights.fetch import imagenet
from zoo.weights.formats.files import layers_of
from zoo.weights.reading import skeleton

if TYPE_CHECKING:
    from tests.weights.conftest import Server

NAME = "ssdlite_mobilenet_v2"
BODY: dict[str, Any] = {"alpha": 0.35, "input_size": 64}
STEM = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels"

Array = Any
Trained = tuple[Any, Path]


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _shallow() -> Iterator[None]:
    with shallow():
        yield


def write(small_objects: bool, folder: Path) -> Trained:
    """Writes a detector whose weights and anchors are none of a new one."""
    model = fill(zoo.build(NAME, num_classes=3, small_objects=small_objects, **BODY))
    shapes = [[(0.01 * (1 + at + level), 0.5) for at in range(4)] for level in range(len(anchored.shapes_of(model)))]
    anchored.set_shapes(model, shapes)
    model.save(folder / "model.keras")
    model.save_weights(folder / "model.weights.h5")
    return model, folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A trained detector, and the folder with its files."""
    return write(False, tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The same for small objects: layers of one kind stand in its graph in another order than by name."""
    return write(True, tmp_path_factory.mktemp("pyramid"))


def same(ours: Any, theirs: Any, layers: Callable[[str], bool] = lambda _: True) -> bool:
    """Whether all weights of the layers with these names are equal; there has to be one."""
    names = [layer.name for layer in theirs.layers if layer.weights and layers(layer.name)]
    assert names
    pairs = [(ours.get_layer(name).get_weights(), theirs.get_layer(name).get_weights()) for name in names]
    return all(np.array_equal(one, other) for mine, its in pairs for one, other in zip(mine, its, strict=True))


def is_body(name: str) -> bool:
    return not name.startswith(anchored.HEADS)


def test_a_run_of_the_same_model_is_taken_whole(plain: Trained) -> None:
    model, folder = plain
    built = build_from(NAME, folder / "model.keras", BODY)
    assert (built.new_head, built.has_boxes, built.options["num_classes"], built.notes) == (False, True, 3, ())
    assert same(built.model, model)
    assert anchored.shapes_of(built.model) == anchored.shapes_of(model)


def test_weights_alone_are_taken_whole_and_said_to_lack_anchors(pyramid: Trained) -> None:
    model, folder = pyramid
    built = build_from(NAME, folder / "model.weights.h5", BODY | {"small_objects": True})
    assert (built.new_head, built.has_boxes, built.options["num_classes"]) == (False, True, 3)
    assert same(built.model, model)
    assert anchored.shapes_of(built.model) != anchored.shapes_of(model)
    assert built.notes == (
        "model.weights.h5 does not hold the anchors that its boxes are relative to; the model's own are taken. A "
        ".keras file holds them",
    )


def test_other_classes_get_new_scores_and_the_boxes_are_kept(pyramid: Trained) -> None:
    model, folder = pyramid
    built = build_from(NAME, folder / "model.keras", BODY | {"small_objects": True, "num_classes": 5})
    assert (built.new_head, built.has_boxes) == (True, True)
    assert built.notes == ("model.keras: it has 3 classes, so the head for 5 classes is new: train it",)
    scores = {layer.name for layer in model.layers if layer.name[:-1].endswith("_class")}
    assert len(scores) == len(anchored.shapes_of(model))
    assert same(built.model, model, lambda name: name not in scores)
    assert anchored.shapes_of(built.model) == anchored.shapes_of(model)
    assert built.model.outputs[1].shape[-1] == 5


def test_the_other_head_is_new(pyramid: Trained) -> None:
    model, folder = pyramid
    built = build_from(NAME, folder / "model.keras", BODY | {"num_classes": 3})
    assert (built.new_head, built.has_boxes) == (True, False)
    assert re.search(f"its head is none of {NAME}.*'s .* and [0-9]+ more.*, so the head for 3 classes", built.notes[0])
    assert same(built.model, model, is_body)


def test_weights_are_loaded_into_a_detector_with_their_anchors(plain: Trained) -> None:
    model, folder = plain
    ours = zoo.build(NAME, num_classes=3, **BODY)
    load_weights(ours, folder / "model.keras")
    assert same(ours, model)
    assert anchored.shapes_of(ours) == anchored.shapes_of(model)


def test_weights_of_other_classes_are_not_loaded(plain: Trained) -> None:
    other = zoo.build(NAME, num_classes=4, **BODY)
    before = other.get_weights()
    with pytest.raises(WeightsError, match=r"layer 'ssd_class0' has kernel \(1, 1, 192, 16\), the file has"):
        load_weights(other, plain[1] / "model.weights.h5")
    for one, was in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, was)


def test_a_classifier_gives_its_body_to_a_detector(tmp_path: Path) -> None:
    classifier = fill(zoo.build("mobilenet_v2", num_classes=4, **BODY))
    classifier.save(tmp_path / "classifier.keras")
    built = build_from(NAME, tmp_path / "classifier.keras", BODY | {"num_classes": 2})
    assert (built.new_head, built.has_boxes) == (True, False)
    assert "(logits), so the head for 2 classes is new" in built.notes[0]
    assert same(built.model, classifier, lambda name: name != "logits")


def test_a_detector_gives_its_body_to_a_classifier(plain: Trained) -> None:
    model, folder = plain
    built = build_from("mobilenet_v2", folder / "model.keras", BODY | {"num_classes": 2})
    assert built.notes[0].endswith(
        "its head is more than one dense layer (ssd_extra0_narrow, ssd_extra0_narrow_bn, ssd_extra0_depthwise and 33 "
        "more), so the head for 2 classes is new: train it"
    )
    assert same(built.model, model, is_body)


def test_a_backbone_is_found_inside_a_model_of_others(tmp_path: Path) -> None:
    import keras
    from keras.applications import mobilenet_v2

    inner = fill(mobilenet_v2.MobileNetV2((64, 64, 3), alpha=0.35, weights=None, include_top=False))
    pixels = keras.Input((64, 64, 3))
    x = inner(keras.layers.Rescaling(1 / 127.5, offset=-1)(pixels))
    x = keras.layers.Dense(2, activation="softmax")(keras.layers.GlobalAveragePooling2D()(x))
    keras.Model(pixels, x).save(tmp_path / "others.keras")
    built = build_from(NAME, tmp_path / "others.keras", BODY | {"num_classes": 6})
    assert (built.new_head, built.has_boxes) == (True, False)
    ours = [layer for layer in layers_of(built.model) if is_body(layer.name)]
    for mine, its in zip(ours, layers_of(inner), strict=True):
        for one, other in zip(mine.arrays, its.arrays, strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_body_begins_with_the_weights_of_imagenet(server: Server, inputs_for: Callable[..., Array]) -> None:
    import keras
    from keras.applications import mobilenet_v2

    theirs = fill(mobilenet_v2.MobileNetV2((224, 224, 3), alpha=0.35, weights=None, include_top=False), gain=1.5)
    save_legacy(theirs, server.folder / "mobilenet_v2" / f"{STEM}_0.35_224_no_top.h5")
    built = build_from(NAME, "imagenet", BODY | {"num_classes": 2, "input_size": 256})
    assert [path for path, _ in server.requests] == [f"/mobilenet_v2/{STEM}_0.35_224_no_top.h5"]
    assert built.new_head
    assert [note.partition(":")[0] for note in built.notes] == [
        "the weights were trained at 224x224",
        f"{STEM}_0.35_224_no_top.h5",
    ]
    features = keras.Model(built.model.inputs[0], built.model.get_layer("out_relu").output)
    pixels = inputs_for((256, 256, 3), 2)
    again = keras.models.clone_model(theirs, input_tensors=keras.Input((256, 256, 3)))
    again.set_weights(theirs.get_weights())
    expected = np.asarray(again(mobilenet_v2.preprocess_input(pixels.copy()), training=False))
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(np.asarray(features(pixels, training=False)), expected, rtol=0, atol=1e-4)


def test_the_size_that_was_published_is_preferred() -> None:
    spec = zoo.spec(NAME)
    sizes = {size: imagenet.choose(NAME, spec.check({"input_size": size})).name for size in (96, 224, 256, 320)}
    assert sizes == {
        96: f"{STEM}_1.0_96_no_top.h5",
        224: f"{STEM}_1.0_224_no_top.h5",
        256: f"{STEM}_1.0_224_no_top.h5",
        320: f"{STEM}_1.0_224_no_top.h5",
    }


def test_a_narrow_detector_begins_with_imagenet_where_nobody_names_weights(server: Server) -> None:
    """Those of Open Images are for one width; the reason that is told is that of the weights that fit."""
    found = auto.choose(NAME, {"alpha": 0.35}, any_classes=True, tries=False)
    assert found.why == "those trained on ImageNet are published for these options, but could not be had"
    assert [path for path, _ in server.requests] == [f"/mobilenet_v2/{STEM}_0.35_224_no_top.h5"]


@pytest.mark.parametrize(
    ("name", "options"),
    [(NAME, BODY), (NAME, BODY | {"small_objects": True}), ("ssd_mobilenet_v2", {"input_size": 96})],
)
def test_layers_with_an_output_for_each_class_are_known(name: str, options: dict[str, Any]) -> None:
    few, many = (skeleton(name, {"num_classes": classes, **options}) for classes in (1, 6))
    differ = [
        one.name for one, other in zip(layers_of(few), layers_of(many), strict=True) if one.shapes != other.shapes
    ]
    layers = list(layers_of(few))
    body = detectors.body_of(layers)
    head = detectors.take_head(few, layers[len(body) :], [], None)  # type: ignore[arg-type]  # of no file
    assert list(head.of_classes) == differ
    assert body[-1].name == "Conv_1_bn"
    assert all(layer.name.startswith(anchored.HEADS) for layer in layers[len(body) :])
