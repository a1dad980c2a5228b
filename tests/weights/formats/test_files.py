from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.errors import OptionError, WeightsError
from zoo.weights import is_untrained, load_model, load_weights


@pytest.fixture
def trained(randomize: Callable[..., Any]) -> Any:
    return randomize(zoo.build("lenet", num_classes=4))


@pytest.fixture
def fresh() -> Any:
    return zoo.build("lenet", num_classes=4)


def assert_same(model: Any, other: Any) -> None:
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("name", ["w.weights.h5", "w.keras"])
def test_weights_come_back(trained: Any, fresh: Any, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    (trained.save_weights if name.endswith(".weights.h5") else trained.save)(path)
    load_weights(fresh, path)
    assert_same(fresh, trained)


def test_weights_of_a_model_of_other_names_fit_by_shape(trained: Any, tmp_path: Path) -> None:
    trained.save(tmp_path / "w.keras")
    other = zoo.build("lenet", num_classes=4, dropout=0.5)
    load_weights(other, str(tmp_path / "w.keras"))
    assert_same(other, trained)


@pytest.mark.parametrize("name", ["w.weights.h5", "w.keras"])
def test_weights_that_do_not_fit_leave_the_model_as_it_was(trained: Any, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    (trained.save_weights if name.endswith(".weights.h5") else trained.save)(path)
    other = zoo.build("lenet", num_classes=5)
    before = other.get_weights()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UserWarning)
        with pytest.raises(WeightsError, match=r"does not fit lenet: .*logits") as caught:
            load_weights(other, path)
    assert not warned, "the error is the one line on the terminal"
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    for mine, old in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, old)


def test_the_first_layer_that_does_not_fit_is_named(trained: Any, tmp_path: Path) -> None:
    trained.save(tmp_path / "w.keras")
    with pytest.raises(WeightsError, match=r"layer 'conv1' has kernel \(5, 5, 3, 6\), the file has \(5, 5, 1, 6\)"):
        load_weights(zoo.build("lenet", channels=3), tmp_path / "w.keras")


def test_fewer_arrays_do_not_fit(tmp_path: Path) -> None:
    zoo.build("mlp", features=4, hidden=(4,), num_classes=4).save(tmp_path / "w.keras")
    model = zoo.build("mlp", features=4, hidden=(4, 4), num_classes=4)
    with pytest.raises(WeightsError, match="it holds 4 arrays, the model has 6"):
        load_weights(model, tmp_path / "w.keras")


@pytest.mark.parametrize("name", ["w.weights.h5", "w.keras", "w.h5"])
def test_damaged_and_missing_files(fresh: Any, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(WeightsError, match=f"no (weights|model) file {path}"):
        load_weights(fresh, path)
    path.write_bytes(b"these are no weights")
    with pytest.raises(WeightsError, match=str(path)) as caught:
        load_weights(fresh, path)
    assert "\n" not in str(caught.value)


def test_a_truncated_keras_file(trained: Any, tmp_path: Path) -> None:
    path = tmp_path / "w.keras"
    trained.save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(WeightsError, match=f"cannot load {path} as a Keras model: "):
        load_model(path)


def test_files_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    path.write_bytes(b"")
    with pytest.raises(WeightsError, match=r"is not a Keras model; give a \.keras or \.h5 file"):
        load_model(path)
    with pytest.raises(WeightsError, match="is a folder, and no SavedModel"):
        load_model(tmp_path)


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_a_finished_file_is_no_model_to_export(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{suffix}"
    path.write_bytes(b"")
    with pytest.raises(
        WeightsError, match=f"is a finished {suffix} file, which no Keras model can be made of; give the"
    ):
        load_model(path)


def test_load_model(trained: Any, tmp_path: Path) -> None:
    trained.save(tmp_path / "w.keras")
    loaded = load_model(tmp_path / "w.keras")
    assert_same(loaded, trained)
    assert loaded.name == "lenet"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet", "mlp", "conv1d"])
def test_a_fresh_build_is_untrained(name: str) -> None:
    assert is_untrained(zoo.build(name))
    assert is_untrained(zoo.build("mobilenet_v2", alpha=0.35, input_size=32, num_classes=2))


@pytest.mark.parametrize("name", ["lenet", "mlp"])
def test_a_seed_gives_the_same_weights_whatever_came_before(name: str) -> None:
    first = zoo.build(name, seed=3).get_weights()
    other = zoo.build(name, seed=4).get_weights()
    again = zoo.build(name, seed=3).get_weights()
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(first, other, strict=True))
    unseeded = [zoo.build(name).get_weights() for _ in range(2)]
    assert any((a != b).any() for a, b in zip(*unseeded, strict=True))


@pytest.mark.slow
def test_a_new_head_is_drawn_from_the_seed(trained: Any, tmp_path: Path) -> None:
    trained.save(tmp_path / "trained.keras")
    heads = [
        zoo.build("lenet", weights=tmp_path / "trained.keras", num_classes=7, seed=seed).get_weights()[-2]
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(heads[0], heads[1])
    assert (heads[0] != heads[2]).any()


@pytest.mark.parametrize("seed", [-1, 2**32, "1", False])
def test_invalid_seeds_are_refused(seed: Any) -> None:
    with pytest.raises(OptionError, match="is not allowed; give a whole number from 0 to 4294967295"):
        zoo.build("lenet", seed=seed)


def test_a_model_is_trained_after_one_step() -> None:
    model = zoo.build("lenet", num_classes=2)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(np.full((2, 28, 28, 1), 128.0, np.float32), np.array([0, 1]), verbose=0, epochs=1)
    rng = np.random.default_rng(0)
    model.fit(rng.integers(0, 256, (3, 28, 28, 1)).astype(np.float32), np.array([0, 1, 1]), verbose=0)
    assert not is_untrained(model)
