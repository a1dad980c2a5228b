"""The export of a run: what is found before the training, and what is written though something fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.errors import ExportError, InputError, VerificationError
from zoo.export import export_run
from zoo.export.options import ExportOptions
from zoo.export.run import export_files, require_exportable
from zoo.training import TrainResult

if TYPE_CHECKING:
    from tests.conftest import Array


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, digits: tuple[Array, Array]) -> TrainResult:
    """A LeNet that saw 100 digits for one epoch: it is not sure of anything."""
    folder = tmp_path_factory.mktemp("digits")
    for i, (picture, label) in enumerate(zip(digits[0][:100], digits[1][:100], strict=True)):
        (folder / str(label)).mkdir(exist_ok=True)
        Image.fromarray(picture[..., 0].astype(np.uint8)).save(folder / str(label) / f"{i:03}.png")
    return zoo.train("lenet", folder, out=tmp_path_factory.mktemp("runs") / "lenet", epochs=1)


@pytest.mark.slow
def test_all_that_succeeds_is_written_though_one_file_fails(run: TrainResult, monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.export.checking.checks import require_agreement as kept

    def refuse(verification: Any, mode: Any, name: str) -> None:
        if mode.name == "none":
            raise VerificationError(f"{name} was not kept")
        kept(verification, mode, name)

    monkeypatch.setattr("zoo.export.checking.judging.require_agreement", refuse)
    found = export_files(run, ExportOptions().in_modes(("none", "int8")))
    assert [(one.mode, str(one.error)) for one in found.failures] == [("none", "lenet.tflite was not kept")]
    assert [row["mode"] for row in found.rows] == ["keras", "int8"]
    assert json.loads((run.folder / "files.json").read_text()) == found.rows
    card = (run.folder / "README.md").read_text()
    assert "lenet_int8.tflite" in card
    assert "lenet.tflite" not in card
    assert not (run.folder / "lenet.tflite").exists()
    with pytest.raises(VerificationError, match="was not kept"):
        export_run(run, ["none", "float16"])
    assert [row["mode"] for row in json.loads((run.folder / "files.json").read_text())] == ["keras", "float16"]


@pytest.mark.slow
def test_the_rows_say_accuracy_interval_and_agreement(run: TrainResult) -> None:
    rows = {row["mode"]: row for row in export_run(run, ["none", "int8"])}
    assert rows["none"]["accuracy"] == rows["keras"]["accuracy"] == run.accuracy
    for row in rows.values():
        assert row["interval"][0] <= row["accuracy"] <= row["interval"][1]
        assert row["count"] == run.metrics["count"]
    assert rows["keras"]["agreement"] is None
    assert rows["none"]["agreement"] == 1
    assert 0 <= rows["int8"]["agreement"] <= 1


@pytest.mark.slow
def test_too_few_files_to_calibrate_on_are_found_before_the_training(tmp_path: Path) -> None:
    for name, shade in (("cat", 40), ("dog", 200)):
        (tmp_path / "d" / name).mkdir(parents=True)
        for i in range(4):
            Image.fromarray(np.full((28, 28), shade + i, np.uint8)).save(tmp_path / "d" / name / f"{i}.png")
    wanted = ExportOptions().in_modes(("none", "int8"))
    with pytest.raises(ExportError, match=r"int8 .* at least 10 training files, and there are 6; .*--quantize none"):
        zoo.train(
            "lenet",
            tmp_path / "d",
            out=tmp_path / "run",
            check=lambda model, data: require_exportable(model, data, wanted),
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_what_an_export_would_refuse_is_found_by_the_model_and_the_data(run: TrainResult) -> None:
    import dataclasses

    import keras

    wanted = ExportOptions().in_modes(("none", "int8"))
    require_exportable(run.model, run.data, wanted)
    with pytest.raises(ExportError, match="calibration_samples=5 is too few"):
        require_exportable(run.model, run.data, ExportOptions(calibration_samples=5).in_modes(("int8",)))
    hidden = dataclasses.replace(run.data, class_names=("a\u200bb", *run.data.class_names[1:]))
    with pytest.raises(InputError, match="does not show itself"):
        require_exportable(run.model, hidden, wanted)
    two = [keras.Input((28, 28, 1)), keras.Input((28, 28, 1))]
    scores = keras.layers.Dense(10, activation="softmax")(keras.layers.Flatten()(keras.layers.Add()(two)))
    with pytest.raises(ExportError, match="2 inputs"):
        require_exportable(keras.Model(two, scores), run.data, wanted)


@pytest.mark.slow
def test_the_layers_model_of_a_run_is_read_back_and_judged_on_the_held_out_files(run: TrainResult) -> None:
    found = export_files(run, (), tfjs=True)
    assert found.failures == ()
    keras_row, row = found.rows
    assert (row["file"], row["mode"], row["runtime"]) == ("lenet_tfjs", "tfjs", "Keras, read back")
    # It computes as the model does, pixel / 127 - 1 in front, so that it is right on the same files.
    for name in ("accuracy", "interval", "split", "count"):
        assert row[name] == keras_row[name]
    assert (row["agreement"], row["latency_ms"]) == (1, None)
    assert row["bytes"] == sum(one.stat().st_size for one in (run.folder / "lenet_tfjs").iterdir())
    metadata = json.loads((run.folder / "lenet_tfjs" / "metadata.json").read_text(encoding="utf-8"))
    assert metadata["labels"] == list(run.data.class_names)
    assert json.loads((run.folder / "files.json").read_text()) == found.rows
    assert "| lenet_tfjs | " in (run.folder / "README.md").read_text()
    assert "measured with Keras, not with TensorFlow.js" in found.notes[0]
    assert "ml5 gives a model colour pictures of 224x224 only" in found.notes[1]


@pytest.mark.slow
def test_a_layers_model_that_computes_something_else_is_seen_by_its_accuracy(
    run: TrainResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.export.tfjs.check import read_back as real

    def other(folder: Path, half: float | None) -> Any:
        model = real(folder, half)
        model.set_weights([0 * one for one in model.get_weights()])
        return model

    monkeypatch.setattr("zoo.export.tfjs.run.read_back", other)
    first, row = export_files(run, (), tfjs=True).rows
    assert row["accuracy"] < first["accuracy"]
    assert row["agreement"] < 1


@pytest.mark.slow
def test_a_layer_that_tensorflow_js_lacks_is_found_before_the_training(run: TrainResult) -> None:
    import random

    import keras

    inputs = keras.Input((28, 28, 1))
    odd = keras.layers.UnitNormalization(name="odd")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(odd))
    with pytest.raises(ExportError, match="TensorFlow.js, which has no layer for UnitNormalization"):
        require_exportable(model, run.data, (), tfjs=True)
    state = random.getstate()
    require_exportable(run.model, run.data, (), tfjs=True)
    assert random.getstate() == state  # a training goes on with the seeds that it has without this


@pytest.mark.slow
def test_a_layers_model_that_cannot_be_written_does_not_keep_others(
    run: TrainResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise VerificationError("gives other scores than Keras")

    monkeypatch.setattr("zoo.export.run.write_layers", refuse)
    found = export_files(run, ExportOptions().in_modes("none"), tfjs=True)
    assert [(one.mode, str(one.error)) for one in found.failures] == [("tfjs", "gives other scores than Keras")]
    assert [row["mode"] for row in found.rows] == ["keras", "none"]
