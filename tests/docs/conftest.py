"""What a reader of the pages has on the desk: pictures, a photo, models and files. Made once."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from PIL import Image

import zoo
import zoo.registry
from tests import colours, detectors, teachable
from tests.docs.runner import Runner, environment
from tests.weights.conftest import Server, save_legacy, serving
from zoo.weights.fetch.imagenet import choose

PROGRAMS = Path(__file__).with_name("programs")

# In alphabetical order, as class folders are numbered.
COLOURS = {"blue": (40, 40, 200), "green": (40, 200, 40), "red": (200, 40, 40)}
EACH = 12


def _write_pictures(folder: Path) -> None:
    """Pictures of one colour each under noise, a folder a colour, and a photo that is red."""
    rng = np.random.default_rng(0)

    def picture(colour: tuple[int, int, int], height: int, width: int) -> Image.Image:
        noisy = np.array(colour) + rng.integers(-40, 40, (height, width, 3))
        return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))

    for name, colour in COLOURS.items():
        (folder / "pictures" / name).mkdir(parents=True)
        for i in range(EACH):
            picture(colour, 100, 120).save(folder / "pictures" / name / f"{i}.jpg")
    # Of the same kind as the pictures: what a model says of anything else is chance.
    picture(COLOURS["red"], 200, 300).save(folder / "photo.jpg")
    (folder / "more").mkdir()
    Image.new("RGB", (64, 64), (30, 30, 210)).save(folder / "more" / "blue.png")


def _write_video(path: Path, photo: Path) -> None:
    import cv2

    frame = np.asarray(Image.open(photo))[:, :, ::-1]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, frame.shape[1::-1])
    assert writer.isOpened()
    for _ in range(5):
        writer.write(frame)
    writer.release()


def _new_model(alpha: float) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    return zoo.build("mobilenet_v2", alpha=alpha, input_size=96, num_classes=len(COLOURS))


def _trained(folder: Path) -> Any:
    """A MobileNetV2 0.35 that has learned the colours, at 96x96, which is quick; others are trained from it."""
    import keras

    model = _new_model(0.35)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5  # there are but three steps an epoch
    model.compile("adam", "sparse_categorical_crossentropy")
    data = zoo.load_folder(folder / "pictures", 96, batch_size=12, validation=0.0)
    model.fit(data.train, epochs=16, shuffle=False, verbose=0)
    return model


def _fitted(folder: Path) -> Any:
    """A MobileNetV2 1.0 that knows the colours by its last layer alone, which takes a moment; the rest is random."""
    import keras
    from sklearn.linear_model import LogisticRegression

    model = _new_model(1.0)
    [(pixels, labels)] = zoo.load_folder(folder / "pictures", 96, batch_size=len(COLOURS) * EACH, validation=0.0).train
    head = next(layer for layer in reversed(model.layers) if isinstance(layer, keras.layers.Dense))
    features = keras.Model(model.inputs, head.input)(pixels, training=False).numpy()
    found = LogisticRegression(C=100).fit(features, labels.numpy())
    head.set_weights([found.coef_.T, found.intercept_])
    return model


def _publish(small: Any, full: Any, served: Path) -> None:
    """Writes the MobileNetV2 files of Keras Applications' server that the pages ask for.

    Weights fit any input size. The classes of ImageNet beyond the colours are never named.
    """
    import keras

    def write(weights: list[Any], *, alpha: float, size: int, classes: int) -> None:
        top = classes == 1000
        theirs = keras.applications.MobileNetV2((size, size, 3), alpha=alpha, include_top=top, weights=None)
        theirs.set_weights(weights[: len(theirs.weights)])
        options = {"alpha": alpha, "input_size": size, "num_classes": classes}
        save_legacy(theirs, served / "mobilenet_v2" / choose("mobilenet_v2", options).name)

    write(small.get_weights(), alpha=0.35, size=96, classes=len(COLOURS))
    write(full.get_weights(), alpha=1.0, size=224, classes=5)
    *backbone, kernel, bias = full.get_weights()
    more = 1000 - len(COLOURS)
    head = [np.pad(kernel, ((0, 0), (0, more))), np.pad(bias, (0, more), constant_values=-20)]
    write([*backbone, *head], alpha=1.0, size=224, classes=1000)


def _write_own_files(folder: Path, model: Any) -> None:
    """The models and files that the pages call `mine` and `model`, and a data set of digits."""
    import keras

    from zoo.export import to_onnx, to_tflite

    model.save(folder / "mine.keras")
    (folder / "labels.txt").write_text("\n".join(COLOURS), encoding="utf-8")
    to_tflite(model, folder / "mine.tflite", labels=list(COLOURS))
    to_onnx(model, folder / "mine.onnx", labels=list(COLOURS))
    to_tflite(model, folder / "mine_int8.tflite", quantize="int8", calibration=folder / "pictures")
    # The usual file of transfer learning, as Keras 2 wrote it.
    backbone = keras.applications.VGG16(include_top=False, weights=None, input_shape=(64, 64, 3), pooling="avg")
    keras.Sequential([backbone, keras.layers.Dense(len(COLOURS), "softmax")]).save(folder / "mine.h5")
    teachable.write_keras(folder / "keras_model.h5")
    detectors.two_outputs(folder / "objects.tflite")
    detectors.write_scenes(folder / "boxes")
    colours.detector().save(folder / "detector.keras")
    shutil.copy(folder / "mine.tflite", folder / "model.tflite")
    shutil.copy(folder / "mine_int8.tflite", folder / "model_int8.tflite")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The folder that each page gets a copy of, `reader`, and `published` weights beside it.

    The processes that share the tests make it once.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    with (base / "docs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / "docs").exists():
            unfinished = tmp_path_factory.mktemp("docs")
            reader = unfinished / "reader"
            reader.mkdir()
            _write_pictures(reader)
            _write_video(reader / "street.mp4", reader / "photo.jpg")
            shutil.copytree(request.getfixturevalue("digits_folder"), reader / "digits")
            model = _trained(reader)
            _write_own_files(reader, model)
            _publish(model, _fitted(reader), unfinished / "published")
            unfinished.rename(base / "docs")
    return base / "docs"


@pytest.fixture(scope="session")
def weights_url(prepared: Path) -> Iterator[str]:
    """The address of a server on this machine that has the published weights."""
    with serving(Server(prepared / "published")) as url:
        yield url


@pytest.fixture(scope="session")
def warm_zoo(tmp_path_factory: pytest.TempPathFactory, warm: list[str]) -> Path:
    """A folder with a `zoo` that need not import TensorFlow, see `warm`."""
    folder = tmp_path_factory.mktemp("warm-zoo")
    (folder / "zoo").write_text(f'#!/bin/sh\nexec {shlex.join([*warm, "zoo"])} "$@"\n')
    (folder / "zoo").chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What downloads, and what is known of files, are kept in."""
    return tmp_path_factory.mktemp("caches")


