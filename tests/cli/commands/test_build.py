from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo
import zoo.models
from zoo.export import Verification
from zoo.runner import Classifier
from zoo.tasks.task import Agreement
from zoo.weights import load_model

if TYPE_CHECKING:
    from tests.conftest import Cli

pytestmark = pytest.mark.slow

SMALL = ("build", "mobilenet_v2", "--alpha", "0.35", "--input-size", "32", "--num-classes", "4")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_it_says_and_what_the_card_holds(cli: Cli, tmp_path: Path) -> None:
    result = cli(*SMALL, "--export", "tflite", "--out", tmp_path / "new")
    assert (result.code, result.err) == (0, "")
    path = tmp_path / "new" / "mobilenet_v2_0.35_32.tflite"
    assert names(tmp_path / "new") == [path.name]
    assert str(path) in result.out
    assert f"{path.stat().st_size / 1e6:.2f} MB" in result.out
    assert "100%" in result.out
    assert "against Keras, on 32 synthetic inputs, run by litert" in result.out
    assert "the weights are RANDOM" in result.out
    *first, last = zoo.models.models_by_weights("classification")["imagenet"]
    assert (
        f"{', '.join(first)} and {last} have --weights imagenet, mobilenet_v2 has --weights openimages." in result.out
    )
    assert "--weights" in result.out
    assert f"zoo run {path} PHOTO.jpg" in result.out
    card = Classifier(path).card
    assert card["architecture"] == "mobilenet_v2"
    assert card["options"] == {"num_classes": 4, "alpha": 0.35, "input_size": 32, "dropout": 0.2}
    assert card["weights"] == "random"
    assert card["seed"] == 0


def test_a_detector_is_trained_on_boxes(cli: Cli, tmp_path: Path) -> None:
    narrow = ("build", "ssdlite_mobilenet_v2", "--alpha", "0.35", "--input-size", "96", "--export", "keras")
    result = cli(*narrow, "--weights", "none", "--out", tmp_path)
    assert (result.code, result.err) == (0, "")
    told = "Train the model on your labelled boxes (zoo train ssdlite_mobilenet_v2 BOXES --export tflite)"
    assert told in result.out
    assert "PICTURES" not in result.out


def test_in_the_current_folder(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("build", "lenet").code == 0
    assert names(tmp_path) == ["lenet.tflite"]


def test_several_formats_and_json(cli: Cli, tmp_path: Path) -> None:
    result = cli("build", "lenet", "--export", "tflite,keras,savedmodel", "--out", tmp_path, "--json")
    assert (result.code, result.err) == (0, "")
    found = {entry["format"]: entry for entry in json.loads(result.out)}
    assert list(found) == ["tflite", "keras", "savedmodel"]
    assert names(tmp_path) == ["lenet.keras", "lenet.tflite", "lenet_savedmodel"]
    assert found["tflite"]["bytes"] == (tmp_path / "lenet.tflite").stat().st_size
    assert found["keras"]["bytes"] == (tmp_path / "lenet.keras").stat().st_size
    assert found["tflite"]["verification"]["top1"] == 1.0
    assert not found["tflite"]["trained"]
    model = load_model(tmp_path / "lenet.keras")
    assert (tmp_path / "lenet_savedmodel" / "saved_model.pb").is_file()
    # Both are the same model.
    pixels = np.full((28, 28, 1), 99, np.float32)
    scores = np.asarray(model(pixels[np.newaxis], training=False))[0]
    for prediction in Classifier(tmp_path / "lenet.tflite").classify(pixels):
        assert prediction.score == pytest.approx(scores[prediction.index], abs=1e-5)


def built(warm: list[str], folder: Path, *args: str) -> dict[str, bytes]:
    """The files of a build in a process of its own."""
    subprocess.run([*warm, "zoo", *args, "--out", str(folder)], check=True, capture_output=True)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "files"),
    [
        (("build", "lenet", "--quantize", "none,float16,int8"), ["lenet", "lenet_float16", "lenet_int8"]),
        ((*SMALL, "--quantize", "int8"), ["mobilenet_v2_0.35_32_int8"]),
    ],
    ids=["all modes", "many layers"],
)
def test_the_same_command_gives_the_same_files(
    warm: list[str], tmp_path: Path, command: tuple[str, ...], files: list[str]
) -> None:
    """Files are equal byte for byte: weights, calibration, check, card and archive."""
    first = built(warm, tmp_path / "first", *command)
    assert list(first) == [f"{name}.tflite" for name in files]
    assert built(warm, tmp_path / "second", *command) == first


