"""Files of others, which say in their metadata how pixels are to be scaled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import flatbuffers
import numpy as np
import pytest

from zoo.errors import InputError, ModelFileError
from zoo.runner import Classifier
from zoo.tflite import modelfile
from zoo.tflite.normalization import Normalization, stated
from zoo.tflite.writing.front import table, tables

if TYPE_CHECKING:
    from tests.conftest import Cli, Elsewhere


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A net that takes -1..1, and its plain conversion."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(3)
    inputs = keras.Input(batch_shape=(1, 8, 8, 3))
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, activation="relu")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(5, activation="softmax")(x))
    path = tmp_path_factory.mktemp("scaled") / "scaled.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    return model, path


WRITE = """
import sys
from tflite_support.metadata_writers import image_classifier, writer_utils
path, labels, out = sys.argv[1:]
writer = image_classifier.MetadataWriter.create_for_inference(
    writer_utils.load_file(path), [127.5], [127.5], [labels])
writer_utils.save_file(writer.populate(), out)
"""


@pytest.fixture
def with_metadata(scaled: tuple[Any, Path], tflite_support_python: Path, elsewhere: Elsewhere, tmp_path: Path) -> Path:
    """Returns the file with labels and a normalization from TensorFlow's own metadata writer."""
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\ne\n")
    elsewhere(tflite_support_python, WRITE, scaled[1], tmp_path / "labels.txt", tmp_path / "stated.tflite")
    return tmp_path / "stated.tflite"


@pytest.fixture
def pixels() -> Any:
    return np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)


def scores(classifier: Classifier, pixels: Any) -> list[float]:
    best = classifier.classify(pixels)
    return [p.score for p in sorted(best, key=lambda p: p.index)]


def test_metadata_of_others_is_followed(scaled: tuple[Any, Path], with_metadata: Path, pixels: Any) -> None:
    assert stated(modelfile.read(with_metadata)) == Normalization((127.5,), (127.5,))
    classifier = Classifier(with_metadata)
    assert classifier.labels == ("a", "b", "c", "d", "e")
    assert not classifier.entry.unsure
    expected = np.asarray(scaled[0](pixels[np.newaxis] / np.float32(127.5) - 1))[0]
    np.testing.assert_allclose(scores(classifier, pixels), expected, atol=1e-5)


def test_a_file_without_a_range_gets_raw_pixels_or_the_given_range(
    scaled: tuple[Any, Path], pixels: Any, cli: Cli, photos: tuple[Path, Path]
) -> None:
    model, path = scaled
    raw = Classifier(path)
    assert raw.entry.unsure
    expected = np.asarray(model(pixels[np.newaxis].astype(np.float32)))[0]
    np.testing.assert_allclose(scores(raw, pixels), expected, atol=1e-5)
    asked = Classifier(path, input_range=(-1, 1))
    expected = np.asarray(model(pixels[np.newaxis] / np.float32(127.5) - 1))[0]
    np.testing.assert_allclose(scores(asked, pixels), expected, atol=1e-5)
    # The command says that the range is unknown, unless it is given.
    done = cli("run", path, photos[0])
    assert done.code == 0
    assert "does not say how its pixels are scaled" in done.err
    done = cli("run", path, photos[0], "--input-range", "-1,1")
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, -1), (0, float("inf"))])
def test_a_wrong_range(scaled: tuple[Any, Path], low: float, high: float) -> None:
    with pytest.raises(InputError, match=f"input range {low},{high} is not allowed"):
        Classifier(scaled[1], input_range=(low, high))


def test_our_files_take_no_range(cases: Any) -> None:
    with pytest.raises(InputError, match="takes no input range"):
        Classifier(cases("lenet").file, input_range=(-1, 1))
    assert Classifier(cases("lenet").file).normalization is None


def test_damaged_metadata(with_metadata: Path, tmp_path: Path) -> None:
    data = with_metadata.read_bytes()
    at = data.index(b"M001") - 4
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(data[:at] + b"\xff\xff\xff\x7f" + data[at + 4 :])
    with pytest.raises(ModelFileError, match=r"broken\.tflite has damaged metadata"):
        stated(modelfile.read(broken))


