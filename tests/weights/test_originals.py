"""Weights of other programs: timm's safetensors files, and checkpoints of TensorFlow 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo
from tests.narrow import narrow
from tests.weights import foreign
from zoo.errors import UnsafeFileError, WeightsError
from zoo.models import efficientnet_lite, mobilenet_v4
from zoo.weights import build_from
from zoo.weights.fetch import imagenet
from zoo.weights.formats import files, tensorflow1

if TYPE_CHECKING:
    from tests.conftest import Case, Cli
    from tests.weights.conftest import Server

Array = Any

LITE = efficientnet_lite.timm_layers("lite0")
GOOGLE = efficientnet_lite.tensorflow_layers("lite0")
V4 = mobilenet_v4.timm_layers("conv_small")
STD = np.array(mobilenet_v4.STD)


@pytest.fixture(autouse=True)
def _narrow() -> Iterator[None]:
    """All models of this file are narrow."""
    with narrow():
        yield


@pytest.fixture(scope="session")
def lite(cases: Callable[[str], Case]) -> Case:
    return cases("efficientnet_lite")


@pytest.fixture(scope="session")
def v4(cases: Callable[[str], Case]) -> Case:
    return cases("mobilenet_v4")


def timm_v4(case: Case) -> dict[str, Array]:
    """The arrays of timm for the same answers: its first kernel takes pixels divided by the standard deviation."""
    arrays = foreign.torch_arrays(case.model, V4)
    arrays["conv_stem.weight"] = (arrays["conv_stem.weight"] * (2 * STD[:, None, None])).astype(np.float32)
    return arrays


@pytest.fixture(scope="session")
def v4_file(v4: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return foreign.write_safetensors(tmp_path_factory.mktemp("timm") / "v4.safetensors", timm_v4(v4))


@pytest.fixture(scope="session")
def archive(lite: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("google") / "efficientnet-lite0.tar.gz"
    return foreign.write_archive(path, foreign.tensorflow_arrays(lite.model, GOOGLE))


def same(model: Any, pixels: Array, expected: Array) -> None:
    assert np.ptp(expected, axis=0).max() > 1e-2, "the inputs give the same answer: the comparison shows little"
    np.testing.assert_allclose(np.asarray(model(pixels, training=False)), expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_file_of_timm_gives_the_same_answers(v4: Case, v4_file: Path) -> None:
    built = build_from("mobilenet_v4", v4_file, {"input_size": 64})
    assert (built.options["num_classes"], built.new_head) == (10, False)
    assert built.notes == (
        "v4.safetensors does not say how its pixels are prepared; they are taken to be as timm prepares them",
    )
    same(built.model, v4.inputs, v4.scores)


@pytest.mark.slow
def test_pixels_that_timm_scales_in_another_way_are_adopted(lite: Case, tmp_path: Path) -> None:
    import keras

    path = foreign.write_safetensors(tmp_path / "lite.safetensors", foreign.torch_arrays(lite.model, LITE))
    built = build_from("efficientnet_lite", path, {"input_size": 64})
    behind = keras.Model(lite.model.get_layer("rescale").output, lite.model.output)
    same(built.model, lite.inputs, np.asarray(behind(lite.inputs / 127.5 - 1, training=False)))
    assert "was trained on pixels scaled in another way" in built.notes[0]


@pytest.mark.slow
@pytest.mark.parametrize("averages", [True, False])
def test_a_checkpoint_gives_the_same_answers(averages: bool, lite: Case, archive: Path, tmp_path: Path) -> None:
    path = archive
    if not averages:
        arrays = foreign.tensorflow_arrays(lite.model, GOOGLE, averages=False)
        path = foreign.write_archive(tmp_path / "lite.tgz", arrays)
    same(zoo.build("efficientnet_lite", weights=path, input_size=64), lite.inputs, lite.scores)


@pytest.mark.slow
def test_numbers_of_half_precision_are_read(v4: Case, tmp_path: Path) -> None:
    arrays = {
        name: array.astype(np.float16) if array.dtype == np.float32 else array for name, array in timm_v4(v4).items()
    }
    path = foreign.write_safetensors(tmp_path / "half.safetensors", arrays)
    model = zoo.build("mobilenet_v4", weights=path, input_size=64)
    assert {weight.dtype for weight in model.weights} == {"float32"}
    np.testing.assert_allclose(np.asarray(model(v4.inputs, training=False)), v4.scores, rtol=0, atol=0.05)


@pytest.mark.slow
def test_another_number_of_classes_gets_a_new_head(v4_file: Path, v4: Case) -> None:
    built = build_from("mobilenet_v4", v4_file, {"input_size": 64, "num_classes": 3})
    assert built.new_head
    assert built.notes[0] == "v4.safetensors: it has 10 classes, so the head for 3 classes is new: train it"
    np.testing.assert_array_equal(
        built.model.get_layer("head_conv").get_weights()[0], v4.model.get_layer("head_conv").get_weights()[0]
    )


@pytest.mark.slow
def test_a_file_without_a_head_needs_a_number_of_classes(v4: Case, tmp_path: Path) -> None:
    arrays = {name: array for name, array in timm_v4(v4).items() if not name.startswith("classifier")}
    path = foreign.write_safetensors(tmp_path / "body.safetensors", arrays)
    with pytest.raises(WeightsError, match="it has no head; say how many classes a new head should have"):
        zoo.build("mobilenet_v4", weights=path, input_size=64)
    assert build_from("mobilenet_v4", path, {"input_size": 64, "num_classes": 3}).new_head


@pytest.mark.slow
def test_weights_are_loaded_into_a_model_that_is_there(v4: Case, v4_file: Path) -> None:
    model = zoo.build("mobilenet_v4", input_size=64, num_classes=10)
    zoo.load_weights(model, v4_file)
    same(model, v4.inputs, v4.scores)


@pytest.mark.slow
def test_the_command_takes_a_file_of_timm(cli: Cli, v4_file: Path, tmp_path: Path) -> None:
    done = cli(
        "build", "mobilenet_v4", "--weights", v4_file, "--input-size", "64", "--export", "keras", "--out", tmp_path
    )
    assert done.code == 0, done.err
    assert (tmp_path / "mobilenet_v4_64.keras").is_file()


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("mobilenet_v4", {"variant": "conv_medium"}, "it has no layer 'blocks.0.0.conv_exp', which timm gives this"),
        ("efficientnet_lite", {}, "it has no layer 'blocks.0.0.conv_dw', which timm gives this model"),
        ("lenet", {}, "does not say in which order its layers are, and their names are not known for this model"),
    ],
)
def test_a_file_of_another_architecture_is_refused(
    model: str, options: dict[str, Any], message: str, v4_file: Path
) -> None:
    with pytest.raises(WeightsError, match=message):
        zoo.build(model, weights=v4_file, num_classes=10, **options)


@pytest.mark.slow
def test_a_deeper_net_is_refused_although_all_our_layers_are_in_it(lite: Case, tmp_path: Path) -> None:
    """EfficientNet-Lite1 has the widths of Lite0 and a few layers more."""
    arrays = foreign.torch_arrays(lite.model, LITE)
    arrays["blocks.1.2.conv_pw.weight"] = arrays["blocks.1.1.conv_pw.weight"]
    path = foreign.write_safetensors(tmp_path / "lite1.safetensors", arrays)
    with pytest.raises(WeightsError, match=r"it has a layer 'blocks.1.2.conv_pw', which timm does not give this model"):
        zoo.build("efficientnet_lite", weights=path, input_size=64)


def test_a_layer_of_another_width_is_named(v4: Case, tmp_path: Path) -> None:
    arrays = timm_v4(v4)
    arrays["conv_head.weight"] = arrays["conv_head.weight"][:40]
    path = foreign.write_safetensors(tmp_path / "thin.safetensors", arrays)
    with pytest.raises(WeightsError, match=r"layer 'head_conv' has kernel .* the file has .* \(conv_head\)"):
        zoo.build("mobilenet_v4", weights=path, input_size=64)


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 64, b"\xff" * 64, b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "], ids=repr
)
def test_a_damaged_safetensors_file_is_one_line(content: bytes, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    done = cli("build", "mobilenet_v4", "--weights", path, "--out", tmp_path)
    assert done.code == 1
    assert str(path) in done.error


def test_a_file_that_was_cut_off_is_refused(v4_file: Path, archive: Path, tmp_path: Path) -> None:
    for whole, model in ((v4_file, "mobilenet_v4"), (archive, "efficientnet_lite")):
        path = tmp_path / whole.name
        path.write_bytes(whole.read_bytes()[:-1000])
        with pytest.raises(WeightsError, match="cannot read weights from"):
            zoo.build(model, weights=path)


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    for name in ("w.safetensors", "w.tar.gz"):
        with pytest.raises(WeightsError, match=f"no weights file .*{name}"):
            zoo.build("mobilenet_v4", weights=tmp_path / name)


def test_weights_alone_are_no_model_to_export(v4_file: Path, archive: Path) -> None:
    for path in (v4_file, archive):
        with pytest.raises(WeightsError, match="it holds weights alone; load them into their model: zoo build MODEL"):
            files.load_model(path)


@pytest.mark.slow
def test_a_checkpoint_with_a_damaged_index_is_refused(lite: Case, tmp_path: Path) -> None:
    import tarfile

    path = foreign.write_archive(tmp_path / "lite.tar.gz", foreign.tensorflow_arrays(lite.model, GOOGLE))
    folder = path.with_suffix(".d") / "net"
    index = folder / "model.ckpt.index"
    whole = index.read_bytes()
    for at in range(0, len(whole), len(whole) // 12):
        index.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with tarfile.open(path, "w:gz") as archive:
            archive.add(folder, "net")
        with pytest.raises(WeightsError, match="cannot read weights from") as raised:
            tensorflow1.read(path)
        # Not the temporary folder that it was unpacked to.
        assert str(raised.value).count("/") == str(path).count("/")


def test_variables_that_claim_more_than_the_file_holds_are_refused(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    class Claims:
        """A reader of an index that names one huge variable."""

        def get_variable_to_shape_map(self) -> dict[str, list[int]]:
            return {"net/conv2d/kernel": [1 << 20, 1 << 20]}

        def get_variable_to_dtype_map(self) -> dict[str, Any]:
            return {"net/conv2d/kernel": tf.float32}

    monkeypatch.setattr(tf.train, "load_checkpoint", lambda _: Claims())
    with pytest.raises(UnsafeFileError, match="its variables claim 4398046511104 bytes, and it holds"):
        tensorflow1.read(archive)


@pytest.mark.slow
def test_published_checkpoints_are_downloaded_and_their_hash_is_remembered(
    server: Server, archive: Path, lite: Case, tmp_path: Path
) -> None:
    place = server.folder / "efficientnet" / "lite" / archive.name
    place.parent.mkdir(parents=True)
    place.symlink_to(archive)
    options = zoo.spec("efficientnet_lite").check({"input_size": 64})
    source = imagenet.choose("efficientnet_lite", options)
    path = source.fetch()
    assert path == tmp_path / "keras" / "models" / "efficientnet_lite" / archive.name
    assert (path.parent / "edgezoo.sha256").is_file()
    # The head has the ten classes of this test; the rest is as published, and nothing is assumed of the pixels.
    built = build_from("efficientnet_lite", "imagenet", {"input_size": 64, "num_classes": 10})
    assert built.notes == (
        "the weights were trained at 224x224: for variant=lite0 none are published at 64x64, only at 224",
    )
    same(built.model, lite.inputs, lite.scores)


def test_published_safetensors_files_are_pinned_to_a_revision_and_a_hash(server: Server, tmp_path: Path) -> None:
    spec = zoo.spec("mobilenet_v4")
    source = imagenet.choose("mobilenet_v4", spec.check({}))
    below = source.file.address.removeprefix("https://huggingface.co/")
    assert below.startswith("timm/mobilenetv4_conv_small.e2400_r224_in1k/resolve/331fb803")
    assert source.path == tmp_path / "keras" / "models" / "huggingface" / below
    place = server.folder / below
    place.parent.mkdir(parents=True)
    place.write_bytes(b"something else")
    with pytest.raises(WeightsError, match=f"its SHA-256 is [0-9a-f]+, not {source.file.sha256}; it was not kept"):
        source.fetch()
    sizes = {
        size: imagenet.choose("mobilenet_v4", spec.check({"variant": "conv_medium", "input_size": size}))
        for size in (224, 256, 320)
    }
    assert ["r256" in one.file.address for one in sizes.values()] == [False, True, True]
    assert [len(one.notes) for one in sizes.values()] == [0, 0, 1]
