"""`.onnx` files on ONNX Runtime: the same answers as of `.tflite` files, and one line where there are none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx")
pytest.importorskip("onnxruntime", reason="needs onnxruntime")

import onnxruntime

from tests import detectors
from tests.full import files_in
from tests.onnx import runnable
from tests.onnx.nets import TensorProto, helper, model, one, save, value
from tests.runner import deadly
from zoo.errors import AnswerError, InputError, MissingDependencyError, ModelFileError
from zoo.onnx.card import props_of
from zoo.runner import Classifier, Detector, Predictor, load
from zoo.runner.loading import known as known_files
from zoo.runner.loading.providers import available, chosen
from zoo.runner.outlook import outlook
from zoo.tasks import scores_of

if TYPE_CHECKING:
    from tests.conftest import Array, Case

RED = np.zeros((8, 8, 3), np.uint8)
RED[..., 0] = 200
RED[..., 2] = 30


@pytest.fixture(scope="module")
def lenet_onnx(lenet: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same LeNet as the `.tflite` file, as tf2onnx converts it: the channels first, a batch of one."""
    tf2onnx = pytest.importorskip("tf2onnx")
    import tensorflow as tf

    entry = tf.TensorSpec((1, *lenet.model.input_shape[1:]), tf.float32, name="input_0")
    run = tf.function(lambda pixels: lenet.model(pixels, training=False))
    made, _ = tf2onnx.convert.from_function(run, [entry], opset=13, inputs_as_nchw=["input_0"])
    labels = [f"class_{at}" for at in range(10)]
    helper.set_model_props(made, props_of({"task": "classification", "input": {"values": "pixels 0..255"}}, labels))
    return save(made, tmp_path_factory.mktemp("onnx") / "lenet.onnx")


def test_a_classifier_gives_the_same_answers_as_its_tflite_file(
    lenet: Case, lenet_onnx: Path, digits: tuple[Array, Array]
) -> None:
    ours, other = Classifier(lenet_onnx, threads=1, trusted=True), Classifier(lenet.file, threads=1, trusted=True)
    assert (ours.session.runtime, ours.session.input.shape) == ("onnxruntime", (1, 1, 28, 28))
    for digit in digits[0][:20].astype(np.uint8):
        found, expected = (one.outputs(one.picture.arrange(digit)) for one in (ours, other))
        np.testing.assert_allclose(found[0], expected[0], atol=1e-5)


def test_pictures_are_read_as_for_a_tflite_file(lenet: Case, lenet_onnx: Path, digits_folder: Path) -> None:
    pictures = sorted(digits_folder.glob("*/0.png"))
    answers = [
        [result.predictions[0] for result in Classifier(path, trusted=True).classify_many(pictures, 1)]
        for path in (lenet_onnx, lenet.file)
    ]
    assert [one.label for one in answers[0]] == [one.label for one in answers[1]]
    np.testing.assert_allclose([one.score for one in answers[0]], [one.score for one in answers[1]], atol=1e-5)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_detector_finds_the_same_as_its_tflite_file(swapped: bool, tmp_path: Path) -> None:
    ours = Detector(runnable.detector(tmp_path / "d.onnx", swapped=swapped), trusted=True)
    other = Detector(detectors.two_outputs(tmp_path / "d.tflite"), trusted=True)
    picture = detectors.cells((0, 0, "red"), (2, 3, "blue"), (3, 1, "green"))
    found, expected = ours.detect(ours.picture.arrange(picture)), other.detect(picture)
    assert len(found) == 3
    assert [(one.label, one.box) for one in found] == [(one.label, one.box) for one in expected]
    np.testing.assert_allclose([one.score for one in found], [one.score for one in expected], atol=1e-5)