def test_nonsense_is_not_followed() -> None:
    from zoo.tflite import normalization

    for mean, std in [([], [1.0]), ([0.0], [0.0]), ([np.nan], [1.0])]:
        assert normalization._checked(np.float32(mean), np.float32(std)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(("mean", "std"), [((0.0, 1.0), (1.0,)), ((0.0,), (1.0, 2.0)), ((0.0,) * 500, (1.0,))])
def test_as_many_means_as_there_are_channels(
    scaled: tuple[Any, Path], mean: tuple[float, ...], std: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.tflite.normalization.stated", lambda _: Normalization(mean, std))
    with pytest.raises(ModelFileError, match=f"{len(mean)} means and {len(std)} stds for 3 channels"):
        Classifier(scaled[1])


def metadata(*units: tuple[int, list[float] | None, list[float] | None]) -> modelfile.ModelFile:
    """Makes a file whose metadata say of the first input these process units: kind, means and stds."""
    b = flatbuffers.Builder(256)

    def numbers(values: list[float]) -> int:
        return int(b.CreateNumpyVector(np.array(values, np.float32)))

    made = []
    for kind, mean, std in units:
        slots = {slot: numbers(values) for slot, values in ((0, mean), (1, std)) if values is not None}
        options = table(b, slots)
        made.append(table(b, {1: options}, {0: ("Uint8", kind)}))
    inputs = [table(b, {4: tables(b, made)}), table(b, {4: tables(b, [])})]
    graphs = tables(b, [table(b, {2: tables(b, inputs)})])
    b.Finish(table(b, {3: graphs}), b"M001")
    return modelfile.ModelFile(Path("m.tflite"), 0, 3, (), {"TFLITE_METADATA": bytes(b.Output())})


def test_the_first_input_says_its_means_and_stds() -> None:
    assert stated(metadata((1, [127.5], [127.0]))) == Normalization((127.5,), (127.0,))
    both = metadata((2, [9], [9]), (1, [1, 2, 3], [4, 5, 6]), (1, [7], [7]))
    assert stated(both) == Normalization((1, 2, 3), (4, 5, 6))
    assert stated(metadata((2, [9], [9]))) is None
    assert stated(metadata()) is None
    assert stated(metadata((1, [], [1]))) is None
    assert stated(metadata((1, [1], None))) is None
    assert stated(modelfile.ModelFile(Path("m.tflite"), 0, 3, (), {})) is None


def test_metadata_that_are_damaged_name_the_file() -> None:
    sound = metadata((1, [127.5], [127.0]))
    blob = b"\xff\xff\xff\x7f" + sound.metadata["TFLITE_METADATA"][4:]
    with pytest.raises(ModelFileError, match=r"m\.tflite has damaged metadata: an offset points to byte"):
        stated(modelfile.ModelFile(Path("m.tflite"), 0, 3, (), {"TFLITE_METADATA": blob}))


@pytest.mark.parametrize(
    ("mean", "std", "same"),
    [((0.0,), (1.0,), True), ((0.0,) * 3, (1.0,) * 3, True), ((1.0,), (1.0,), False), ((0.0,), (2.0,), False),
     ((0.0, 1.0), (1.0,), False), ((0.0,), (1.0, 2.0), False)],
)  # fmt: skip
def test_pixels_stay_as_they_are_without_mean_and_with_a_std_of_one(
    mean: tuple[float, ...], std: tuple[float, ...], same: bool
) -> None:
    assert Normalization(mean, std).is_identity == same


def test_a_range_becomes_its_ends() -> None:
    pixels = np.array([[0, 255, 102]], np.uint8)
    for low, high in ((-1, 1), (0, 1), (2, 6)):
        found = Normalization.from_range(low, high)(pixels)
        np.testing.assert_allclose(found, [[low, high, low + (high - low) * 0.4]], rtol=1e-6, atol=1e-6)
