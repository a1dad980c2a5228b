"""Weights that a user's own model publishes: a file beside it, or an address with its SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo
import zoo.plugins
from tests.weights.conftest import save_legacy
from zoo.errors import InputError, WeightsError
from zoo.weights import build_from

if TYPE_CHECKING:
    from tests.conftest import Cli
    from tests.weights.conftest import Server

Array = Any

NET = Path(__file__).with_name("programs") / "net.py"


@pytest.fixture(autouse=True)
def forgotten(own_registry: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restores the registry after each test."""
    monkeypatch.setattr(zoo.plugins, "_loaded", {})


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes the model's file, with these facts, to a folder that is not the current one."""

    def write(file: str, pixels: str = "None") -> Path:
        path = tmp_path / "models" / "net.py"
        path.parent.mkdir(exist_ok=True)
        program = NET.read_text(encoding="utf-8")
        for before, after in (("] = ()\n", f"] = ({file},)\n"), ("= None  # pixels\n", f"= {pixels}\n")):
            assert program.count(before) == 1
            program = program.replace(before, after)
        path.write_text(program, encoding="utf-8")
        return path

    return write


@pytest.fixture
def trained(randomize: Callable[..., Any], write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A trained model of this kind with ten classes, which is no longer in the registry."""
    path = write('WeightsFile("w.keras")')
    with monkeypatch.context() as patch:
        patch.setattr(zoo.registry, "_MODELS", dict(zoo.registry._MODELS))
        zoo.load_models(path)
        model = randomize(zoo.build("net", num_classes=10))
    zoo.plugins._loaded.clear()
    return model


def same(ours: Any, theirs: Any, pixels: Array, prepared: Array | None = None) -> None:
    expected = np.asarray(theirs(pixels if prepared is None else prepared, training=False))
    assert np.ptp(expected, axis=0).max() > 1e-3, "the inputs give the same answer: the comparison shows little"
    np.testing.assert_allclose(np.asarray(ours(pixels, training=False)), expected, rtol=0, atol=1e-4)


def test_a_file_beside_the_model(
    trained: Any, write: Callable[..., Path], inputs_for: Callable[..., Array], tmp_path: Path
) -> None:
    trained.save(tmp_path / "models" / "digits.keras")
    zoo.load_models(write('WeightsFile("digits.keras", {"breadth": 4}, input_size=16)'))
    built = build_from("net", "digits", {})
    # The number of classes is the publisher's, not the two of a new net.
    assert (built.options["num_classes"], built.new_head, built.notes) == (10, False, ())
    same(built.model, trained, inputs_for((16, 16, 3), 4))
    larger = build_from("net", "digits", {"input_size": 24})
    assert larger.notes == ("the weights were trained at 16x16: for breadth=4 none are published at 24x24, only at 16",)
    fewer = build_from("net", "digits", {"num_classes": 3})
    assert fewer.new_head
    np.testing.assert_array_equal(fewer.model.get_layer("conv").kernel, trained.get_layer("conv").kernel)


def test_auto_takes_a_file_of_this_machine_and_says_where_it_should_be(
    trained: Any, write: Callable[..., Path], tmp_path: Path
) -> None:
    zoo.load_models(write('WeightsFile("digits.keras", {"breadth": 4}, input_size=16)'))
    missing = build_from("net", "auto", {})
    assert (missing.weights, missing.options["num_classes"]) == ("none", 2)
    assert missing.notes[0].endswith(f"could not be had (there is no file {tmp_path / 'models' / 'digits.keras'})")
    trained.save(tmp_path / "models" / "digits.keras")
    built = build_from("net", "auto", {})
    assert (built.weights, built.options["num_classes"]) == ("digits", 10)
    np.testing.assert_array_equal(built.model.get_layer("conv").kernel, trained.get_layer("conv").kernel)


def test_no_file_fits_the_options(write: Callable[..., Path]) -> None:
    zoo.load_models(write('WeightsFile("digits.keras", {"breadth": 4})'))
    with pytest.raises(WeightsError, match="no ten digits weights are published for net with breadth=5; choose from 4"):
        zoo.build("net", weights="digits", breadth=5)


def test_several_options_that_no_file_fits_together(write: Callable[..., Path]) -> None:
    small = 'WeightsFile("a.keras", {"breadth": 4, "input_size": 16})'
    large = 'WeightsFile("b.keras", {"breadth": 8, "input_size": 32})'
    zoo.load_models(write(f"{small}, {large}"))
    there = "there are for breadth=4, input_size=16; for breadth=8, input_size=32"
    with pytest.raises(WeightsError, match=f"for net with breadth=8, input_size=16; {there}"):
        zoo.build("net", weights="digits", breadth=8, input_size=16)


def test_other_models_have_none_of_that_name(write: Callable[..., Path]) -> None:
    zoo.load_models(write('WeightsFile("digits.keras")'))
    with pytest.raises(WeightsError, match="no ten digits weights are published for lenet; there are for net$"):
        zoo.build("lenet", weights="digits")
    with pytest.raises(
        WeightsError, match="no ImageNet weights are published for net; there are for mobilenet_v2, .* and "
    ):
        zoo.build("net", weights="imagenet")


def test_an_address_with_its_hash(
    trained: Any, write: Callable[..., Path], inputs_for: Callable[..., Array], server: Server, tmp_path: Path
) -> None:
    path = server.folder / "mine" / "digits.weights.h5"
    path.parent.mkdir()
    trained.save_weights(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    zoo.load_models(write(f'WeightsFile("{server.url}/mine/digits.weights.h5", sha256="{sha256}")'))
    model = zoo.build("net", weights="digits")
    same(model, trained, inputs_for((16, 16, 3), 4))
    # Another model's file of the same name would be in another folder.
    assert (tmp_path / "keras" / "models" / "net" / path.name).read_bytes() == path.read_bytes()
    assert [request[0] for request in server.requests] == ["/mine/digits.weights.h5"]


def test_a_local_file_is_compared_with_its_hash(trained: Any, write: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "models" / "digits.keras"
    trained.save(path)
    wanted = hashlib.sha256(path.read_bytes()).hexdigest()
    zoo.load_models(write(f'WeightsFile("digits.keras", sha256="{wanted}")'))
    zoo.build("net", weights="digits")
    randomized = [value + 1 for value in trained.get_weights()]
    trained.set_weights(randomized)
    trained.save(path)
    with pytest.raises(WeightsError, match=rf"{path} is not the published file: its sha256 is .*, not {wanted}; put"):
        zoo.build("net", weights="digits")


def test_a_mirror_of_keras_is_not_asked_for_it(
    trained: Any, write: Callable[..., Path], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = server.folder / "digits.weights.h5"
    trained.save_weights(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setenv("EDGEZOO_WEIGHTS_URL", f"{server.url}/keras")
    zoo.load_models(write(f'WeightsFile("{server.url}/digits.weights.h5", sha256="{sha256}")'))
    zoo.build("net", weights="digits")
    assert [request[0] for request in server.requests] == ["/digits.weights.h5"]


def test_an_exchanged_file_is_not_used(
    trained: Any, write: Callable[..., Path], server: Server, tmp_path: Path
) -> None:
    path = server.folder / "digits.weights.h5"
    trained.save_weights(path)
    found, wanted = hashlib.sha256(path.read_bytes()).hexdigest(), "a" * 64
    zoo.load_models(write(f'WeightsFile("{server.url}/digits.weights.h5", sha256="{wanted}")'))
    with pytest.raises(WeightsError, match=f"its SHA-256 is {found}, not {wanted}; it was not kept"):
        zoo.build("net", weights="digits")
    assert not list((tmp_path / "keras" / "models" / "net").iterdir())


def test_a_file_that_is_larger_than_it_may_be(
    trained: Any, write: Callable[..., Path], server: Server, tmp_path: Path
) -> None:
    path = server.folder / "digits.weights.h5"
    trained.save_weights(path)
    zoo.load_models(write(f'WeightsFile("{server.url}/digits.weights.h5", sha256="{"a" * 64}", most_bytes=999)'))
    with pytest.raises(WeightsError, match="999"):
        zoo.build("net", weights="digits")
    assert not list((tmp_path / "keras" / "models" / "net").iterdir())


@pytest.mark.parametrize(
    ("pixels", "prepare"),
    [
        ("RAW", lambda pixels: pixels),
        ("Preparation((1 / 255,) * 3, order=(2, 1, 0))", lambda pixels: pixels[..., ::-1] / 255),
        ("MINUS_1_TO_1", lambda pixels: pixels / 127.5 - 1),
    ],
)
def test_pixels_that_the_publisher_prepared_in_another_way(
    pixels: str,
    prepare: Callable[[Array], Array],
    randomize: Callable[..., Any],
    write: Callable[..., Path],
    inputs_for: Callable[..., Array],
    tmp_path: Path,
) -> None:
    """The publisher's model takes prepared pixels, and nothing in the file says how they are prepared."""
    import keras
    from keras import layers

    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    x = layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    # With values of some hundreds, all classes but one would have a score of zero.
    theirs = randomize(keras.Model(inputs, x), gain=0.001 if pixels == "RAW" else 2)
    save_legacy(theirs, tmp_path / "models" / "theirs.h5")
    zoo.load_models(write('WeightsFile("theirs.h5")', pixels))
    raw = inputs_for((16, 16, 3), 4)
    same(zoo.build("net", weights="digits"), theirs, raw, prepare(raw))


def test_an_address_without_a_hash_is_refused_in_one_line(cli: Cli, write: Callable[..., Path]) -> None:
    path = write('WeightsFile("https://example.org/digits.weights.h5")')
    (line,) = (i for i, text in enumerate(path.read_text().splitlines(), 1) if "https://" in text)
    with pytest.raises(
        InputError, match=f"line {line}: the weights at https://example.org/digits.weights.h5 need their SHA-256"
    ):
        zoo.load_models(path)
    result = cli("--models", path, "list")
    assert result.code == 1
    assert "need their SHA-256; give sha256= (`sha256sum FILE` prints it)" in result.error


@pytest.mark.slow
def test_the_help_names_all_weights(cli_process: Cli, write: Callable[..., Path]) -> None:
    path = write('WeightsFile("digits.keras")')
    helped = cli_process("--models", path, "build", "--help").out
    assert "--weights auto|none|imagenet|openimages|digits|FILE" in " ".join(helped.split())
    known = ", ".join(zoo.models.models_by_weights()["imagenet"])
    assert f"(imagenet for {known}; " in " ".join(helped.split())
    assert "; digits for net)" in " ".join(helped.split())


@pytest.mark.slow
def test_a_missing_file_is_named(cli_process: Cli, write: Callable[..., Path], tmp_path: Path) -> None:
    path = write('WeightsFile("digits.keras")')
    result = cli_process("--models", path, "build", "net", "--weights", "digits")
    assert result.code == 1
    assert str(tmp_path / "models" / "digits.keras") in result.error
