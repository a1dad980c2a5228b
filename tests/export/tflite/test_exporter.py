from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tflite

import zoo
from zoo.errors import ExportError, InputError, OptionError, OutputError, VerificationError
from zoo.export import Verification, to_tflite
from zoo.export.checking.verify import verify
from zoo.export.lower.lowering import lower
from zoo.export.options import MODES, Quantize, mode
from zoo.export.tflite.converter import convert
from zoo.export.tflite.settings import Settings
from zoo.runner import Classifier, load
from zoo.summary.table import outline
from zoo.tasks.task import Agreement

if TYPE_CHECKING:
    from tests.conftest import Case, Elsewhere

pytestmark = pytest.mark.slow

NAMES = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}


def parsed(path: Path) -> Any:
    return tflite.Model.GetRootAs(path.read_bytes(), 0)


def operations(path: Path) -> list[str]:
    """Returns the names of a file's operations, read with the public schema."""
    model = parsed(path)
    assert model.SubgraphsLength() == 1
    graph = model.Subgraphs(0)
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    used = [codes[graph.Operators(i).OpcodeIndex()] for i in range(graph.OperatorsLength())]
    return [NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())] for code in used]


def test_parity_on_litert(case: Case) -> None:
    session = load(case.file, runtime="litert")
    scores = np.concatenate([session.run(values)[0] for values in case.inputs])
    # MobileNetV2 is off by up to 1.4e-5, in runtimes and on processors of different kinds.
    np.testing.assert_allclose(scores, case.scores, rtol=0, atol=2e-5)


ON_TFLITE_RUNTIME = """
import sys
import numpy as np
from zoo.runner import load
session = load(sys.argv[1], runtime="tflite-runtime")
assert session.runtime == "tflite-runtime"
np.save(sys.argv[3], np.concatenate([session.run(values)[0] for values in np.load(sys.argv[2])]))
assert np.__version__.startswith("1."), np.__version__
"""


def test_parity_on_tflite_runtime(
    case: Case, tflite_runtime_python: Path, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    np.save(tmp_path / "inputs.npy", case.inputs)
    elsewhere(tflite_runtime_python, ON_TFLITE_RUNTIME, case.file, tmp_path / "inputs.npy", tmp_path / "scores.npy")
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), case.scores, rtol=0, atol=2e-5)


def test_the_file_is_static(case: Case) -> None:
    graph = parsed(case.file).Subgraphs(0)
    for i in range(graph.TensorsLength()):
        tensor = graph.Tensors(i)
        # -1 means open until run time; a tensor of fixed size has no such signature at all.
        assert not tensor.ShapeSignatureLength() or -1 not in tensor.ShapeSignatureAsNumpy()
        assert not tensor.ShapeLength() or tensor.ShapeAsNumpy().min() > 0
    assert graph.InputsLength() == graph.OutputsLength() == 1
    (given, made) = (graph.Tensors(graph.Inputs(0)), graph.Tensors(graph.Outputs(0)))
    assert given.ShapeAsNumpy().tolist() == [1, *case.model.input_shape[1:]]
    assert made.ShapeAsNumpy().tolist() == [1, case.model.output_shape[1]]
    assert given.Type() == made.Type() == tflite.TensorType.FLOAT32


def test_no_shape_arithmetic_is_left(case: Case) -> None:
    found = operations(case.file)
    assert not set(found) & {"SHAPE", "PACK", "STRIDED_SLICE", "CAST", "FILL", "GATHER"}
    # There is one operation for each layer that computes; batch norm and ReLU are folded into the convolution before,
    # and pixels that are prepared in each channel's own way take a convolution of their own.
    kinds = [type(layer).__name__ for layer in case.model.layers]
    kinds += ["Conv2D" for layer in case.model.layers if np.size(getattr(layer, "offset", 0)) > 1]
    wanted = {
        "Conv1D": "CONV_2D",
        "Conv2D": "CONV_2D",
        "DepthwiseConv2D": "DEPTHWISE_CONV_2D",
        "Dense": "FULLY_CONNECTED",
    }
    for op in set(wanted.values()):
        assert found.count(op) == sum(kinds.count(kind) for kind, name in wanted.items() if name == op), op
    assert found.count("SOFTMAX") == 1


def test_the_report(case: Case) -> None:
    report = case.report
    assert report.path == case.file
    assert report.quantize == "none"
    assert report.bytes == case.file.stat().st_size
    assert report.trained
    assert report.seconds > 0
    check = report.verification
    assert check is not None
    assert check.inputs >= 8
    assert check.max_diff < 1e-4
    assert check.agreement.figures == {"top1": 1.0, "top5": 1.0}
    assert check.runtime == "litert"
    document = json.loads(json.dumps(report.as_dict()))
    assert document["path"] == str(case.file)
    assert document["verification"]["top1"] == 1.0


