"""`--weights auto`: published weights where they can be had, else random ones, and never an error."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo
from tests.weights.conftest import save_legacy
from zoo.errors import OptionError
from zoo.runner import Classifier
from zoo.weights import auto, build_from
from zoo.weights.fetch import download

if TYPE_CHECKING:
    from tests.conftest import Cli
    from tests.weights.conftest import Server

SMALL: dict[str, Any] = {"alpha": 0.35, "input_size": 96}
STEM = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96"
BUILD = ("build", "mobilenet_v2", "--alpha", "0.35", "--input-size", "96")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, randomize: Callable[..., Any]) -> Path:
    """A folder with both files of MobileNetV2 0.35 at 96 pixels as Keras Applications publishes them."""
    import keras

    folder = tmp_path_factory.mktemp("published")
    model = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None)
    save_legacy(randomize(model, gain=1.5), folder / f"{STEM}.h5")
    body = keras.Model(model.input, model.layers[-3].output)
    save_legacy(body, folder / f"{STEM}_no_top.h5")
    return folder


@pytest.fixture
def served(server: Server, published: Path) -> Server:
    """The server of the other tests, which has these files."""
    shutil.copytree(published, server.folder / "mobilenet_v2")
    return server


@pytest.fixture
def cached(server: Server, tmp_path: Path) -> Path:
    """The folder in which a file is taken for a finished download; the server has none."""
    folder = tmp_path / "keras" / "models"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.slow
def test_published_weights_are_found(served: Server) -> None:
    assert auto.choose("mobilenet_v2", SMALL, head=True) == auto.Choice("imagenet")
    # Before a training the head will be new, whatever its classes: the smaller file will do.
    assert auto.choose("mobilenet_v2", SMALL, any_classes=True).name == "imagenet"
    assert [path.rpartition("/")[2] for path, _ in served.requests] == [f"{STEM}.h5", f"{STEM}_no_top.h5"]


def test_what_is_in_the_cache_needs_no_server(server: Server, cached: Path, published: Path) -> None:
    shutil.copy(published / f"{STEM}.h5", cached)
    assert auto.choose("mobilenet_v2", SMALL).name == "imagenet"
    assert not server.requests


@pytest.mark.usefixtures("cached")
def test_without_them_the_weights_are_random_and_the_reason_is_said(server: Server, tmp_path: Path) -> None:
    found = auto.choose("mobilenet_v2", SMALL)
    assert found.is_random
    assert found.why == "those trained on ImageNet are published for these options, but could not be had"
    assert "answers 404" in found.details
    assert f"put it at {tmp_path}" in found.sentence()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("lenet", {}, "none are published for lenet"),
        ("mobilenet_v2", {"alpha": 0.6}, "no ImageNet weights are published for mobilenet_v2 with alpha=0.6"),
        ("mobilenet_v2", SMALL | {"num_classes": 4}, "the head for 4 classes would be random all the same"),
    ],
)
def test_nobody_is_asked_for_what_is_not_published(
    name: str, options: dict[str, Any], why: str, server: Server
) -> None:
    found = auto.choose(name, options, head=True)
    assert found.is_random
    assert why in found.why
    assert not server.requests


def test_a_wrong_option_is_an_error_all_the_same(server: Server) -> None:
    with pytest.raises(OptionError, match="alpha=0"):
        auto.choose("mobilenet_v2", {"alpha": 0})
    assert not server.requests


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("EDGEZOO_WEIGHTS_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
        yield


@pytest.mark.usefixtures("silent")
def test_a_server_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "SECONDS", 0.2)
    monkeypatch.setattr(download, "RETRIES", 1000)
    assert "no answer within 0 s" in auto.choose("mobilenet_v2", SMALL).details


def test_a_name_that_is_looked_up_for_ever_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def look_up(*_: Any, **__: Any) -> Any:
        time.sleep(3)
        raise OSError("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(auto, "SECONDS", 0.2)
    monkeypatch.setenv("EDGEZOO_WEIGHTS_URL", "http://weights.invalid")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    assert "no answer within 0 s" in auto.choose("mobilenet_v2", SMALL).details


def test_a_damaged_file_and_that_of_another_model_are_told(cached: Path, published: Path) -> None:
    (cached / f"{STEM}.h5").write_bytes(b"no weights")
    found = auto.choose("mobilenet_v2", SMALL)
    assert (found.why, found.is_random) == ("the file of those trained on ImageNet is of no use", True)
    assert "delete the file" in found.details
    # Under the name of another width.
    shutil.copy(published / f"{STEM}.h5", cached / f"{STEM.replace('0.35', '0.5')}.h5")
    assert "does not fit" in auto.choose("mobilenet_v2", SMALL | {"alpha": 0.5}).details


@pytest.mark.slow
def test_a_file_of_no_use_changes_no_random_weight(cached: Path, published: Path) -> None:
    shutil.copy(published / f"{STEM}.h5", cached / f"{STEM.replace('0.35', '0.5')}.h5")
    options = {"alpha": 0.5, "input_size": 96, "num_classes": 1000}
    tried, plain = (build_from("mobilenet_v2", weights, options, seed=3) for weights in ("auto", "none"))
    assert "does not fit" in tried.notes[0]
    for one, other in zip(tried.model.get_weights(), plain.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.usefixtures("served")
def test_python_takes_auto_too_and_random_weights_by_default(published: Path) -> None:
    built = build_from("mobilenet_v2", "auto", SMALL)
    assert built.weights == "imagenet"
    assert "--weights imagenet" in built.notes[0]
    assert not zoo.weights.is_untrained(built.model)
    assert zoo.weights.is_untrained(zoo.build("mobilenet_v2", num_classes=2, **SMALL))


@pytest.mark.slow
def test_build_takes_what_is_published(cli: Cli, served: Server, tmp_path: Path) -> None:
    result = cli(*BUILD, "--out", tmp_path / "out")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("note: the weights are the published ones, --weights imagenet")
    assert "RANDOM" not in result.out
    classifier = Classifier(tmp_path / "out" / "mobilenet_v2_0.35_96.tflite")
    assert (classifier.card["weights"], classifier.card["weights_from"]) == ("trained", "imagenet")
    assert classifier.labels == tuple(zoo.imagenet_labels())


@pytest.mark.slow
def test_build_says_first_last_and_in_the_card_that_weights_are_random(
    cli: Cli, server: Server, tmp_path: Path
) -> None:
    result = cli(*BUILD, "--out", tmp_path / "out")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    why = "those trained on ImageNet are published for these options, but could not be had"
    assert lines[0].startswith(f"note: the weights are RANDOM: {why} (")
    assert f"note: the weights are RANDOM ({why}): the files run, but their answers mean nothing" in lines[-1]
    card = Classifier(tmp_path / "out" / "mobilenet_v2_0.35_96.tflite").card
    assert (card["weights"], card["weights_from"], card["weights_why"]) == ("random", "none", why)
    (entry,) = json.loads(cli(*BUILD, "--export", "keras", "--out", tmp_path / "out", "--json").out)
    assert (entry["weights_from"], entry["weights_why"]) == ("none", why)


@pytest.mark.slow
def test_an_int8_file_without_pictures_is_still_built(cli: Cli, served: Server, tmp_path: Path) -> None:
    """A trained model is calibrated on real pictures only: `auto` must not turn that into an error."""
    result = cli(*BUILD, "--quantize", "int8", "--out", tmp_path)
    assert result.code == 0, result.err
    assert "note: the weights are RANDOM: with published ones int8 has to be calibrated" in result.out.splitlines()[0]
    assert not served.requests
