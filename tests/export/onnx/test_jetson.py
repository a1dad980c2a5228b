from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests import colours
from tests.export.onnx.jetson_inference import DetectNet, ImageNet
from zoo.errors import ExportError, ModelFileError, VerificationError
from zoo.export import to_onnx
from zoo.export.onnx import jetson
from zoo.export.onnx.jetson import JetsonFile, for_jetson_inference
from zoo.export.onnx.jetson_programs import label_line, require_options
from zoo.export.onnx.pixels import take_prepared
from zoo.export.options import ExportOptions
from zoo.inputs.preprocessing import Preprocessing
from zoo.onnx.reading.file import read
from zoo.onnx.reading.outline import read_props
from zoo.onnx.support import judge
from zoo.runner import Classifier, Detector

if TYPE_CHECKING:
    from tests.conftest import Cli

onnx = pytest.importorskip("onnx")
pytest.importorskip("tf2onnx")

Array = npt.NDArray[Any]
SIDE = 32


def classifier(
    *first: Any,
    bias: Sequence[float] = (0.0, 0.0, 0.0),
    channels: int = 3,
    activation: str | None = "softmax",
) -> Any:
    """A model that names the colour of which a picture has most; `first` are the layers that prepare pixels."""
    import keras
    from keras import layers

    pixels = keras.Input((SIDE, SIDE, channels), name="pixels")
    x = pixels
    for layer in first:
        x = layer(x)
    x = layers.GlobalAveragePooling2D()(x)
    dense = layers.Dense(3, activation=activation, name="predictions")
    model = keras.Model(pixels, dense(x), name="most")
    dense.set_weights([np.eye(channels, 3, dtype=np.float32) * 4, np.array(bias, np.float32)])
    return model


def rescaling(scale: float = 1 / 127.5, offset: float = -1.0) -> Any:
    from keras import layers

    return layers.Rescaling(scale, offset=offset)


def exported(model: Any, path: Path, labels: list[str], layout: str = "nchw") -> Path:
    """Writes a file that takes raw pixels."""
    return to_onnx(model, path, labels=labels, layout=layout, verify_file=False).path


@pytest.fixture(scope="module")
def detecting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, JetsonFile]:
    """A detector's file with raw pixels in, and the one for detectnet that is made of it."""
    folder = tmp_path_factory.mktemp("detectnet")
    source = exported(colours.detector(), folder / "colours.onnx", colours.LABELS[:3])
    return source, for_jetson_inference(source, folder / "colours_jetson.onnx")


@pytest.fixture(scope="module")
def naming(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, JetsonFile]:
    """The same of a classifier."""
    folder = tmp_path_factory.mktemp("imagenet")
    source = exported(classifier(rescaling()), folder / "most.onnx", colours.LABELS[:3])
    return source, for_jetson_inference(source, folder / "most_jetson.onnx")


def test_imagenet_names_a_photo_as_the_runner_does(
    naming: tuple[Path, JetsonFile], photos: tuple[Path, Path], tmp_path: Path
) -> None:
    source, made = naming
    program = ImageNet(made.command, made.path.parent)
    ours = Classifier(source)
    for path in photos:
        with Image.open(path) as opened:
            small = np.asarray(opened.convert("RGB").resize((SIDE, SIDE)))
            whole = np.asarray(opened.convert("RGB"))
        Image.fromarray(small).save(tmp_path / "small.png")
        found = ours.classify(tmp_path / "small.png", top_k=1)[0]
        label, confidence = program.classify(small)
        assert label == found.label
        assert confidence == pytest.approx(found.score, abs=1e-5)
        # Of a whole photo it takes the nearest pixels, stretched.
        stretched = Classifier(source, preprocessing=Preprocessing("stretch")).classify(path)
        label, confidence = program.classify(whole)
        (same,) = [one for one in stretched if one.label == label]
        assert confidence == pytest.approx(same.score, abs=0.05)
        assert same.score > stretched[0].score - 0.05


