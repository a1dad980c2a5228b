from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tflite

from zoo.runner import load
from zoo.tasks.classification import CLASSIFICATION
from zoo.tflite.normalization import ENTRY
from zoo.tflite.writing.metadata import append_files, with_metadata
from zoo.tflite.writing.tags import Signature, Tags

if TYPE_CHECKING:
    from tests.conftest import Case, Elsewhere

SIGNATURE = Signature("pixels", ("scores",))
OUTPUTS = CLASSIFICATION.output_tags
TAGS = Tags("net", "a net", author="me", license="MIT", image_shape=(28, 28, 1), signature=SIGNATURE, outputs=OUTPUTS)


@pytest.fixture(scope="session")
def plain() -> bytes:
    """A file as the converter writes it."""
    import keras
    import tensorflow as tf

    inputs = keras.Input(batch_shape=(1, 28, 28, 1))
    x = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(keras.layers.Flatten()(x)))
    return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def entries(model: Any) -> dict[str, int]:
    found = [model.Metadata(i) for i in range(model.MetadataLength())]
    return {entry.Name().decode(): entry.Buffer() for entry in found}


READ_BACK = """
import json, sys
from tflite_support import metadata
found = metadata.MetadataDisplayer.with_model_file(sys.argv[1])
print(json.dumps({
    "metadata": json.loads(found.get_metadata_json()),
    "files": found.get_packed_associated_file_list(),
    "labels": found.get_associated_file_buffer("labels.txt").decode(),
}))
"""


@pytest.mark.slow
def test_tflite_support_reads_it_back(case: Case, tflite_support_python: Path, elsewhere: Elsewhere) -> None:
    found = json.loads(elsewhere(tflite_support_python, READ_BACK, case.file))
    assert sorted(found["files"]) == ["card.json", "labels.txt"]
    assert found["labels"].splitlines() == [f"class_{i}" for i in range(case.model.output_shape[1])]
    metadata = found["metadata"]
    assert metadata["name"] == case.model.name
    assert metadata["min_parser_version"] == "1.0.0"
    (graph,) = metadata["subgraph_metadata"]
    (given,), (made,) = graph["input_tensor_metadata"], graph["output_tensor_metadata"]
    assert made["associated_files"] == [{"name": "labels.txt", "type": "TENSOR_AXIS_LABELS"}]
    # The input takes raw pixels, so the reader subtracts nothing and divides by one.
    (unit,) = given["process_units"]
    assert unit["options_type"] == "NormalizationOptions"
    assert unit["options"] == {"mean": [0.0], "std": [1.0]}
    shape = case.model.input_shape[1:]
    if len(shape) == 3:
        properties = given["content"]["content_properties"]
        assert properties["color_space"] == ("GRAYSCALE" if shape[2] == 1 else "RGB")
        assert properties["default_size"] == {"width": shape[1], "height": shape[0]}
    else:
        assert given["content"]["content_properties_type"] == "FeatureProperties"