@pytest.mark.slow
def test_another_seed_gives_another_file(cli: Cli, tmp_path: Path) -> None:
    for seed in ("0", "7"):
        out = tmp_path / seed
        assert cli("build", "lenet", "--quantize", "int8", "--seed", seed, "--out", out).code == 0
        assert Classifier(out / "lenet_int8.tflite").card["seed"] == int(seed)
    first, second = ((tmp_path / seed / "lenet_int8.tflite").read_bytes() for seed in ("0", "7"))
    assert first[: len(first) // 2] != second[: len(second) // 2]


def test_labels_set_the_number_of_classes(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("cat\ndog\nKäse\n", encoding="utf-8")
    assert cli("build", "lenet", "--labels", tmp_path / "labels.txt", "--out", tmp_path).code == 0
    classifier = Classifier(tmp_path / "lenet.tflite")
    assert classifier.labels == ("cat", "dog", "Käse")
    assert classifier.session.output.shape == (1, 3)


def test_weights_of_a_trained_model(cli: Cli, randomize: Callable[..., Any], tmp_path: Path) -> None:
    trained = randomize(zoo.build("lenet", num_classes=4))
    trained.save(tmp_path / "trained.keras")
    args = ("build", "lenet", "--num-classes", "4", "--weights", tmp_path / "trained.keras", "--out", tmp_path)
    result = cli(*args)
    assert result.code == 0
    assert "RANDOM" not in result.out
    classifier = Classifier(tmp_path / "lenet.tflite")
    assert classifier.card["weights"] == "trained"
    assert "seed" not in classifier.card
    picture = np.full((28, 28, 1), 77, np.float32)
    expected = np.asarray(trained(picture[np.newaxis], training=False))[0]
    assert classifier.classify(picture, 1)[0].index == expected.argmax()


def test_weights_that_do_not_fit(cli: Cli, tmp_path: Path) -> None:
    zoo.build("lenet", num_classes=4).save(tmp_path / "four.keras")
    zoo.build("lenet", num_classes=4).save_weights(tmp_path / "four.weights.h5")
    for name in ("four.keras", "four.weights.h5"):
        result = cli("build", "lenet", "--channels", "3", "--weights", tmp_path / name, "--out", tmp_path / "out")
        assert result.code == 1
        assert f"{name} does not fit lenet_c3: layer 'conv1' has kernel (5, 5, 3, 6), the file has" in result.error
    result = cli("build", "lenet", "--weights", tmp_path / "none.keras", "--out", tmp_path / "out")
    assert result.error == f"no weights file {tmp_path / 'none.keras'}"
    assert not (tmp_path / "out").exists()


def test_the_file_of_weights_sets_the_number_of_classes(
    cli: Cli, randomize: Callable[..., Any], tmp_path: Path
) -> None:
    randomize(zoo.build("lenet", num_classes=4)).save(tmp_path / "four.keras")
    weights = ("--weights", tmp_path / "four.keras", "--out", tmp_path)
    assert cli("build", "lenet", *weights).code == 0
    classifier = Classifier(tmp_path / "lenet.tflite")
    assert classifier.session.output.shape == (1, 4)
    assert "head" not in classifier.card


def test_a_trained_model_becomes_no_file_with_a_random_head_unless_told(
    cli: Cli, randomize: Callable[..., Any], tmp_path: Path
) -> None:
    four = tmp_path / "four.keras"
    randomize(zoo.build("lenet", num_classes=4)).save(four)
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    asked = ("build", "lenet", "--weights", four, "--labels", tmp_path / "labels.txt", "--out", tmp_path)
    result = cli(*asked)
    assert result.code == 1
    assert f"{four}: it has 4 classes, so the head for 2 classes would be random" in result.error
    assert f"export the file as it is (zoo export {four})" in result.error
    assert not list(tmp_path.glob("*.tflite"))
    assert cli(*asked, "--export", "keras").code == 0
    # Told so, the rest is kept, the head is new, and the file says so.
    result = cli(*asked, "--new-head")
    assert "note: four.keras: it has 4 classes, so the head for 2 classes is new: train it" in result.out
    classifier = Classifier(tmp_path / "lenet.tflite")
    assert classifier.labels == ("cat", "dog")
    assert (classifier.card["head"], classifier.card["weights_from"]) == ("random", "four.keras")


def test_an_unpublished_alpha_is_noted(cli: Cli, tmp_path: Path) -> None:
    result = cli(
        "build", "mobilenet_v2", "--alpha", "0.1", "--input-size", "32", "--num-classes", "2", "--out", tmp_path
    )
    assert "note: alpha 0.1 is not a published one" in result.out
    assert names(tmp_path) == ["mobilenet_v2_0.1_32.tflite"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ("mine.keras",),
            "'mine.keras' is the name of a file, not of a model: zoo export mine.keras exports it as it is",
        ),
        (("mobilenet_v9",), "unknown model 'mobilenet_v9'; did you mean 'mobilenet_v2'? "),
        (("mobilenet_v2", "--alpha", "-1"), "mobilenet_v2: --alpha -1.0 is not allowed; give a number, above 0"),
        (("mobilenet_v2", "--groups", "2"), "mobilenet_v2 has no option 'groups'; it takes num_classes, alpha"),
        (("lenet", "--num-classes", "1"), "lenet: --num-classes 1 is not allowed; give an integer, at least 2"),
        (("vgg16", "--dropout", "1"), "vgg16: --dropout 1.0 is not allowed; give a number, at least 0, below 1"),
        (("lenet", "--io", "int8"), "'none' files take float32, not int8; only int8 files have a choice"),
        (
            ("lenet", "--no-verify", "--min-agreement", "1"),
            "--min-agreement 1 asks for the check that verify_file=False",
        ),
        (("lenet", "--calibration-samples", "7"), "--calibration-samples 7 is a number of calibration samples; give"),
        (("lenet", "--input-range", "0,1"), "lenet scales raw pixels itself, to -1..1 in its first layer, and would"),
        (
            ("mlp", "--features", "4", "--channels", "3"),
            "mlp: --features 4 is for vectors, and input_size and channels",
        ),
        (("lenet", "--labels", "none.txt"), "cannot read label file none.txt: No such file or directory"),
        (("lenet", "--labels", "."), "cannot read label file .: Is a directory"),
    ],
)
def test_errors(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("build", *args)
    assert result.code == 1
    assert result.error.startswith(message)
    assert result.out == ""
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("labels", "args", "message"),
    [
        ("cat\ndog\n", ("--num-classes", "3"), "the model has 3 classes but there are 2 labels"),
        ("cat\ndog\ncat\n", (), "label 3 'cat' stands there twice"),
        ("cat\n\ndog\n", (), "label 2 is ''; give one line of text"),
        ("", (), "label file {path} is empty; give one with the name of a class in each line"),
        (" \n\n", (), "label file {path} is empty"),
    ],
)
def test_wrong_labels(cli: Cli, tmp_path: Path, labels: str, args: tuple[str, ...], message: str) -> None:
    (tmp_path / "labels.txt").write_text(labels)
    result = cli("build", "lenet", "--labels", tmp_path / "labels.txt", *args, "--out", tmp_path / "out")
    assert result.code == 1
    assert result.error.startswith(message.format(path=tmp_path / "labels.txt"))
    assert not list((tmp_path / "out").glob("*"))


