"""SavedModel folders load with TensorFlow's answers, and nothing of a stranger's runs before it was looked at."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from tests.conftest import Case, Cli
from zoo.errors import UnsafeFileError, WeightsError
from zoo.export import to_tflite
from zoo.runner import Classifier
from zoo.weights import load_model
from zoo.weights.formats.graphs import ALLOWED
from zoo.weights.formats.savedmodel import name_of

Array = npt.NDArray[Any]
PIXELS = tf.TensorSpec([None, 4, 4, 3], tf.float32, name="pixels")


class Net(tf.Module):  # type: ignore[misc]
    """A model of TensorFlow alone."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(np.random.default_rng(0).normal(size=(48, 3)).astype(np.float32))

    def __call__(self, pixels: Any) -> Any:
        return {"scores": tf.nn.softmax(tf.reshape(tf.cast(pixels, tf.float32) / 255, [-1, 48]) @ self.kernel)}


def _saved(path: Path, function: Callable[..., Any], *entries: Any, holder: Any = None) -> Path:
    """A SavedModel with a function as its signature."""
    holder = tf.Module() if holder is None else holder
    holder.function = tf.function(function, input_signature=list(entries or (PIXELS,)))
    tf.saved_model.save(holder, str(path), signatures=holder.function)
    return path


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Net]:
    model = Net()
    return _saved(tmp_path_factory.mktemp("saved") / "net.savedmodel", model, holder=model), model


@pytest.mark.slow
def test_a_signature_of_tensorflow_alone_is_exported(
    net: tuple[Path, Net], inputs_for: Callable[..., Array], cli: Cli, tmp_path: Path
) -> None:
    folder, model = net
    done = cli("export", folder, "--out", tmp_path)
    assert (done.code, done.err) == (0, "")
    classifier = Classifier(tmp_path / "net.tflite")
    pictures = inputs_for((4, 4, 3))
    scores = np.stack([classifier.outputs(picture)[0][0] for picture in pictures])
    np.testing.assert_allclose(scores, model(pictures)["scores"], atol=1e-5)
    assert classifier.card["source"] == "net.savedmodel"
    assert classifier.card["weights"] == "trained"


def test_int8_alone_has_no_size_of_weights_to_compare_with(net: tuple[Path, Net], cli: Cli, tmp_path: Path) -> None:
    np.save(tmp_path / "examples.npy", np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3)).astype(np.uint8))
    done = cli("export", net[0], "--quantize", "int8", "--calibration", tmp_path / "examples.npy", "--out", tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "net_int8.tflite" in done.out


@pytest.mark.slow
def test_what_keras_exports_is_exported(lenet: Case, tmp_path: Path) -> None:
    lenet.model.export(tmp_path / "folder", verbose=False)
    model = load_model(tmp_path / "folder")
    assert model.input_shape == lenet.model.input_shape
    report = to_tflite(model, tmp_path / "m.tflite")
    classifier = Classifier(report.path)
    scores = np.stack([classifier.outputs(picture)[0][0] for picture in lenet.inputs])
    np.testing.assert_allclose(scores, lenet.scores, atol=1e-4)


def test_augmentation_that_would_flip_pictures_on_the_board_is_refused(tmp_path: Path) -> None:
    import keras

    layers = [keras.layers.RandomFlip(), keras.layers.Flatten(), keras.layers.Dense(3)]
    keras.Sequential([keras.Input((4, 4, 3)), *layers]).export(tmp_path / "folder", verbose=False)
    with pytest.raises(
        WeightsError, match=r"draws random numbers or .* export the \.keras file, which can leave it out"
    ):
        load_model(tmp_path / "folder")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("entry", "size"),
    [
        (tf.TensorSpec([1, 4, 4, 3], tf.float32), None),
        (tf.TensorSpec([None, 4, 4, 3], tf.uint8), None),
        (tf.TensorSpec([None, None, None, 3], tf.float32), 4),
    ],
)
def test_a_fixed_batch_whole_numbers_and_open_sizes(
    entry: Any, size: int | None, inputs_for: Callable[..., Array], tmp_path: Path
) -> None:
    model = Net()
    folder = _saved(tmp_path / "folder", lambda x: model(x)["scores"], entry, holder=model)
    report = to_tflite(load_model(folder), tmp_path / "m.tflite", input_size=size)
    pictures = inputs_for((4, 4, 3))
    classifier = Classifier(report.path)
    scores = np.stack([classifier.outputs(picture)[0][0] for picture in pictures])
    np.testing.assert_allclose(scores, model(pictures)["scores"], atol=1e-4)


def _table(folder: Path) -> Path:
    """A model with a table of words, which TensorFlow reads from a file when it loads the model."""
    words = folder / "words.txt"
    words.write_text("a\nb\n")
    index = tf.lookup.TextFileIndex
    reader = tf.lookup.TextFileInitializer(str(words), tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER)
    holder = tf.Module()
    holder.table = tf.lookup.StaticHashTable(reader, 0)
    return _saved(
        folder / "m", lambda x: x + tf.cast(tf.cast(holder.table.size(), tf.int32), tf.float32), holder=holder
    )