def test_task_and_labels_come_from_the_file(tmp_path: Path) -> None:
    predictor: Predictor[Any] = Predictor(runnable.detector(tmp_path / "d.onnx"), trusted=True)
    assert predictor.task.name == "detection"
    assert predictor.labels == detectors.COLOURS
    classifier = Classifier(runnable.colours(tmp_path / "c.onnx", props=runnable.described()), trusted=True)
    found = classifier.classify(classifier.picture.arrange(RED))
    assert (found[0].label, scores_of(classifier.task), classifier.notes) == ("red", "probabilities", ())


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.UINT8, TensorProto.FLOAT16, TensorProto.INT64])
@pytest.mark.parametrize("batch", [1, 4, "N"])
def test_inputs_of_any_number_type_and_batch_take_pixels(kind: int, batch: Any, tmp_path: Path) -> None:
    path = runnable.colours(tmp_path / "c.onnx", kind=kind, batch=batch, props=runnable.described())
    scores = Classifier(path, trusted=True).scores(RED.transpose(2, 0, 1))
    expected = np.exp(np.array([200, 0, 30]) / 50)
    np.testing.assert_allclose(scores, expected / expected.sum(), atol=1e-5)


def test_a_file_of_others_is_run_and_said_to_be_one(tmp_path: Path) -> None:
    path = runnable.colours(tmp_path / "c.onnx", last="Relu")
    classifier = Classifier(path, labels=["r", "g", "b"], input_range=(0, 1), trusted=True)
    found = classifier.classify(classifier.picture.arrange(RED))
    assert [(one.label, round(one.score, 4)) for one in found] == [("r", 0.0157), ("b", 0.0024), ("g", 0.0)]
    (note,) = classifier.notes
    assert "no probabilities, such as logits" in note
    assert any(
        "does not say how its pixels are scaled; it gets 0..255" in note
        for note in Classifier(path, trusted=True).notes
    )


def test_pixels_are_scaled_as_nets_from_pytorch_take_them(tmp_path: Path) -> None:
    path = runnable.colours(tmp_path / "c.onnx", last="Identity")
    classifier = Classifier(path, input_range="imagenet", trusted=True)
    assert not classifier.entry.unsure
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (np.array([200, 0, 30]) / 255 - mean) / std / 50
    np.testing.assert_allclose(classifier.scores(classifier.picture.arrange(RED)), expected, atol=1e-6)
    made_here = runnable.colours(tmp_path / "ours.onnx", props=runnable.described())
    with pytest.raises(InputError, match="takes no input range: it is made by this package"):
        Classifier(made_here, input_range="imagenet", trusted=True)


def test_gray_pictures_have_no_colours_to_scale(tmp_path: Path) -> None:
    path = save(one("Flatten", shape=(1, 1, 8, 8)), tmp_path / "m.onnx")
    with pytest.raises(InputError, match="takes gray pictures, and the input range imagenet is for colour"):
        Classifier(path, input_range="imagenet", trusted=True)


def test_a_detector_without_its_anchors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="the anchors of its 16 boxes are not in the file"):
        Detector(runnable.grid(tmp_path / "d.onnx"), trusted=True)


def test_an_output_whose_size_the_file_does_not_tell_is_measured(tmp_path: Path) -> None:
    path = runnable.colours(tmp_path / "c.onnx", output=["a", "b"], props=runnable.described())
    session = load(path, trusted=True)
    assert session.output.shape == (1, 3)
    assert session.file.main.tensors[session.file.main.outputs[0]].shape == (1, 3)
    assert Classifier(path, trusted=True).labels == detectors.COLOURS


def test_the_outlook_is_told_without_onnxruntime(tmp_path: Path) -> None:
    from zoo.runner import formats

    path = runnable.detector(tmp_path / "d.onnx")
    told = outlook(formats.read(path), formats.describe(path).card)
    assert told["task"] == "detection, 3 classes"
    assert told["input"] == "RGB pictures of 64x64 (width x height), the channels first; pixels 0..255 as they are"
    assert "one for each of 16 anchors" in told["boxes"]


