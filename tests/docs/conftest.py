"""What a reader of the pages has on the desk: pictures, a photo, models and files. Made once."""

from __future__ import annotations

import contextlib
import functools
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo
from tests.docs.desk import Desk, environment
from tests.docs.reading import blocks
from tests.weights.conftest import Server, handler, save_legacy
from zoo.weights.imagenet import choose

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


def _trained(folder: Path, alpha: float) -> Any:
    """A MobileNetV2 that has learned the colours, at 96x96, which is quick."""
    import keras

    keras.utils.set_random_seed(0)
    model = zoo.build("mobilenet_v2", alpha=alpha, input_size=96, num_classes=len(COLOURS))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5  # there are but three steps an epoch
    model.compile("adam", "sparse_categorical_crossentropy")
    data = zoo.load_folder(folder / "pictures", 96, batch_size=12, validation=0.0)
    model.fit(data.train, epochs=16, shuffle=False, verbose=0)
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


def _write_own_files(folder: Path) -> None:
    """The models and files that the pages call `mine` and `model`, and a data set of digits."""
    import keras

    from zoo.export import to_tflite

    model = _trained(folder, 0.35)
    model.save(folder / "mine.keras")
    (folder / "labels.txt").write_text("\n".join(COLOURS), encoding="utf-8")
    to_tflite(model, folder / "mine.tflite", labels=list(COLOURS))
    to_tflite(model, folder / "mine_int8.tflite", quantize="int8", calibration=folder / "pictures")
    # The usual file of transfer learning, as Keras 2 wrote it.
    backbone = keras.applications.VGG16(include_top=False, weights=None, input_shape=(64, 64, 3), pooling="avg")
    keras.Sequential([backbone, keras.layers.Dense(len(COLOURS), "softmax")]).save(folder / "mine.h5")
    shutil.copy(Path(__file__).parents[1] / "weights" / "keras2" / "teachable.h5", folder / "keras_model.h5")
    shutil.copy(folder / "mine.tflite", folder / "model.tflite")
    shutil.copy(folder / "mine_int8.tflite", folder / "model_int8.tflite")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, digits_folder: Path) -> Path:
    """The folder that each page gets a copy of."""
    folder = tmp_path_factory.mktemp("desk")
    _write_pictures(folder)
    _write_video(folder / "street.mp4", folder / "photo.jpg")
    shutil.copytree(digits_folder, folder / "digits")
    _write_own_files(folder)
    return folder


@pytest.fixture(scope="session")
def weights_url(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[str]:
    """The address of a server on this machine that has the published weights."""
    import keras

    folder = tmp_path_factory.mktemp("published")
    small = keras.models.load_model(prepared / "mine.keras")
    _publish(small, _trained(prepared, 1.0), folder)
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(Server(folder)))
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}/"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture(scope="session")
def open_desk(
    tmp_path_factory: pytest.TempPathFactory, prepared: Path, weights_url: str, request: pytest.FixtureRequest
) -> Iterator[Callable[[], Desk]]:
    """A function that gives a desk of its own."""
    caches = tmp_path_factory.mktemp("caches")
    variables = environment(
        KERAS_HOME=str(caches / "keras"), XDG_CACHE_HOME=str(caches), EDGEZOO_WEIGHTS_URL=weights_url
    )
    with contextlib.ExitStack() as stack:

        def start() -> Desk:
            folder = tmp_path_factory.mktemp("page") / "desk"
            shutil.copytree(prepared, folder)
            desk = Desk(folder, variables, request.getfixturevalue)
            stack.callback(desk.close)
            return desk

        yield start


@pytest.fixture(scope="session")
def printed(open_desk: Callable[[], Desk]) -> Callable[[str], dict[str, str]]:
    """Runs all blocks of a page in order, once a session; each command or program, and what it printed.

    Fails with all that does not run, where it stands and what it said.
    """

    @functools.cache
    def run(page: str) -> tuple[dict[str, str], list[str]]:
        desk, found, failed = open_desk(), dict[str, str](), list[str]()
        for block in blocks(page):
            try:
                found |= desk.do(block)
            except AssertionError as error:
                failed.append(str(error))
        return found, failed

    def get(page: str) -> dict[str, str]:
        found, failed = run(page)
        assert not failed, "\n\n".join(failed)
        return found

    return get


@pytest.fixture
def bare_desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk with nothing on it."""
    desk = Desk(tmp_path, environment(), lambda _: tmp_path)
    yield desk
    desk.close()
