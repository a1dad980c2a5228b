"""A run's folder that a stranger made: what `zoo train --resume` reads of it."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

import zoo
from zoo.errors import InputError, UnsafeFileError
from zoo.training.records import checkpoint, folder, readme
from zoo.training.records.checkpoint import Checkpoint, TrainState
from zoo.training.records.history import History
from zoo.training.tasks import columns
from zoo.training.tasks.classification import CLASSIFICATION

COLUMNS = columns(CLASSIFICATION)
SMALL: dict[str, Any] = {"features": 4, "hidden": (16,), "num_classes": 4}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with a state."""
    import keras

    model = zoo.build("mlp", **SMALL)
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    checkpoint.save(tmp_path, model, optimizer, TrainState())
    return tmp_path


def changed(change: Callable[[dict[str, Any]], None]) -> str:
    config = json.loads(zoo.build("mlp", **SMALL).to_json())
    (dense, *_) = (layer for layer in config["config"]["layers"] if layer["class_name"] == "Dense")
    change(dense)
    return json.dumps(config)


def test_an_honest_architecture_is_read(run: Path) -> None:
    model = folder.read_architecture(changed(lambda _: None), run)
    Checkpoint(run, COLUMNS).restore_model(model)
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
    with zipfile.ZipFile(run / checkpoint.FILE, "a", packing) as archive:
        archive.writestr(name, content)
    with pytest.raises(InputError, match=rf"state\.npz is damaged: .*{message}") as caught:
        Checkpoint(run, COLUMNS)
    assert "\n" not in str(caught.value)


FILE = {
    "file": "m.tflite",
    "bytes": 1,
    "count": 2,
    "split": "test",
    "accuracy": 0.5,
    "runtime": "x",
    "latency_ms": None,
}


def test_a_list_of_exported_files_is_read(tmp_path: Path) -> None:
    assert readme.read_files(tmp_path) == []
    (tmp_path / readme.FILES).write_text(json.dumps([FILE]))
    assert readme.read_files(tmp_path) == [FILE]


@pytest.mark.parametrize(
    "content",
    [
        *("[{", '{"a": 1}', "[1]", "[" * 100_000, json.dumps([FILE | {"bytes": 10**400}])),
        *(json.dumps([FILE | change]) for change in ({"accuracy": "x"}, {"file": 1}, {"bytes": None})),
    ],
)
def test_a_list_of_exported_files_that_no_export_wrote(content: str, tmp_path: Path) -> None:
    (tmp_path / readme.FILES).write_text(content)
    with pytest.raises(InputError, match=r"files\.json is no list of exported files; remove it"):
        readme.read_files(tmp_path)


def test_the_readme_of_a_run_shows_versions_and_files_of_others_as_text(tmp_path: Path) -> None:
    hostile = "<img src=x>[a](http://evil)\x1b[31m"
    (tmp_path / "recipe.toml").write_text(
        tomli_w.dumps(
            {
                "model": {"name": hostile, "weights": hostile, "options": {"a": hostile}},
                "data": {"path": hostile, "pictures": True, "splits": {hostile: 1}},
                "versions": {"edgezoo": hostile, hostile: hostile},
            }
        )
    )
    shares = {"label": hostile, "count": 1, "precision": 0.5, "recall": None}
    metrics = {"classes": [shares], "count": 1, "split": "test", "accuracy": 0.5, "balanced_accuracy": 0.5}
    metrics |= {"epochs": 1, "seconds": 1.0, "best_epoch": 1}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    (tmp_path / readme.FILES).write_text(json.dumps([FILE | dict.fromkeys(("file", "split", "runtime"), hostile)]))
    readme.write_card(tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert "\x1b" not in card
    assert "\\<img src=x\\>\\[a\\](http\\://evil)" in card
    assert not re.search(r"(?<!\\)<img|(?<!\\)\[a|http:", card)


@pytest.mark.parametrize("name", [checkpoint.FILE, readme.FILES])
def test_a_named_pipe_in_a_run_is_not_waited_for(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="is no file but a named pipe or a device"):
        Checkpoint(tmp_path, COLUMNS) if name == checkpoint.FILE else readme.read_files(tmp_path)


def test_events_are_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "events").symlink_to(tmp_path / "elsewhere")
    History(tmp_path / "run", TrainState(), CLASSIFICATION)
    assert not list((tmp_path / "elsewhere").iterdir())
    assert (tmp_path / "run" / "events" / "train").is_dir()