def test_labels_need_nothing_but_zipfile(case: Case) -> None:
    with zipfile.ZipFile(case.file) as archive:
        assert archive.testzip() is None
        labels = archive.read("labels.txt").decode().splitlines()
        # MediaPipe maps the file into memory and reads the uncompressed parts directly.
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    assert labels == [f"class_{i}" for i in range(case.model.output_shape[1])]


def test_the_card(case: Case) -> None:
    with zipfile.ZipFile(case.file) as archive:
        card = json.loads(archive.read("card.json"))
    pixels = len(case.model.input_shape) == 4
    assert card["model"] == case.model.name
    assert card["params"] == case.model.count_params()
    assert card["input"] == {
        "shape": list(case.model.input_shape[1:]),
        "values": "pixels 0..255" if pixels else "as in training",
    }
    assert card["preprocessing"].get("resize") == ("crop" if pixels else None)
    assert card["classes"] == case.model.output_shape[1]
    assert card["weights"] == "trained"
    assert card["quantize"] == "none"
    assert card["verification"] == case.report.verification.as_dict()
    assert card["made_with"]["edgezoo"] == zoo.__version__
    assert {"keras", "numpy", "python"} <= set(card["made_with"])


def test_the_card_holds_the_hash_of_the_flatbuffer(case: Case) -> None:
    content = case.file.read_bytes()
    with zipfile.ZipFile(case.file) as archive:
        end = min(info.header_offset for info in archive.infolist())
        card = json.loads(archive.read("card.json"))
    assert content[4:8] == b"TFL3"
    assert card["flatbuffer"] == {
        "bytes": end,
        "sha256": hashlib.sha256(content[:end]).hexdigest(),
        "crc32": zlib.crc32(content[:end]),
    }


@pytest.fixture(scope="module")
def small() -> Any:
    """A new, very small net."""
    return zoo.build("lenet", input_size=12, num_classes=3)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_random_weights_are_called_so(small: Any, tmp_path: Path) -> None:
    report = to_tflite(small, tmp_path / "small.tflite")
    assert not report.trained
    assert report.card["weights"] == "random"
    assert Classifier(report.path).card["weights"] == "random"


def test_labels_and_facts_travel_in_the_file(small: Any, tmp_path: Path) -> None:
    labels = ["cat", "dog", "Elwetritsch äöü"]
    facts = {"options": {"num_classes": 3}, "license": "CC-BY-4.0"}
    report = to_tflite(small, str(tmp_path / "small.tflite"), labels=labels, facts=facts)
    classifier = Classifier(report.path)
    assert classifier.labels == tuple(labels)
    assert classifier.card["options"] == {"num_classes": 3}
    assert classifier.card["license"] == "CC-BY-4.0"
    assert names(tmp_path) == ["small.tflite"]


def test_labels_may_be_the_path_of_a_file(small: Any, tmp_path: Path) -> None:
    names_of_classes = tmp_path / "labels.txt"
    names_of_classes.write_text("cat\ndog\nhen\n", encoding="utf-8")
    for path in (str(names_of_classes), names_of_classes):
        report = to_tflite(small, tmp_path / "small.tflite", labels=path, verify_file=False)
        assert Classifier(report.path).labels == ("cat", "dog", "hen")
    with pytest.raises(InputError, match=r"none\.txt"):
        to_tflite(small, tmp_path / "other.tflite", labels="none.txt")
    with pytest.raises(InputError, match="labels=1 is not allowed; give texts alone"):
        to_tflite(small, tmp_path / "other.tflite", labels=["cat", 1, "hen"])  # type: ignore[list-item]


def test_the_same_model_gives_the_same_bytes(small: Any, tmp_path: Path) -> None:
    first = to_tflite(small, tmp_path / "a.tflite", labels=["a", "b", "c"]).path.read_bytes()
    second = to_tflite(small, tmp_path / "b.tflite", labels=["a", "b", "c"]).path.read_bytes()
    assert first == second