SIGNED = """
import json, sys
import numpy as np
from zoo.runner.loading import runtimes
interpreter = runtimes.find()[1](model_path=sys.argv[1])
run = interpreter.get_signature_runner()
(inputs,), (outputs,) = run.get_input_details(), run.get_output_details()
scores = [run(**{inputs: row[np.newaxis]})[outputs][0].tolist() for row in np.load(sys.argv[2])]
print(json.dumps({"signatures": interpreter.get_signature_list(), "scores": scores}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["base_python", "tflite_support_python"])
def test_the_signature_has_the_names_of_the_layers(
    case: Case, environment: str, request: pytest.FixtureRequest, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    np.save(tmp_path / "inputs.npy", case.inputs)
    found = json.loads(elsewhere(request.getfixturevalue(environment), SIGNED, case.file, tmp_path / "inputs.npy"))
    ends = {"inputs": [case.model.layers[0].name], "outputs": ["softmax"]}
    assert found["signatures"] == {"serving_default": ends}
    np.testing.assert_allclose(found["scores"], case.scores, atol=1e-4)


def test_the_model_itself_is_untouched(plain: bytes, tmp_path: Path) -> None:
    tagged = with_metadata(plain, TAGS, labels_file="labels.txt", other_files=["card.json"])
    assert tagged.endswith(plain)
    path, before = tmp_path / "tagged.tflite", tmp_path / "plain.tflite"
    path.write_bytes(tagged)
    before.write_bytes(plain)
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28, 1)).astype(np.float32)
    np.testing.assert_array_equal(load(path).run(pixels)[0], load(before).run(pixels)[0])
    old, new = tflite.Model.GetRootAs(plain, 0), tflite.Model.GetRootAs(tagged, 0)
    assert new.Version() == old.Version()
    assert new.Description() == old.Description()
    assert new.OperatorCodesLength() == old.OperatorCodesLength()
    assert new.SubgraphsLength() == old.SubgraphsLength() == 1
    assert new.BuffersLength() == old.BuffersLength() + 1
    for i in range(old.BuffersLength()):
        assert new.Buffers(i).DataLength() == old.Buffers(i).DataLength()
        if old.Buffers(i).DataLength():
            np.testing.assert_array_equal(new.Buffers(i).DataAsNumpy(), old.Buffers(i).DataAsNumpy())


def positions(flatbuffer: bytes) -> list[int]:
    """Returns the place where the content of each buffer begins that is not empty."""
    model = tflite.Model.GetRootAs(flatbuffer, 0)
    start = np.frombuffer(flatbuffer, np.uint8).__array_interface__["data"][0]
    buffers = [model.Buffers(i) for i in range(model.BuffersLength())]
    return [b.DataAsNumpy().__array_interface__["data"][0] - start for b in buffers if b.DataLength()]


def test_weights_keep_their_alignment(plain: bytes) -> None:
    tagged = with_metadata(plain, TAGS, labels_file="labels.txt")
    *moved, blob = positions(tagged)
    shift = len(tagged) - len(plain)
    assert moved == [position + shift for position in positions(plain)]
    # The schema requires an alignment of 16 bytes, and the converter's alignment is kept.
    assert shift % 16 == 0
    assert blob % 16 == 0


def test_the_metadata_stands_in_the_buffer_that_its_entry_names(plain: bytes) -> None:
    tagged = with_metadata(plain, TAGS, labels_file="labels.txt")
    model = tflite.Model.GetRootAs(tagged, 0)
    found = entries(model)
    assert set(entries(tflite.Model.GetRootAs(plain, 0))) < set(found)
    blob = model.Buffers(found[ENTRY]).DataAsNumpy().tobytes()
    assert blob[4:8] == b"M001"
    assert b"labels.txt" in blob


def test_older_metadata_is_replaced(plain: bytes) -> None:
    once = with_metadata(plain, TAGS, labels_file="labels.txt")
    other = Tags(
        "other net",
        "",
        author="",
        license="",
        image_shape=None,
        signature=Signature("values", ("odds",)),
        outputs=OUTPUTS,
    )
    twice = tflite.Model.GetRootAs(with_metadata(once, other, labels_file="names.txt"), 0)
    listed = [twice.Metadata(i).Name().decode() for i in range(twice.MetadataLength())]
    assert listed.count(ENTRY) == 1
    blob = twice.Buffers(entries(twice)[ENTRY]).DataAsNumpy().tobytes()
    assert b"other net" in blob
    assert b"names.txt" in blob
    assert twice.SignatureDefsLength() == 1
    assert twice.SignatureDefs(0).Inputs(0).Name() == b"values"


def test_the_same_input_gives_the_same_bytes(plain: bytes, tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        path = tmp_path / name
        path.write_bytes(with_metadata(plain, TAGS, labels_file="labels.txt", other_files=["card.json"]))
        append_files(path, {"labels.txt": "ä\nb\n", "card.json": "{}"})
        made.append(path.read_bytes())
    assert made[0] == made[1]


def test_appended_files_are_stored_as_they_are(plain: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(plain)
    append_files(path, {"labels.txt": "Käse\n"})
    content = path.read_bytes()
    assert content.startswith(plain)
    assert "Käse\n".encode() in content[len(plain) :]
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").decode() == "Käse\n"
