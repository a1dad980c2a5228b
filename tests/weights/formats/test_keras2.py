"""Files that Keras 2 wrote load with its answers, or say that Keras 2 wrote them; `keras2/make.py` made them."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.conftest import Cli
from zoo.errors import WeightsError
from zoo.weights import load_model
from zoo.weights.formats import functions, keras2

FILES = Path(__file__).parents[1] / "keras2"
LOADED = sorted(path.name for path in FILES.iterdir() if path.suffix in {".h5", ".keras"} and path.stem != "local")


def _arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as stored:
        return dict(stored)


@pytest.mark.parametrize("name", LOADED)
def test_a_model_of_keras_2_gives_the_answers_that_it_gave_there(name: str) -> None:
    stored = _arrays((FILES / name).with_suffix(".npz"))
    answers = load_model(FILES / name)(stored["inputs"], training=False)
    # The half precision of a mixed model is not that of another machine to the last bit.
    np.testing.assert_allclose(answers, stored["answers"], rtol=0, atol=2e-3 if "normalized" in name else 1e-5)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_layer_that_keras_3_does_not_have_is_named_with_the_way_on(suffix: str) -> None:
    with pytest.raises(
        WeightsError,
        match=r"Keras 2\.21\.0 wrote it, and Keras 3 cannot build it: it has no LocallyConnected1D\. Load it where",
    ) as caught:
        load_model(FILES / f"local{suffix}")
    assert "export the folder" in str(caught.value)


def _edited(tmp_path: Path, name: str, change: Callable[[dict[str, Any]], None], kind: str) -> Path:
    """A copy of a file in which the configuration of each layer of a class is changed."""

    def walk(config: dict[str, Any]) -> None:
        for layer in config["config"].get("layers", ()):
            if layer["class_name"] == kind:
                change(layer["config"])
            walk(layer)

    path = tmp_path / name
    shutil.copy(FILES / name, path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        walk(config)
        file.attrs["model_config"] = json.dumps(config)
    return path


def test_an_argument_that_means_something_is_not_dropped(tmp_path: Path) -> None:
    path = _edited(tmp_path, "tutorial.h5", lambda config: config.update(groups=2), "DepthwiseConv2D")
    with pytest.raises(WeightsError, match=r"\(DepthwiseConv2D\) has groups=2, which Keras 3 does not have"):
        load_model(path)


@pytest.mark.parametrize(
    "function", ["io.read_file", "py_function", "numpy_function", "math.__class__", "load_library"]
)
def test_only_functions_that_compute_are_called(function: str, tmp_path: Path) -> None:
    path = _edited(tmp_path, "functions.h5", lambda config: config.update(function=function), "TFOpLambda")
    with pytest.raises(WeightsError, match="Keras 3 cannot build it: it has no TFOpLambda"):
        load_model(path)
    assert not functions.is_known(function)
    with pytest.raises(ValueError, match="is not known"):
        functions.resolve(function)


def test_every_function_of_the_list_is_one_of_tensorflow() -> None:
    for name in functions._ARRAY:
        if "." in name:  # TensorFlow has some of those of `tf.math` under a short name, too
            assert callable(functions.resolve(name)), name


def test_weights_are_taken_by_name_where_the_order_has_changed(tmp_path: Path) -> None:
    # Keras writes the trainable weights first; which those were, old files do not say.
    path = tmp_path / "tutorial.h5"
    shutil.copy(FILES / "tutorial.h5", path)
    with h5py.File(path, "r+") as file:
        (group,) = (g for g in file["model_weights"].values() if len(g.attrs.get("weight_names", ())) > 4)
        group.attrs["weight_names"] = list(group.attrs["weight_names"])[::-1]
    stored = _arrays(FILES / "tutorial.npz")
    np.testing.assert_allclose(load_model(path)(stored["inputs"], training=False), stored["answers"], atol=1e-5)


@pytest.mark.parametrize("missing", [True, False])
def test_weights_that_are_not_those_of_the_model_are_refused(missing: bool, tmp_path: Path) -> None:
    path = tmp_path / "tutorial.h5"
    shutil.copy(FILES / "tutorial.h5", path)
    with h5py.File(path, "r+") as file:
        (name,) = (name for name in file["model_weights"] if name.startswith("dense"))
        group = file["model_weights"][name]
        names = list(group.attrs["weight_names"])
        group.attrs["weight_names"] = names[:1] if missing else [*names, names[0]]
    with pytest.raises(WeightsError, match=rf"its layer '{name}' has {1 if missing else 3} arrays, not 2"):
        load_model(path)


def test_the_first_files_of_the_keras_format_have_other_names_of_groups(tmp_path: Path) -> None:
    path, weights = tmp_path / "teachable.keras", tmp_path / "w.h5"
    with zipfile.ZipFile(FILES / "teachable.keras") as source, zipfile.ZipFile(path, "w") as target:
        weights.write_bytes(source.read("model.weights.h5"))
        with h5py.File(weights, "r+") as file:
            found: list[str] = []
            file.visit(lambda name: found.append(name) if name.rpartition("/")[2] == "layers" else None)
            for name in reversed(found):
                file.move(name, name.removesuffix("layers") + "_layer_checkpoint_dependencies")
        target.writestr("config.json", source.read("config.json"))
        target.writestr("metadata.json", '{"keras_version": "2.12.0"}')
        target.write(weights, "model.weights.h5")
    stored = _arrays(FILES / "teachable.npz")
    np.testing.assert_allclose(load_model(path)(stored["inputs"], training=False), stored["answers"], atol=1e-5)


@pytest.mark.parametrize(
    ("version", "module", "old"),
    [
        ("2.2.4-tf", None, True),
        ("2.15.0", None, True),
        ("3.5.0", "keras.src.engine.functional", False),
        ("", "keras.src.engine.functional", True),
        ("", "tf_keras.src.engine.sequential", True),
        ("", "keras.src.models.functional", False),
    ],
)
def test_who_wrote_a_file(version: str, module: str | None, old: bool) -> None:
    assert keras2.is_old(version, {"class_name": "Functional", "module": module, "config": {}}) is old


def test_teachable_machines_file_is_exported_with_its_answers(cli: Cli, tmp_path: Path) -> None:
    from zoo.runner import Classifier

    done = cli("export", FILES / "teachable.h5", "--input-range=-1,1", "--out", tmp_path)
    assert done.code == 0, done.err
    stored = _arrays(FILES / "teachable.npz")
    classifier = Classifier(tmp_path / "teachable.tflite")
    pixels = ((stored["inputs"] + 1) * 127.5).astype(np.float32)
    scores = np.stack([classifier.outputs(picture)[0][0] for picture in pixels])
    np.testing.assert_allclose(scores, stored["answers"], atol=1e-4)
