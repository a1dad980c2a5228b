"""`keras:NAME` with published weights and with files, made here and served on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.narrow import narrow_applications
from tests.spread import spread
from tests.weights.conftest import save_legacy
from zoo.errors import WeightsError
from zoo.weights import build_from

if TYPE_CHECKING:
    from tests.conftest import Cli
    from tests.weights.conftest import Server

Array = Any
TINY = {"alpha": 0.25, "input_size": 64}


@pytest.fixture(autouse=True)
def _narrow() -> Iterator[None]:
    with narrow_applications():
        yield


@pytest.fixture
def theirs(randomize: Callable[..., Any], inputs_for: Callable[..., Array]) -> Any:
    """MobileNet 0.25 of keras.applications with random weights."""
    import keras

    model = keras.applications.MobileNet(input_shape=(64, 64, 3), alpha=0.25, weights=None)
    return spread(randomize(model), keras.applications.mobilenet.preprocess_input(inputs_for((64, 64, 3), 3)))


def same(ours: Any, theirs: Any, prepare: Callable[[Array], Array], pixels: Array) -> None:
    expected = np.asarray(theirs(prepare(pixels.copy()), training=False))
    assert np.ptp(expected, axis=0).max() > 1e-3, "the inputs give the same answer: the comparison shows little"
    np.testing.assert_allclose(np.asarray(ours(pixels, training=False)), expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_published_weights_are_those_that_keras_would_load(
    theirs: Any, server: Server, inputs_for: Callable[..., Array]
) -> None:
    from keras.applications import mobilenet

    save_legacy(theirs, server.folder / "mobilenet" / "mobilenet_2_5_224_tf.h5")
    built = build_from("keras:MobileNet", "imagenet", TINY)
    assert built.notes == (
        "the weights were trained at 224x224: for keras:MobileNet none are published at 64x64, only at 224",
    )
    same(built.model, theirs, mobilenet.preprocess_input, inputs_for((64, 64, 3), 3))
    with pytest.raises(WeightsError, match="published for keras:MobileNet with alpha=0.3; there are for alpha=1"):
        build_from("keras:MobileNet", "imagenet", {"alpha": 0.3})


@pytest.mark.slow
def test_files_of_keras_bring_their_weights(theirs: Any, tmp_path: Path, inputs_for: Callable[..., Array]) -> None:
    from keras.applications import mobilenet

    pixels = inputs_for((64, 64, 3), 3)
    theirs.save(tmp_path / "whole.keras")
    theirs.save_weights(tmp_path / "their.weights.h5")
    for path in (save_legacy(theirs, tmp_path / "their.h5"), tmp_path / "whole.keras", tmp_path / "their.weights.h5"):
        built = build_from("keras:MobileNet", path, TINY)
        same(built.model, theirs, mobilenet.preprocess_input, pixels)


@pytest.mark.slow
def test_what_was_built_is_taken_back(
    randomize: Callable[..., Any], tmp_path: Path, inputs_for: Callable[..., Array]
) -> None:
    """The channels of ResNet are turned in the graph, in ours as in the file."""
    built = build_from("keras:ResNet50", None, {"input_size": 32, "num_classes": 4})
    spread(randomize(built.model, gain=1), inputs_for((32, 32, 3), 3))
    built.model.save(tmp_path / "mine.keras")
    again = build_from("keras:ResNet50", tmp_path / "mine.keras", {"input_size": 32})
    assert again.options["num_classes"] == 4
    assert again.notes == ()
    same(again.model, built.model, lambda pixels: pixels, inputs_for((32, 32, 3), 3))


@pytest.mark.slow
def test_other_pixels_than_keras_own_are_refused_where_channels_are_turned(tmp_path: Path) -> None:
    import keras

    pixels = keras.Input((32, 32, 3))
    scaled = keras.layers.Rescaling(1 / 255)(pixels)
    keras.applications.ResNet50(weights=None, classes=4, input_tensor=scaled).save(tmp_path / "own.keras")
    with pytest.raises(WeightsError, match="prepares its pixels in another way than the model, which turns the order"):
        build_from("keras:ResNet50", tmp_path / "own.keras", {"input_size": 32})


@pytest.mark.slow
def test_the_command_builds_and_describes_them(cli: Cli, tmp_path: Path) -> None:
    words = ["keras:MobileNet", "--alpha", "0.25", "--input-size", "32", "--num-classes", "3"]
    done = cli("build", *words, "--weights", "none", "--out", tmp_path)
    assert (done.code, done.err) == (0, "")
    assert (tmp_path / "MobileNet_0.25_32.tflite").is_file()
    done = cli("info", *words)
    assert done.code == 0
    assert "MobileNet of keras.applications https://keras.io/api/applications/" in done.out
    assert "published weights: --weights imagenet (Keras Applications)" in done.out
    done = cli("build", "keras:Mobilenet", "--out", tmp_path)
    assert (done.code, done.out) == (1, "")
    assert "has no classifier 'Mobilenet'; did you mean 'MobileNet'?" in done.error
    assert "keras:" not in cli("list").out