def test_a_thousand_classes_of_a_trained_model_are_imagenets(randomize: Callable[..., Any], tmp_path: Path) -> None:
    model = zoo.build("mlp", input_size=4, channels=3, hidden=(8,), num_classes=1000)
    fresh = to_tflite(model, tmp_path / "fresh.tflite").path
    assert Classifier(fresh).labels[:2] == ("class_0", "class_1")
    trained = to_tflite(randomize(model), tmp_path / "trained.tflite").path
    assert list(Classifier(trained).labels) == zoo.imagenet_labels()
    own = to_tflite(model, tmp_path / "own.tflite", labels=[f"n{i}" for i in range(1000)]).path
    assert Classifier(own).labels[999] == "n999"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "b"], "the model has 3 classes but there are 2 labels"),
        (["a", "b", "c", "d"], "the model has 3 classes but there are 4 labels"),
        ([], "the model has 3 classes but there are 0 labels"),
        (["a", "b", "a"], "label 3 'a' stands there twice"),
        (["a", " ", "c"], "label 2 is ' '; give one line of text"),
        (["a", "b", "c\nd"], r"label 3 is 'c\\nd'; give one line of text"),
    ],
)
def test_labels_that_do_not_fit(small: Any, tmp_path: Path, labels: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        to_tflite(small, tmp_path / "small.tflite", labels=labels)
    assert names(tmp_path) == []


@pytest.fixture(scope="module")
def converted(small: Any) -> bytes:
    """The file that `convert` makes from `small`."""
    return convert(lower(small), Settings("none"))


def failing(error: BaseException) -> Callable[..., Any]:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    "step", ["tflite.exporter.convert", "describe.with_metadata", "preparing.verify", "describe.append_files"]
)
@pytest.mark.parametrize(
    "error", [ExportError("no"), KeyboardInterrupt(), MemoryError()], ids=lambda e: type(e).__name__
)
@pytest.mark.parametrize("before", [b"an older file", None], ids=["replacing", "new"])
def test_an_export_that_fails_leaves_what_was_there(
    small: Any,
    converted: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    error: BaseException,
    before: bytes | None,
) -> None:
    path = tmp_path / "small.tflite"
    if before:
        path.write_bytes(before)
    monkeypatch.setattr(f"zoo.export.{step}", failing(error))
    if step != "tflite.exporter.convert":
        # The step before this is tested elsewhere, and takes most of the time.
        monkeypatch.setattr("zoo.export.tflite.exporter.convert", lambda *_: converted)
    with pytest.raises(type(error)):
        to_tflite(small, path)
    assert names(tmp_path) == (["small.tflite"] if before else [])
    assert not before or path.read_bytes() == before


def test_a_file_that_disagrees_is_not_kept(small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agreement = Agreement(0.5, "names the same class as Keras", {"top1": 0.5, "top5": 1})
    found = Verification(8, "synthetic inputs", "litert", max_diff=0.4, mean_diff=0.2, agreement=agreement)
    monkeypatch.setattr("zoo.export.preparing.verify", lambda *_, **__: found)
    path = tmp_path / "small.tflite"
    with pytest.raises(
        VerificationError, match=r"small\.tflite .* 50% of 8 .* at least \d+% are asked for.*was not kept"
    ):
        to_tflite(small, path)
    assert names(tmp_path) == []
    assert to_tflite(small, path, min_agreement=0.5).verification == dataclasses.replace(found, asked=0.5)


@pytest.mark.parametrize("quantize", [name for name in MODES if name != "none"])
def test_random_weights_are_compared_and_not_judged(
    small: Any, quantize: Quantize, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, randomize: Callable[..., Any]
) -> None:
    """Nothing separates the classes of random weights, so a file with less precision than float32 may exchange them."""
    quarter = Agreement(0.25, "names the same class as Keras", {"top1": 0.25, "top5": 1.0})
    monkeypatch.setattr(
        "zoo.export.preparing.verify",
        lambda *args, **options: dataclasses.replace(verify(*args, **options), agreement=quarter),
    )
    report = to_tflite(small, tmp_path / "small.tflite", quantize=quantize)
    assert report.verification
    assert (report.verification.agreement.share, report.verification.asked) == (0.25, 0)
    assert (report.card["verification"]["top1"], report.card["verification"]["asked"]) == (0.25, 0)
    assert any("not judged" in note for note in report.notes)
    with pytest.raises(VerificationError, match="at least 50% are asked for"):
        to_tflite(small, tmp_path / "asked.tflite", quantize=quantize, min_agreement=0.5)
    trained = randomize(zoo.build("lenet", input_size=12, num_classes=3))
    samples = np.random.default_rng(0).integers(0, 256, (20, 12, 12, 1)).astype(np.float32)
    with pytest.raises(VerificationError, match=f"at least {mode(quantize).min_agreement:.0%} are asked for"):
        to_tflite(trained, tmp_path / "trained.tflite", quantize=quantize, calibration=samples)
    assert names(tmp_path) == ["small.tflite"]


def test_a_wrong_conversion_of_random_weights_is_caught_by_its_values(
    small: Any, randomize: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = randomize(zoo.build("lenet", input_size=12, num_classes=3))
    wrong = convert(lower(other), Settings("float16"))
    monkeypatch.setattr("zoo.export.tflite.exporter.convert", lambda *_: wrong)
    with pytest.raises(VerificationError, match=r"differs from Keras by 0\.\d+ on average .* expected of float16"):
        to_tflite(small, tmp_path / "small.tflite", quantize="float16")
    assert names(tmp_path) == []


def test_what_was_asked_of_a_trained_model_is_in_its_card(
    small: Any, tmp_path: Path, randomize: Callable[..., Any]
) -> None:
    trained = randomize(zoo.build("lenet", input_size=12, num_classes=3))
    report = to_tflite(trained, tmp_path / "trained.tflite", quantize="float16")
    assert report.card["verification"]["asked"] == mode("float16").min_agreement
    assert not any("not judged" in note for note in report.notes)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True])