RunPage = Callable[..., Runner]
"""The type of `run_page`."""


@pytest.fixture(scope="module")
def run_page(
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
    caches: Path,
    warm_zoo: Path,
    own_models: None,
) -> Iterator[RunPage]:
    """A function that runs all of a page in a copy of the prepared folder, or in an empty one; the caches are shared.

    The page's `zoo` is that of `warm_zoo`. Of MobileNetV2 the head alone is trained, unless the page runs `whole`.
    """
    with contextlib.ExitStack() as stack:

        def run(page: str, *, empty: bool = False, whole: bool = False) -> Runner:
            folder = tmp_path_factory.mktemp("page") / "folder"
            variables = {"KERAS_HOME": str(caches / "keras"), "XDG_CACHE_HOME": str(caches)}
            if empty:
                folder.mkdir()
            else:
                shutil.copytree(request.getfixturevalue("prepared") / "reader", folder)
                variables["EDGEZOO_WEIGHTS_URL"] = request.getfixturevalue("weights_url")
            runner = Runner(folder, environment(warm_zoo, **variables), request.getfixturevalue, whole=whole)
            stack.callback(runner.close)
            runner.run_page(page)
            return runner

        yield run


@pytest.fixture(scope="module")
def own_models() -> Iterator[None]:
    """Forgets at the end what programs have registered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo.registry, "_MODELS", dict(zoo.registry._MODELS))
        yield


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Runner]:
    """A runner in an empty folder, with the installed `zoo`, on a machine with no other environment."""

    def none(name: str) -> NoReturn:
        pytest.skip(f"no {name}")

    runner = Runner(tmp_path, environment(), none)
    yield runner
    runner.close()
