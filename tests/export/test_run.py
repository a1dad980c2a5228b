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


def test_the_rows_say_accuracy_interval_and_agreement(run: TrainResult) -> None:
    rows = {row["mode"]: row for row in export_run(run, ["none", "int8"])}
    assert rows["none"]["accuracy"] == rows["keras"]["accuracy"] == run.accuracy
    for row in rows.values():
        assert row["interval"][0] <= row["accuracy"] <= row["interval"][1]
        assert row["count"] == run.metrics["count"]
    assert rows["keras"]["agreement"] is None
    assert rows["none"]["agreement"] == 1
    assert 0 <= rows["int8"]["agreement"] <= 1


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
