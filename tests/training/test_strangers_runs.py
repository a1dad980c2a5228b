"""A run's folder that a stranger made: what `zoo train --resume` reads of it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.errors import InputError, UnsafeFileError
from zoo.training import folder, state

SMALL: dict[str, Any] = {"features": 4, "hidden": (16,), "num_classes": 4}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with a state."""
    import keras

    model = zoo.build("mlp", **SMALL)
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    state.save(tmp_path, model, optimizer, state.Place())
    return tmp_path


def changed(change: Callable[[dict[str, Any]], None]) -> str:
    config = json.loads(zoo.build("mlp", **SMALL).to_json())
    (dense, *_) = (layer for layer in config["config"]["layers"] if layer["class_name"] == "Dense")
    change(dense)
    return json.dumps(config)


def test_an_honest_architecture_is_read(run: Path) -> None:
    model = folder.read_architecture(changed(lambda _: None), run)
    state.Saved(run).restore_model(model)
    assert model.output_shape == (None, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_name": "Lambda"}, "the class 'Lambda' of 'keras.layers'"),
        ({"class_name": "Evil", "module": "evil"}, "the class 'Evil' of 'evil'"),
    ],
)
def test_an_architecture_that_could_run_code(change: dict[str, Any], message: str, run: Path) -> None:
    (run / "evil.py").write_text("raise SystemExit('code of the folder ran')")
    with pytest.raises(UnsafeFileError, match=rf"architecture\.json is refused: its configuration has {message}"):
        folder.read_architecture(changed(lambda layer: layer.update(change)), run)


def test_what_an_architecture_says_of_training_is_looked_at_too(run: Path) -> None:
    config = json.loads(changed(lambda _: None))
    loss = {"class_name": "function", "module": "os", "config": "system", "registered_name": "system"}
    config["compile_config"] = {"optimizer": "adam", "loss": loss}
    with pytest.raises(UnsafeFileError, match="the function 'system' of 'os'"):
        folder.read_architecture(json.dumps(config), run)


def test_a_layer_of_keras_2_is_not_built_whatever_module_it_names(run: Path) -> None:
    with pytest.raises(InputError, match="Keras 3 does not have TFOpLambda"):
        folder.read_architecture(changed(lambda layer: layer.update(class_name="TFOpLambda", module="evil")), run)


def test_an_architecture_larger_than_the_state(run: Path) -> None:
    with pytest.raises(UnsafeFileError, match="its configuration needs .* values, and it holds"):
        folder.read_architecture(changed(lambda layer: layer["config"].update(units=10**12)), run)


def npy(array: Any, **options: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, array, **options)
    return content.getvalue()


def claim() -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)})
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "packing", "message"),
    [
        ("evil.npy", npy(np.zeros(3)), zipfile.ZIP_STORED, "'evil.npy', which does not belong there"),
        ("model9.npy", npy(np.array([print]), allow_pickle=True), zipfile.ZIP_STORED, "no plain numbers but object"),
        ("model9.npy", claim(), zipfile.ZIP_STORED, "claims 4398046511104 bytes of values and has 0"),
        ("model9.npy", npy(np.zeros(1 << 24)), zipfile.ZIP_DEFLATED, "its parts unpack from"),
        ("model9.npy", npy(np.zeros(3)), zipfile.ZIP_BZIP2, "packed in an unusual way"),
    ],
)
def test_a_state_that_no_training_wrote(name: str, content: bytes, packing: int, message: str, run: Path) -> None:
    with zipfile.ZipFile(run / state.FILE, "a", packing) as archive:
        archive.writestr(name, content)
    with pytest.raises(InputError, match=rf"state\.npz is damaged: .*{message}") as caught:
        state.Saved(run)
    assert "\n" not in str(caught.value)
