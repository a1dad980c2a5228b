"""`weights="imagenet"`, with files like those of Keras Applications, made here and served on this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo
from tests.narrow import narrow, narrow_applications
from tests.shallow import shallow
from tests.spread import spread
from tests.weights.conftest import save_legacy
from zoo import registry
from zoo.errors import WeightsError
from zoo.published import KERAS_APPLICATIONS
from zoo.runner import Classifier
from zoo.weights import build_from
from zoo.weights.fetch import imagenet

if TYPE_CHECKING:
    from tests.conftest import Cli
    from tests.weights.conftest import Server

pytestmark = pytest.mark.slow

MOBILENET = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels"
RESNET = "resnet50_weights_tf_dim_ordering_tf_kernels"
VGG = "vgg16_weights_tf_dim_ordering_tf_kernels"

Array = Any


@pytest.fixture(scope="module", autouse=True)
def _narrow() -> Iterator[None]:
    """All VGG-16s and ResNets are narrow ones: what is in a published file is found by its names and shapes."""
    with narrow(), narrow_applications():
        yield


@pytest.fixture
def few_blocks() -> Iterator[None]:
    """All MobileNetV2s are shallow ones."""
    with shallow():
        yield


@pytest.fixture
def publish(server: Server, randomize: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Serves a model of keras.applications with random weights under the published name; returns the model."""

    def publish(model: Any, name: str, settle: Callable[[Any], Any] = lambda model: model) -> Any:
        folder = {"vgg16": "vgg16", "resnet50": "resnet"}.get(name.partition("_")[0], "mobilenet_v2")
        path = save_legacy(settle(randomize(model, gain=1.5)), server.folder / folder / name)
        if folder != "mobilenet_v2":
            _say_md5(monkeypatch, folder, name, hashlib.md5(path.read_bytes()).hexdigest())
        return model

    return publish


def _say_md5(monkeypatch: pytest.MonkeyPatch, model: str, name: str, md5: str) -> None:
    """Writes the MD5 of a file that was made here into the spec of a model."""
    spec, builder = registry._MODELS[model]
    (weights,) = spec.weights
    assert all(file.md5 for file in weights.files)
    files = tuple(replace(file, md5=md5) if file.name == name else file for file in weights.files)
    changed = replace(spec, weights=(replace(weights, files=files),))
    monkeypatch.setitem(registry._MODELS, model, (changed, builder))


def same(ours: Any, theirs: Any, prepare: Callable[[Array], Array], inputs_for: Callable[..., Array]) -> None:
    pixels = inputs_for(ours.input_shape[1:], 3)
    expected = np.asarray(theirs(prepare(pixels.copy()), training=False))
    assert np.ptp(expected, axis=0).max() > 1e-3, "the inputs give the same answer: the comparison shows little"
    np.testing.assert_allclose(np.asarray(ours(pixels, training=False)), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("alpha", "size", "depth"), [(0.35, 96, shallow), (1.0, 192, shallow), (1.4, 224, nullcontext)]
)
def test_mobilenet_v2(
    alpha: float,
    size: int,
    depth: Callable[[], AbstractContextManager[None]],
    publish: Callable[..., Any],
    inputs_for: Callable[..., Array],
    tmp_path: Path,
) -> None:
    from keras.applications import mobilenet_v2

    name = f"{MOBILENET}_{alpha}_{size}.h5"
    with depth():
        theirs = publish(mobilenet_v2.MobileNetV2((size, size, 3), alpha=alpha, weights=None), name)
        ours = zoo.build("mobilenet_v2", weights="imagenet", alpha=alpha, input_size=size)
    assert ours.output_shape == (None, 1000)
    same(ours, theirs, mobilenet_v2.preprocess_input, inputs_for)
    # Keras itself looks for the file there.
    assert (tmp_path / "keras" / "models" / name).is_file()


@pytest.mark.usefixtures("few_blocks")
def test_mobilenet_v2_with_a_new_head(
    publish: Callable[..., Any], inputs_for: Callable[..., Array], server: Server
) -> None:
    import keras
    from keras.applications import mobilenet_v2

    model = mobilenet_v2.MobileNetV2((96, 96, 3), alpha=0.35, weights=None, include_top=False, pooling="avg")
    theirs = publish(model, f"{MOBILENET}_0.35_96_no_top.h5")
    built = build_from("mobilenet_v2", "imagenet", {"alpha": 0.35, "input_size": 96, "num_classes": 5})
    assert built.new_head
    assert "so the head for 5 classes is new: train it" in built.notes[-1]
    assert len(built.notes) == 1
    features = keras.Model(built.model.inputs[0], built.model.get_layer("global_average_pool").output)
    same(features, theirs, mobilenet_v2.preprocess_input, inputs_for)
    assert built.model.output_shape == (None, 5)
    assert server.requests[0][0].endswith("_no_top.h5")