def test_each_format_has_its_runtimes(lenet_file: Path, tmp_path: Path) -> None:
    path = runnable.colours(tmp_path / "c.onnx")
    with pytest.raises(InputError, match=r"litert runs \.tflite files, not \.onnx ones; .* one of onnxruntime"):
        load(path, runtime="litert")
    with pytest.raises(InputError, match=r"onnxruntime runs \.onnx files, not \.tflite ones; leave --runtime out"):
        load(lenet_file, runtime="onnxruntime")
    with pytest.raises(InputError, match="onnxruntime takes no TFLite delegates, and no 'edgetpu'; give --provider"):
        load(path, delegate="edgetpu")
    with pytest.raises(InputError, match="litert has no provider 'cuda': providers are those of onnxruntime"):
        load(lenet_file, provider="cuda", trusted=True)
    with pytest.raises(InputError, match="give either the delegate 'edgetpu'.* or the provider 'cpu'"):
        load(path, provider="cpu", delegate="edgetpu")


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (one("Add", 2), "has 2 inputs; only models with one are supported"),
        (one("Relu", shape=(1, "n")), r"takes an input of the open size \(1, \?\)"),
        (one("Relu", shape=("b", 3, "h", "w")), r"takes an input of the open size \(\?, 3, \?, \?\)"),
        (one("Softmax", shape=(1, 2, 3, 4, 5)), "is no classifier"),
        (one("NoSuchOp"), "onnxruntime cannot load .*NoSuchOp"),
    ],
)  # fmt: skip
def test_what_is_no_model_of_pictures_is_one_line(net: Any, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=reason) as caught:
        Classifier(save(net, tmp_path / "m.onnx"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("kind", "name"), [(TensorProto.STRING, "bytes"), (TensorProto.BOOL, "bool")])
def test_an_input_that_takes_no_numbers_is_refused(kind: int, name: str, tmp_path: Path) -> None:
    path = runnable.colours(tmp_path / "c.onnx", kind=kind)
    with pytest.raises(ModelFileError, match=f"takes an input of type {name}, neither pictures nor numbers"):
        Classifier(path, trusted=True)


def test_an_output_that_is_no_tensor_is_refused(tmp_path: Path) -> None:
    entry, node = value("x", [1, 4]), helper.make_node("SequenceConstruct", ["x"], ["y"])
    output = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)
    with pytest.raises(ModelFileError, match=r"'y' is of type seq\(tensor\(float\)\), and no tensor"):
        load(save(model([node], [entry], [output]), tmp_path / "m.onnx"))


def test_an_answer_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    path = runnable.colours(tmp_path / "c.onnx", last="Log", props=runnable.described())
    classifier = Classifier(path, trusted=True)
    with pytest.raises(AnswerError, match="gives no answer"):
        classifier.classify(classifier.picture.arrange(RED * 0))