def test_invalid_seeds_are_refused(small: Any, seed: Any, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=f"seed={seed!r} is not allowed; give a whole number from 0 to 4294967295"):
        to_tflite(small, tmp_path / "small.tflite", seed=seed)
    assert names(tmp_path) == []


def test_values_that_are_not_finite_are_not_agreement(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreement = Agreement(1.0, "names the same class as Keras", {"top1": 1, "top5": 1})
    found = Verification(8, "x", "litert", max_diff=math.nan, mean_diff=math.nan, agreement=agreement)
    monkeypatch.setattr("zoo.export.preparing.verify", lambda *_, **__: found)
    with pytest.raises(VerificationError, match="not finite"):
        to_tflite(small, tmp_path / "small.tflite")
    assert names(tmp_path) == []


def test_a_wrong_conversion_is_caught(
    small: Any, randomize: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = randomize(zoo.build("lenet", input_size=12, num_classes=3))
    wrong = convert(lower(other), Settings("none"))
    monkeypatch.setattr("zoo.export.tflite.exporter.convert", lambda *_: wrong)
    with pytest.raises(VerificationError, match=r"names the same class as Keras on \d+% of"):
        to_tflite(small, tmp_path / "small.tflite")
    assert names(tmp_path) == []


def test_a_place_that_cannot_be_written(small: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "small.tflite"
    with pytest.raises(OutputError, match=f"cannot write {path}: a file stands where a folder should be"):
        to_tflite(small, path)
    (tmp_path / "folder.tflite").mkdir()
    with pytest.raises(OutputError, match="is a folder; choose another name"):
        to_tflite(small, tmp_path / "folder.tflite")
    assert names(tmp_path) == ["file", "folder.tflite"]


def test_models_that_cannot_be_exported(tmp_path: Path) -> None:
    import keras

    a, b = keras.Input((4,)), keras.Input((4,))
    two = keras.Model([a, b], keras.layers.Add()([a, b]), name="two")
    with pytest.raises(ExportError, match="two has 2 inputs; only models with one can be exported"):
        to_tflite(two, tmp_path / "m.tflite")
    picture = keras.Input((None, None, 3))
    wide = keras.Model(picture, keras.layers.GlobalAveragePooling2D()(picture), name="wide")
    with pytest.raises(ExportError, match=r"wide has an input of open size \(None, None, 3\): say which size"):
        to_tflite(wide, tmp_path / "m.tflite")
    fixed = keras.Input((8, 8, 3))
    network = keras.Model(fixed, keras.layers.Conv2D(2, 3)(fixed), name="map")
    with pytest.raises(ExportError, match=r"map is no classifier: its outputs are \(None, 6, 6, 2\), not one"):
        to_tflite(network, tmp_path / "m.tflite")
    assert names(tmp_path) == []


def test_a_model_that_the_converter_refuses(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((8, 8, 3))
    # FFT uses complex numbers, which no float kernel takes.
    x = keras.ops.fft2((inputs[..., 0], inputs[..., 1]))[0]
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(x)), name="spectrum")
    with pytest.raises(ExportError, match="TensorFlow cannot convert spectrum: ") as caught:
        to_tflite(model, tmp_path / "m.tflite")
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == []


@pytest.mark.slow
@pytest.mark.long
def test_vgg16_at_full_size(tmp_path: Path) -> None:
    """The conversion takes about a minute and 6 GB, in a separate process like that of all large models."""
    model = zoo.build("vgg16")
    assert model.count_params() == outline("vgg16").params == 138_357_544
    report = to_tflite(model, tmp_path / "vgg16.tflite")
    assert report.bytes == pytest.approx(4 * 138_357_544, rel=1e-3)
    assert report.verification is not None
    assert report.verification.max_diff < 1e-4
    found = operations(report.path)
    # One more convolution than the paper has: it turns the channels and subtracts the mean.
    assert (found.count("CONV_2D"), found.count("MAX_POOL_2D"), found.count("FULLY_CONNECTED")) == (14, 5, 3)
    assert not set(found) & {"SHAPE", "PACK", "STRIDED_SLICE"}
    report.path.unlink()