def test_resnet50(publish: Callable[..., Any], inputs_for: Callable[..., Array]) -> None:
    from keras.applications import resnet

    # Published at 224x224, and used at another size: the file's layers fit all.
    small = resnet.ResNet50(input_shape=(64, 64, 3), weights=None)
    pixels = resnet.preprocess_input(inputs_for((64, 64, 3), 3))
    publish(small, f"{RESNET}.h5", lambda model: spread(model, pixels))
    built = build_from("resnet", "imagenet", {"input_size": 64})
    assert [note.partition(":")[0] for note in built.notes] == ["the weights were trained at 224x224"]
    same(built.model, small, resnet.preprocess_input, inputs_for)
    with pytest.raises(WeightsError, match=r"published for resnet with variant=18; choose from 50"):
        build_from("resnet", "imagenet", {"variant": 18})


@pytest.mark.parametrize("head", ["average", "dense"])
def test_vgg16_at_another_size(head: str, publish: Callable[..., Any], inputs_for: Callable[..., Array]) -> None:
    import keras
    from keras.applications import vgg16

    theirs = publish(vgg16.VGG16(input_shape=(32, 32, 3), weights=None, include_top=False), f"{VGG}_notop.h5")
    built = build_from("vgg16", "imagenet", {"input_size": 32, "num_classes": 3, "head": head})
    assert [note.partition(":")[0] for note in built.notes] == [
        "the weights were trained at 224x224",
        f"{VGG}_notop.h5",
    ]
    features = keras.Model(built.model.inputs[0], built.model.get_layer("block5_pool").output)
    same(features, theirs, vgg16.preprocess_input, inputs_for)


@pytest.mark.slow
def test_vgg16_with_its_dense_layers(publish: Callable[..., Any], inputs_for: Callable[..., Array]) -> None:
    from keras.applications import vgg16

    theirs = publish(vgg16.VGG16(weights=None), f"{VGG}.h5")
    ours = zoo.build("vgg16", weights="imagenet")
    same(ours, theirs, vgg16.preprocess_input, inputs_for)
    del ours
    # The dense layers can be used with other classes, too.
    built = build_from("vgg16", "imagenet", {"num_classes": 2})
    assert built.new_head
    np.testing.assert_array_equal(built.model.get_layer("fc2").get_weights()[0], theirs.get_layer("fc2").kernel)


def test_the_published_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EDGEZOO_WEIGHTS_URL", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    spec = zoo.spec("mobilenet_v2")
    found = {
        imagenet.choose("mobilenet_v2", spec.check({"alpha": alpha, "input_size": size})).name
        for alpha in (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
        for size in (96, 128, 160, 192, 224)
    }
    assert len(found) == 22
    assert f"{MOBILENET}_1.0_224.h5" in found
    assert f"{MOBILENET}_1.4_96.h5" not in found
    default = imagenet.choose("mobilenet_v2", spec.check({}))
    assert default.url == (
        f"https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/{MOBILENET}_1.0_224.h5"
    )
    assert default.path == tmp_path / "models" / f"{MOBILENET}_1.0_224.h5"
    monkeypatch.delenv("KERAS_HOME")
    assert default.path == Path.home() / ".keras" / "models" / default.name
    vgg = zoo.spec("vgg16")
    assert imagenet.choose("vgg16", vgg.check({"num_classes": 7})).name == f"{VGG}.h5"
    assert imagenet.choose("vgg16", vgg.check({"head": "average"})).name == f"{VGG}_notop.h5"
    assert imagenet.choose("vgg16", vgg.check({"input_size": 64})).name == f"{VGG}_notop.h5"


def test_names_and_hashes_are_those_of_keras() -> None:
    """The names and hashes are those that the installed Keras uses."""
    import inspect

    from keras.applications import mobilenet_v2, vgg16

    module = inspect.getsource(inspect.getmodule(inspect.unwrap(vgg16.VGG16)))  # type: ignore[arg-type]
    for file in zoo.spec("vgg16").weights[0].files:
        assert file.name in module
        assert file.md5
        assert file.md5 in module
    module = inspect.getsource(inspect.getmodule(inspect.unwrap(mobilenet_v2.MobileNetV2)))  # type: ignore[arg-type]
    assert f"{KERAS_APPLICATIONS}mobilenet_v2/" in module
    assert f"{MOBILENET}" in module
    assert "file_hash" not in module


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("alexnet", {}, "no ImageNet weights are published for alexnet; there are for mobilenet_v2, .*vgg16.* and "),
        ("mobilenet_v2", {"alpha": 0.6}, "for mobilenet_v2 with alpha=0.6; choose from 0.35, 0.5, 0.75, 1, 1.3, 1.4"),
        (
            "mobilenet_v3",
            {"variant": "large_minimalistic", "alpha": 0.75},
            "for mobilenet_v3 with variant=large_minimalistic, alpha=0.75; there are for variant=large, alpha=1; for .*"
            "; for variant=large_minimalistic, alpha=1; for variant=small_minimalistic, alpha=1$",
        ),
    ],
)
def test_unpublished_weights_are_refused(name: str, options: dict[str, Any], message: str, server: Server) -> None:
    with pytest.raises(WeightsError, match=message):
        zoo.build(name, weights="imagenet", **options)
    assert not server.requests