def test_detectnet_finds_in_a_photo_what_the_runner_finds(detecting: tuple[Path, JetsonFile], tmp_path: Path) -> None:
    source, made = detecting
    program = DetectNet(made.command, made.path.parent)
    ours = Detector(source)
    objects = 0
    for number, picture in enumerate(colours.pictures(6, seed=3)):
        # Each pixel of the model's input is a block of the photo, so that every way to sample it gives the same.
        photo = picture.astype(np.uint8).repeat(7, axis=0).repeat(5, axis=1)
        Image.fromarray(photo).save(tmp_path / f"{number}.png")
        expected = ours.detect(tmp_path / f"{number}.png", threshold=0.5)
        found = program.detect(photo)
        assert sorted(one.label for one in found) == sorted(one.label for one in expected)
        height, width = photo.shape[:2]
        for one in expected:
            corners = np.clip(one.box, 0, (width - 1, height - 1, width - 1, height - 1))
            near = min(found, key=lambda other: abs(other.left - corners[0]) + abs(other.top - corners[1]))
            assert near.label == one.label
            assert near.confidence == pytest.approx(one.score, abs=0.01)
            np.testing.assert_allclose((near.left, near.top, near.right, near.bottom), corners, atol=1.01)
        objects += len(expected)
    assert objects > 12


def test_the_files_are_what_the_programs_ask_for(
    naming: tuple[Path, JetsonFile], detecting: tuple[Path, JetsonFile]
) -> None:
    made = naming[1]
    assert made.command == (
        "imagenet --model=most_jetson.onnx --labels=most_jetson_labels.txt --input_blob=input_0 --output_blob=output_0 "
        "csi://0"
    )
    assert made.labels.read_text(encoding="utf-8") == "red\ngreen\nblue\n"
    made = detecting[1]
    assert made.command == (
        "detectnet --model=colours_jetson.onnx --labels=colours_jetson_labels.txt --input-blob=input_0 "
        "--output-cvg=scores --output-bbox=boxes csi://0"
    )
    assert made.labels.read_text(encoding="utf-8") == "BACKGROUND\nred\ngreen\nblue\n"
    model = onnx.load(str(made.path))
    shapes = {one.name: [axis.dim_value for axis in one.type.tensor_type.shape.dim] for one in model.graph.output}
    assert shapes == {"scores": [1, 16, 4], "boxes": [1, 16, 4]}
    assert model.opset_import[0].version == 13
    assert made.difference < 1e-5


def test_preparation_that_cancels_out_is_no_operation(detecting: tuple[Path, JetsonFile]) -> None:
    ops = [node.op_type for node in onnx.load(str(detecting[0])).graph.node]
    assert ops[:3] == ["Mul", "Add", "Conv"]
    model = onnx.load(str(detecting[1].path))
    assert model.graph.node[0].op_type == "Conv"
    assert model.graph.node[0].input[0] == "input_0"
    read = {name for node in model.graph.node for name in node.input}
    assert {one.name for one in model.graph.initializer} <= read


@pytest.mark.parametrize(
    ("layers", "steps"),
    [
        (lambda: [rescaling()], ["Mul", "Add"]),  # one step of both, not four
        (lambda: [rescaling(1 / 255, 0.0)], ["Mul", "Add"]),
        (list, ["Mul", "Add"]),  # a model of raw pixels
    ],
)
def test_imagenets_preparation_becomes_one_step_with_the_models_own(
    layers: Callable[[], list[Any]], steps: list[str], tmp_path: Path
) -> None:
    source = exported(classifier(*layers()), tmp_path / "m.onnx", colours.LABELS[:3])
    made = for_jetson_inference(source, tmp_path / "made.onnx")
    ops = [node.op_type for node in onnx.load(str(made.path)).graph.node]
    assert ops[:2] == steps
    assert "Mul" not in ops[2:]
    assert made.difference < 1e-5


def test_the_runner_does_not_answer_by_such_a_file(
    naming: tuple[Path, JetsonFile], detecting: tuple[Path, JetsonFile], photos: tuple[Path, Path]
) -> None:
    for (_, made), door in ((naming, Classifier), (detecting, Detector)):
        with pytest.raises(ModelFileError, match=f"was made for {made.program}, which prepares pixels in its own way"):
            door(made.path)
        with pytest.raises(ModelFileError, match="export the model without --for"):
            for_jetson_inference(made.path, made.path.with_name("again.onnx"))


def test_the_card_says_what_the_program_does_to_pixels(naming: tuple[Path, JetsonFile]) -> None:
    from zoo.onnx.card import is_sealed
    from zoo.onnx.card import read_props as described

    props = read_props(naming[1].path)
    card = described(props, "m").card
    assert card["for"]["program"] == "imagenet"
    assert card["for"]["mean"] == [0.485, 0.456, 0.406]
    assert card["input"]["values"].startswith("(pixels / 255 - mean) / std")
    assert is_sealed(props, "m") == "right"