def test_a_cut_file_is_one_line_and_nothing_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = runnable.colours(tmp_path / "c.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr(onnxruntime, "InferenceSession", pytest.fail)
    with pytest.raises(ModelFileError, match=r"cut\.onnx is not a sound \.onnx file") as caught:
        load(tmp_path / "cut.onnx")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_mutated_files_never_end_our_process(tmp_path: Path) -> None:
    """Each file is loaded and run in its own child; those that end the child must be refused by `load`."""
    path, script = runnable.detector(tmp_path / "d.onnx"), Path(deadly.__file__)
    command = [sys.executable, str(script), str(path), str(tmp_path), "60"]
    environment = os.environ | {"PYTHONPATH": str(script.parent.parent.parent)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    outcomes = json.loads(done.stdout)
    assert sum(outcomes.values()) == 60
    assert outcomes["refused"] > 3
    assert outcomes["orderly"] > 3
    for culprit in sorted(tmp_path.glob("deadly_*.onnx"))[:5]:
        with pytest.raises(ModelFileError, match="damaged or hostile|onnxruntime cannot load"):
            load(culprit)


def test_a_file_that_ends_its_process_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = runnable.colours(tmp_path / "c.onnx")
    (tmp_path / "onnxruntime.py").write_text("import os\nos.abort()\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelFileError, match=r"damaged or hostile: onnxruntime crashes on it \(SIGABRT\)"):
        load(path)


def test_a_file_is_tried_in_a_process_of_its_own_and_then_known(tmp_path: Path) -> None:
    path = runnable.colours(tmp_path / "c.onnx")
    assert not known_files.holds(path, "onnxruntime")
    load(path)
    assert known_files.holds(path, "onnxruntime")
    assert not known_files.holds(path, "onnxruntime", "cuda")


def test_onnxruntime_reports_nothing_to_its_maker(tmp_path: Path) -> None:
    """Version 1.32 would keep a number of this machine, and what it reports, in files."""
    (tmp_path / "home").mkdir()
    places = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR"), str(tmp_path / "home"))
    program = "import sys; from zoo.runner import load; load(sys.argv[1], trusted=True)"
    path = runnable.colours(tmp_path / "c.onnx")
    subprocess.run([sys.executable, "-c", program, path], check=True, env=os.environ | places)
    assert files_in(tmp_path / "home") == []


def test_a_provider_that_the_build_lacks_is_named_with_the_package_that_has_it(tmp_path: Path) -> None:
    path = runnable.colours(tmp_path / "c.onnx")
    with pytest.raises(
        MissingDependencyError, match=r"the provider qnn is missing: the installed onnxruntime .* has .*cpu"
    ):
        load(path, provider="qnn", trusted=True)
    with pytest.raises(MissingDependencyError, match="The package onnxruntime-gpu has it, .* NVIDIA's own build"):
        load(path, provider="TensorRT", trusted=True)
    with pytest.raises(InputError, match="there is no provider 'gpu': the installed onnxruntime"):
        load(path, provider="gpu", trusted=True)
    with pytest.raises(InputError, match="provider=5"):
        load(path, provider=5)  # type: ignore[arg-type]


def test_the_cpu_may_be_asked_for_and_a_remote_provider_is_never_offered(tmp_path: Path) -> None:
    assert load(runnable.colours(tmp_path / "c.onnx"), provider="CPU", trusted=True).runtime == "onnxruntime"
    assert "cpu" in available(onnxruntime)
    with pytest.raises(InputError, match="there is no provider 'azure'"):
        chosen(onnxruntime, "azure")


class Fallen:
    """A session of a build with CUDA on a machine without: it runs on the CPU, and says so only if it is asked."""

    def __init__(self, path: str, options: Any, *, providers: list[str], enable_fallback: int) -> None:
        assert not enable_fallback
        assert providers == ["CUDAExecutionProvider", "CPUExecutionProvider"]
        os.write(2, b"[E:onnxruntime:Default] Failed to load library with error: libcublas.so.13: cannot open it\n")

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def test_a_provider_that_falls_back_to_the_cpu_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Fallen)
    with pytest.raises(
        MissingDependencyError,
        match=r"the provider cuda does not start here \(libcublas.so.13: cannot open .*\), and .* on the CPU instead",
    ):
        load(runnable.colours(tmp_path / "c.onnx"), provider="cuda", trusted=True)


def test_a_provider_that_raises_is_told_from_a_file_that_does_not_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = onnxruntime.InferenceSession

    def without_tensorrt(path: str, options: Any, *, providers: list[str], enable_fallback: int) -> Any:
        if "TensorrtExecutionProvider" in providers:
            raise RuntimeError("/src/state.cc:729 void Register() Please install TensorRT libraries.\n")
        return real(path, options, providers=providers)

    both = ["TensorrtExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    monkeypatch.setattr(onnxruntime, "InferenceSession", without_tensorrt)
    with pytest.raises(MissingDependencyError, match=r"tensorrt does not start here \(Please install TensorRT librar"):
        load(runnable.colours(tmp_path / "c.onnx"), provider="tensorrt", trusted=True)
    with pytest.raises(ModelFileError, match="onnxruntime cannot load .*NoSuchOp"):
        load(save(one("NoSuchOp"), tmp_path / "m.onnx"), provider="tensorrt", trusted=True)


def test_the_provider_that_is_asked_for_comes_first() -> None:
    names = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    build = SimpleNamespace(get_available_providers=lambda: names, __version__="1")
    assert list(available(build)) == ["tensorrt", "cuda", "cpu"]
    assert chosen(build, "tensorrt") == ["TensorrtExecutionProvider", "CPUExecutionProvider"]
    assert chosen(build, None) == ["CPUExecutionProvider"]


MODULES = """
import sys
from zoo.runner import Classifier
Classifier(sys.argv[1], trusted=sys.argv[2] == "trusted").scores
print(*sorted({"onnx", "onnxruntime", "tensorflow", "google.protobuf", "zoo.onnx.reading.outline"} & set(sys.modules)))
"""


@pytest.mark.slow
def test_neither_format_loads_what_the_other_needs(lenet_file: Path, tmp_path: Path) -> None:
    path = runnable.colours(tmp_path / "c.onnx", props=runnable.described())
    for file, loaded in ((lenet_file, []), (path, ["onnxruntime", "zoo.onnx.reading.outline"])):
        done = subprocess.run(
            [sys.executable, "-c", MODULES, file, "checked"], capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == loaded