@pytest.mark.usefixtures("few_blocks")
def test_an_unpublished_size_takes_the_weights_of_224(publish: Callable[..., Any]) -> None:
    from keras.applications import MobileNetV2

    publish(MobileNetV2((224, 224, 3), alpha=0.35, weights=None), f"{MOBILENET}_0.35_224.h5")
    built = build_from("mobilenet_v2", "imagenet", {"alpha": 0.35, "input_size": 64})
    assert not built.new_head
    assert built.notes == (
        "the weights were trained at 224x224: for alpha=0.35 none are published at 64x64, only at "
        "96, 128, 160, 192, 224",
    )


@pytest.mark.usefixtures("few_blocks")
def test_a_file_of_another_model_under_the_name(publish: Callable[..., Any], tmp_path: Path) -> None:
    from keras.applications import MobileNetV2

    publish(MobileNetV2((96, 96, 3), alpha=0.5, weights=None), f"{MOBILENET}_0.35_96.h5")
    with pytest.raises(WeightsError, match=r"layer 'mobl1_conv_project' has kernel \(1, 1, 48, 8\), the file has"):
        zoo.build("mobilenet_v2", weights="imagenet", alpha=0.35, input_size=96)


def test_a_damaged_file_in_the_cache(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "keras" / "models" / f"{MOBILENET}_0.35_96.h5"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=rf"cannot read weights from {path}: .*; delete the file") as caught:
        zoo.build("mobilenet_v2", weights="imagenet", alpha=0.35, input_size=96)
    assert "\n" not in str(caught.value)


SMALL = ("build", "mobilenet_v2", "--alpha", "0.35", "--input-size", "96", "--weights", "imagenet")


@pytest.mark.usefixtures("few_blocks")
def test_on_the_command_line(
    cli: Cli, publish: Callable[..., Any], inputs_for: Callable[..., Array], tmp_path: Path
) -> None:
    from keras.applications import mobilenet_v2

    theirs = publish(mobilenet_v2.MobileNetV2((96, 96, 3), alpha=0.35, weights=None), f"{MOBILENET}_0.35_96.h5")
    result = cli(*SMALL, "--export", "tflite", "--out", tmp_path / "out", "--json")
    assert (result.code, result.err) == (0, "")
    (entry,) = json.loads(result.out)
    assert entry["trained"]
    classifier = Classifier(tmp_path / "out" / "mobilenet_v2_0.35_96.tflite")
    assert classifier.labels == tuple(zoo.imagenet_labels())
    assert (classifier.card["weights"], classifier.card["weights_from"]) == ("trained", "imagenet")
    assert "head" not in classifier.card
    pixels = inputs_for((96, 96, 3), 1)
    expected = np.asarray(theirs(mobilenet_v2.preprocess_input(pixels.copy()), training=False))[0]
    for prediction in classifier.classify(pixels[0]):
        assert prediction.score == pytest.approx(expected[prediction.index], abs=1e-4)
    told = cli(*SMALL, "--export", "keras", "--out", tmp_path / "out")
    assert (told.code, told.err) == (0, "")
    assert "RANDOM" not in told.out


def test_a_new_head_on_the_command_line(cli: Cli, publish: Callable[..., Any], tmp_path: Path) -> None:
    from keras.applications import VGG16

    publish(VGG16(input_shape=(32, 32, 3), weights=None, include_top=False), f"{VGG}_notop.h5")
    words = ("build", "vgg16", "--input-size", "32", "--head", "average", "--weights", "imagenet")
    asked = (*words, "--num-classes", "3", "--out", tmp_path / "out")
    refused = cli(*asked).error
    assert "so the head for 3 classes would be random" in refused
    assert "train the head (zoo train vgg16 PICTURES --weights imagenet)" in refused
    assert "zoo export" not in refused
    result = cli(*asked, "--new-head")
    assert (result.code, result.err) == (0, "")
    assert "so the head for 3 classes is new: train it" in result.out
    card = Classifier(tmp_path / "out" / "vgg16_32_average.tflite").card
    assert (card["weights_from"], card["head"], card["options"]["num_classes"]) == ("imagenet", "random", 3)


def test_offline_on_the_command_line(cli: Cli, server: Server, tmp_path: Path) -> None:
    server.status = 404
    result = cli(*SMALL, "--out", tmp_path / "out")
    assert result.code == 1
    place = tmp_path / "keras" / "models" / f"{MOBILENET}_0.35_96.h5"
    assert result.error.endswith(f"on another machine and put it at {place}")
    assert not (tmp_path / "out").exists()