def test_a_folder_that_cannot_be_written(cli: Cli, cli_process: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for run in (cli, cli_process):
        result = run("build", "lenet", "--out", tmp_path / "file" / "folder")
        assert result.code == 1
        folder = tmp_path / "file" / "folder"
        assert result.error == f"cannot write to {folder}: a file stands where a folder should be, {tmp_path / 'file'}"
        assert names(tmp_path) == ["file"]


def test_a_file_that_disagrees_is_exit_code_3(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agreement = Agreement(0.25, "names the same class as Keras", {"top1": 0.25, "top5": 0.5})
    found = Verification(32, "synthetic inputs", "litert", max_diff=0.9, mean_diff=0.5, agreement=agreement)
    monkeypatch.setattr("zoo.export.preparing.verify", lambda *_, **__: found)
    result = cli("build", "lenet", "--out", tmp_path)
    assert result.code == 3
    assert "lenet.tflite names the same class as Keras on 25% of 32 inputs only (synthetic inputs)" in result.error
    assert result.out == ""
    assert names(tmp_path) == []


def test_an_interrupt_leaves_nothing(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("zoo.export.preparing.verify", interrupt)
    result = cli("build", "lenet", "--out", tmp_path)
    assert result.code == 130
    assert result.err.strip() == "zoo: error: interrupted"
    assert names(tmp_path) == []


def test_in_a_process(cli_process: Cli, tmp_path: Path) -> None:
    """TensorFlow's log messages do not reach the terminal, which a check in this process could not see."""
    result = cli_process("build", "lenet", "--export", "tflite")
    assert (result.code, result.err) == (0, "")
    assert names(tmp_path) == ["lenet.tflite"]
    assert result.out.splitlines()[0].split()[0] == "file"


@pytest.mark.usefixtures("own_registry")
def test_a_users_own_model(cli: Cli, tmp_path: Path) -> None:
    @zoo.register
    def own(*, num_classes: int = 3) -> Any:
        """My own model."""
        import keras

        inputs = keras.Input((8, 8, 3))
        x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
        return keras.Model(inputs, keras.layers.Dense(num_classes, activation="softmax")(x))

    assert cli("build", "own", "--num-classes", "5", "--out", tmp_path).code == 0
    assert len(Classifier(tmp_path / "own.tflite").labels) == 5


@pytest.mark.parametrize(
    "option",
    [
        ("--quantize", "int8"),
        ("--target", "edgetpu"),
        ("--io", "int8"),
        ("--logits",),
        ("--calibration", "none"),
        ("--min-agreement", "1"),
        ("--no-verify",),
        ("--resize", "pad"),
        ("--license", "MIT"),
        ("--pixels", "tf"),
        ("--input-range", "-1,1"),
    ],
)
@pytest.mark.parametrize(("formats", "what"), [("keras", "a .keras file"), ("savedmodel,keras", "a SavedModel")])
def test_an_option_that_no_format_has_is_refused(
    option: tuple[str, ...], formats: str, what: str, cli: Cli, tmp_path: Path
) -> None:
    done = cli("build", "lenet", "--export", formats, "--out", tmp_path, *option)
    assert done.code == 1
    assert done.error.startswith(f"{option[0]} (")
    assert done.error.endswith(f"; {what} has none; leave it out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("option", "value"), [("--alpha", "3000"), ("--num-classes", "100000000000")])
def test_a_model_too_large_for_any_memory(cli: Cli, tmp_path: Path, option: str, value: str) -> None:
    result = cli("build", "mobilenet_v2", option, value, "--out", tmp_path)
    assert result.code == 1
    assert "GB for its weights alone, this machine has" in result.error
    assert names(tmp_path) == []


def test_the_files_that_were_written_are_shown_though_one_was_not(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zoo.export
    from zoo.errors import VerificationError

    written = zoo.export.to_tflite

    def refuse(model: object, path: Path, options: Any, **more: Any) -> Any:
        if options.quantize == "float16":
            raise VerificationError(f"{path.name} was not kept")
        return written(model, path, options, **more)

    monkeypatch.setattr(zoo.export, "to_tflite", refuse)
    args = ("build", "lenet", "--out", tmp_path, "--quantize", "none,float16", "--export", "tflite,keras")
    done = cli(*args)
    assert (done.code, done.error) == (3, "lenet_float16.tflite was not kept")
    assert f"{tmp_path}/lenet.tflite " in done.out
    assert f"{tmp_path}/lenet.keras " in done.out
    assert f"zoo run {tmp_path}/lenet.tflite" in done.out
    done = cli(*args, "--json")
    assert done.code == 3
    assert [one["format"] for one in json.loads(done.out)] == ["tflite", "keras"]