def _stateful(folder: Path) -> Path:
    """A model that remembers what it was shown, which a file cannot."""
    holder = tf.Module()
    holder.state = tf.Variable(tf.zeros([4, 4, 3]))
    return _saved(folder / "m", lambda x: x + holder.state.assign_add(x[0]), holder=holder)


UNSAFE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "Python": (
        lambda at: _saved(at / "m", lambda x: tf.py_function(lambda y: y, [x], tf.float32)),
        "the operation EagerPyFunc",
    ),
    "a file": (
        lambda at: _saved(
            at / "m", lambda x: x + float(1) * tf.cast(tf.strings.length(tf.io.read_file("f")), "float32")
        ),
        "the operation ReadFile",
    ),
    "in a branch": (
        lambda at: _saved(
            at / "m",
            lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: x, lambda: tf.numpy_function(lambda y: y, [x], tf.float32)),
        ),
        "the operation PyFunc",
    ),
    "a table": (_table, "reads the file 'words.txt'"),
}


@pytest.mark.parametrize("name", UNSAFE)
def test_what_could_run_code_or_read_files_is_refused(name: str, tmp_path: Path) -> None:
    make, message = UNSAFE[name]
    with pytest.raises(UnsafeFileError, match=f"m is refused: it .*{message}") as caught:
        load_model(make(tmp_path))
    assert "\n" not in str(caught.value)


def test_no_allowed_operation_touches_files_or_runs_code() -> None:
    words = (
        "File",
        "Py",
        "Save",
        "Restore",
        "Dataset",
        "Table",
        "Summary",
        "Print",
        "Assert",
        "Remote",
        "Load",
        "Proto",
    )
    assert [name for name in ALLOWED if any(word in name for word in words)] == []


def test_a_model_that_remembers_what_it_was_shown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"changes its variables when it is run \(AssignAddVariableOp\)"):
        load_model(_stateful(tmp_path))


def _no_signature(folder: Path) -> Path:
    tf.saved_model.save(Net(), str(folder / "m"))
    return folder / "m"


def _texts(folder: Path) -> Path:
    return _saved(folder / "m", tf.strings.length, tf.TensorSpec([None], tf.string))


def _two(folder: Path) -> Path:
    return _saved(folder / "m", lambda a, b: a + b, PIXELS, tf.TensorSpec([None, 4, 4, 3], tf.float32, name="b"))


def _empty(folder: Path) -> Path:
    (folder / "m").mkdir()
    return folder / "m"


def _damaged(folder: Path) -> Path:
    _empty(folder)
    (folder / "m" / "saved_model.pb").write_bytes(b"no protocol buffer")
    return folder / "m"


def _without_variables(folder: Path) -> Path:
    model = Net()
    _saved(folder / "m", model, holder=model)
    shutil.rmtree(folder / "m" / "variables")
    return folder / "m"


def _linked(folder: Path) -> Path:
    model = Net()
    _saved(folder / "m", model, holder=model)
    (folder / "m" / "variables").rename(folder / "elsewhere")
    (folder / "m" / "variables").symlink_to(folder / "elsewhere")
    return folder / "m"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_no_signature, "without a signature to use: it has none; save it with one: tf.saved_model.save"),
        (_texts, r"takes string of shape \(None,\), no pictures"),
        (_two, r"has 2 inputs \(b, pixels\); only models with one"),
        (_empty, "m is a folder, and no SavedModel: there is no saved_model.pb in it"),
        (_damaged, "cannot load the SavedModel .*m: "),
        (_without_variables, "cannot load the SavedModel .*m: "),
        (_linked, "m is refused: variables is a link"),
    ],
)
def test_a_folder_that_is_of_no_use_is_refused_in_words(
    make: Callable[[Path], Path], message: str, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        load_model(make(tmp_path))
    assert "\n" not in str(caught.value)


def test_weights_are_not_taken_from_a_folder(cli: Cli, tmp_path: Path) -> None:
    error = cli("build", "lenet", "--weights", tmp_path, "--out", tmp_path / "out").error
    assert error == f"{tmp_path} is a folder; weights are taken from files (zoo export takes a SavedModel folder)"


def test_the_model_in_the_folder_of_a_training_is_named(cli: Cli, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "model.keras").touch()
    error = cli("export", run, "--out", tmp_path).err
    assert error.endswith(f"no SavedModel: there is no saved_model.pb in it; give {run / 'model.keras'}\n")
    error = cli("build", "lenet", "--weights", run, "--out", tmp_path).err
    assert error.startswith(
        f"zoo: error: {run} is a folder of a run; give its model, {run / 'model.keras'}, or train it "
    )


def test_the_name_of_a_folder() -> None:
    assert name_of(Path("a/model.savedmodel/")) == "model"
    assert name_of(Path("a/v1.2")) == "v1.2"