@pytest.mark.parametrize(
    ("label", "line"),
    [
        ("newspaper stand", "n00000004 newspaper stand"),  # else it would be read as "stand"
        ("n01440764 tench", "n00000004 n01440764 tench"),
        ("nail", "nail"),
        ("news stand", "news stand"),
        ("cat", "cat"),
    ],
)
def test_labels_that_the_programs_would_cut_get_a_number(label: str, line: str, tmp_path: Path) -> None:
    from tests.export.onnx.jetson_inference import read_labels

    assert label_line(label, 4) == line
    (tmp_path / "labels.txt").write_text(f"{line}\n")
    assert read_labels(tmp_path / "labels.txt") == [label]


@pytest.mark.slow
def test_what_the_programs_cannot_run_is_refused(tmp_path: Path) -> None:
    gray = exported(classifier(rescaling(), channels=1), tmp_path / "gray.onnx", colours.LABELS[:3])
    with pytest.raises(
        ExportError, match=r"imagenet gives a model red, green and blue.* \(1, 1, 32, 32\); build it with"
    ):
        for_jetson_inference(gray, tmp_path / "made.onnx")
    last = exported(classifier(rescaling()), tmp_path / "last.onnx", colours.LABELS[:3], layout="nhwc")
    with pytest.raises(ExportError, match="--layout nchw"):
        for_jetson_inference(last, tmp_path / "made.onnx")
    bare = exported(classifier(rescaling(), activation=None), tmp_path / "bare.onnx", colours.LABELS[:3])
    with pytest.raises(ExportError, match="gives logits, because the model ends in no softmax; add one to it"):
        for_jetson_inference(bare, tmp_path / "made.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare.onnx", "gray.onnx", "last.onnx"]


def test_a_file_that_answers_otherwise_is_not_written(
    naming: tuple[Path, JetsonFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jetson, "take_prepared", lambda model, name, mean, std: _renamed(model, name))
    with pytest.raises(VerificationError, match="the file for imagenet answers otherwise than"):
        for_jetson_inference(naming[0], tmp_path / "made.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_the_nanos_tensorrt_does_not_take_is_not_written(
    naming: tuple[Path, JetsonFile], detecting: tuple[Path, JetsonFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _, made in (naming, detecting):
        assert judge(read(made.path), "tensorrt8").takes

    def newer(model: Any, name: str, mean: Sequence[float], std: Sequence[float]) -> None:
        take_prepared(model, name, mean, std)
        model.opset_import[0].version = 17

    monkeypatch.setattr(jetson, "take_prepared", newer)
    with pytest.raises(ExportError, match=r"TensorRT 8\.2 does not take this file.*17"):
        for_jetson_inference(naming[0], tmp_path / "made.onnx")
    assert list(tmp_path.iterdir()) == []


def _renamed(model: Any, name: str) -> None:
    from zoo.export.onnx.pixels import rename

    rename(model.graph, model.graph.input[0].name, name)
    model.graph.input[0].name = name


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"quantize": "float16"}, "--quantize float16"),
        ({"batch": 2}, "--batch 2"),
        ({"logits": True}, "--logits"),
        ({"layout": "nhwc"}, "--layout nhwc"),
        ({"nms": "file"}, "--nms file"),
    ],
)
def test_options_that_the_programs_cannot_take_are_refused_first(changes: dict[str, Any], word: str) -> None:
    require_options(ExportOptions(format="onnx"))
    with pytest.raises(ExportError, match=f"--for jetson-inference does not go with {word}: "):
        require_options(ExportOptions(format="onnx", **changes))


@pytest.mark.slow
def test_the_commands_write_it_and_print_what_to_type(tmp_path: Path, cli: Cli) -> None:
    colours.detector().save(tmp_path / "found.keras")
    done = cli("export", tmp_path / "found.keras", "--export", "onnx", "--for", "jetson-inference", "--out", tmp_path)
    assert done.code == 0
    assert (
        "Try it: detectnet --model=found_jetson.onnx --labels=found_jetson_labels.txt --input-blob=input_0 "
        "--output-cvg=scores --output-bbox=boxes csi://0"
    ) in done.out
    assert "note: detectnet reads the labels from " in done.out
    names = sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".keras")
    assert names == ["found_jetson.onnx", "found_jetson_labels.txt"]
    assert "was made for detectnet" in cli("run", tmp_path / "found_jetson.onnx", tmp_path / "none.jpg").error
    told = cli("export", tmp_path / "found.keras", "--for", "jetson-inference", "--out", tmp_path).error
    assert told.endswith("--for jetson-inference is for .onnx files; give --export onnx")
