"""Files of models that were trained for int8: what was learnt stands in them, number for number."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.branches import Aware, ranges_of
from zoo.compress.baking import bake
from zoo.compress.fake import is_rounded
from zoo.errors import ExportError
from zoo.export import to_tflite
from zoo.tflite import modelfile
from zoo.tflite.modelfile import ModelFile

if TYPE_CHECKING:
    from tests.conftest import Array, Elsewhere
    from tests.export.conftest import Matrix

NETS = (
    "mlp", "lenet", "narrow-alexnet", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "narrow-vgg16",
    "narrow-efficientnet_lite", "narrow-mobilenet_v4", "narrow-resnet", "narrow-resnet-18",
)  # fmt: skip
"""The nets of the matrix of exports whose integer arithmetic is simulated: all but those with hard-swish."""


def operations(file: ModelFile) -> list[tuple[str, int]]:
    return [(op.name, op.version) for op in file.main.ops]


def weights(file: ModelFile) -> list[tuple[Array, Array]]:
    """Returns the int8 kernels of a file in the order of its operations, channels of the output last, with scales."""
    content, found = file.path.read_bytes(), []
    for op in file.main.ops:
        if op.name in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}:
            tensor = file.main.tensors[op.inputs[1]]
            assert tensor.dtype == "INT8"
            stored = content[tensor.start : tensor.start + tensor.bytes]
            numbers: Array = np.frombuffer(stored, np.int8).reshape(tensor.shape)
            last = numbers if op.name == "DEPTHWISE_CONV_2D" else np.moveaxis(numbers, 0, -1)
            found.append((last.reshape(-1, last.shape[-1]), np.asarray(tensor.scales)))
    return found


def learnt_weights(aware: Any) -> list[tuple[Array, Array]]:
    """Returns the same of the model; its grouped convolution is two in the file."""
    found = []
    for layer in aware.layers:
        if is_rounded(layer):
            numbers, scale = (np.asarray(part) for part in layer.grid())
            channels = int(np.prod(numbers.shape[-layer.output_axes :]))
            parts = getattr(layer, "groups", 1)
            sizes = np.broadcast_to(scale.reshape(-1), (channels if scale.size > 1 else parts,))
            kernels = np.split(numbers.reshape(-1, channels), parts, axis=-1)
            found += list(zip(kernels, np.split(sizes, parts), strict=True))
    return found


def export(made: Aware, path: Path, **options: Any) -> ModelFile:
    return modelfile.read(to_tflite(made.aware, path, quantize="int8", min_agreement=0.5, **options).path)


@pytest.fixture(scope="module")
def pair(aware_branches: Aware, tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelFile, ModelFile]:
    """The file of a model that was trained for int8, and the post-training one of the model that it was made of."""
    folder = tmp_path_factory.mktemp("learnt")
    learnt = export(aware_branches, folder / "learnt.tflite")
    # A model whose weights are not those of a new build is calibrated on pictures.
    after = to_tflite(
        aware_branches.model, folder / "after.tflite", quantize="int8", calibration=aware_branches.inputs,
        verify_file=False,
    )  # fmt: skip
    return learnt, modelfile.read(after.path)


@pytest.mark.slow
def test_operations_their_order_and_versions_are_those_of_the_post_training_file(
    pair: tuple[ModelFile, ModelFile],
) -> None:
    learnt, after = map(operations, pair)
    assert learnt == after


@pytest.mark.slow
def test_no_tensor_is_float(pair: tuple[ModelFile, ModelFile]) -> None:
    learnt, after = (Counter(tensor.dtype for tensor in file.main.tensors) for file in pair)
    assert learnt == after
    assert "FLOAT32" not in learnt


def require_learnt_weights(file: ModelFile, aware: Any, fixed: int = 0) -> None:
    """Compares every kernel; `fixed` convolutions come from scaling pixels by channel."""
    found, wanted = weights(file), learnt_weights(aware)
    assert len(found) == len(wanted) + fixed
    for number, scale in wanted:
        same = [one for one, size in found if one.shape == number.shape and np.array_equal(one, number)
                and np.allclose(size, scale, rtol=1e-6) and len(size) == len(scale)]  # fmt: skip
        assert same, f"no kernel {number.shape} of the file is the learnt one"


@pytest.mark.slow
def test_every_weight_and_every_scale_is_the_learnt_one(
    pair: tuple[ModelFile, ModelFile], aware_branches: Aware
) -> None:
    learnt, _ = pair
    require_learnt_weights(learnt, aware_branches.aware, fixed=1)
    stored = {
        (float(tensor.scales[0]), int(tensor.zero_points[0]))
        for tensor in learnt.main.tensors
        if tensor.dtype == "INT8" and len(tensor.scales) == 1 and not tensor.is_constant
    }
    wanted = {(1 / 256, -128)}  # that of every softmax
    for layer in ranges_of(aware_branches.aware):
        scale, zero_point = layer.quantization()
        wanted.add((float(scale), int(zero_point) - 128))
    assert len(stored) == len(wanted)
    np.testing.assert_allclose(sorted(stored), sorted(wanted), rtol=1e-6)


@pytest.mark.slow
def test_the_answers_are_those_of_the_model(pair: tuple[ModelFile, ModelFile], aware_branches: Aware) -> None:
    from zoo.runner import load

    session = load(pair[0].path)
    found = np.concatenate([np.asarray(session.run(one[None])[0]) for one in aware_branches.inputs])
    wanted = np.asarray(aware_branches.aware(aware_branches.inputs))
    # Each operation may be a step off, and a softmax has 256.
    assert np.abs(found / 256 - wanted).max() < 0.04


IN_STEPS = """
import sys
import numpy as np
from zoo.runner import load
session = load(sys.argv[1], runtime="tflite-runtime")
assert session.runtime == "tflite-runtime"
np.save(sys.argv[3], np.concatenate([session.run(values[None])[0] for values in np.load(sys.argv[2])]))
"""


@pytest.mark.slow
def test_the_old_runtime_gives_the_same_answers(
    pair: tuple[ModelFile, ModelFile],
    aware_branches: Aware,
    tflite_runtime_python: Path,
    elsewhere: Elsewhere,
    tmp_path: Path,
) -> None:
    np.save(tmp_path / "inputs.npy", aware_branches.inputs)
    elsewhere(tflite_runtime_python, IN_STEPS, pair[0].path, tmp_path / "inputs.npy", tmp_path / "steps.npy")
    wanted = np.asarray(aware_branches.aware(aware_branches.inputs))
    assert np.abs(np.load(tmp_path / "steps.npy") / 256 - wanted).max() < 0.04


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", NETS)
def test_every_net_has_the_operations_of_its_post_training_file(name: str, matrix: Matrix, tmp_path: Path) -> None:
    made = Aware.of(matrix.model(name), matrix.inputs(name).astype(np.float32))
    learnt = to_tflite(made.aware, tmp_path / "learnt.tflite", quantize="int8", verify_file=False)
    assert operations(modelfile.read(learnt.path)) == operations(modelfile.read(matrix.file(name, "int8")))


@pytest.mark.slow
def test_the_card_says_what_it_was_trained_for(pair: tuple[ModelFile, ModelFile]) -> None:
    from zoo.tflite.card import describe

    learnt, after = (describe(file.path).card for file in pair)
    assert learnt["quantization_aware"] == {"weight_bits": 8, "per_tensor": False}
    assert "calibration" not in learnt
    assert "quantization_aware" not in after


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"weight_bits": 4}, {"weight_bits": 3, "per_tensor": True}, {"per_tensor": True}])
def test_fewer_bits_and_one_scale_a_kernel_are_in_the_file_too(
    options: dict[str, Any], aware_lenet: Aware, tmp_path: Path
) -> None:
    made = Aware.of(aware_lenet.model, aware_lenet.inputs, **options)
    file = export(made, tmp_path / "lenet.tflite")
    require_learnt_weights(file, made.aware)
    assert not [tensor.name for tensor in file.main.tensors if tensor.dtype == "FLOAT32"]
    if "weight_bits" in options:
        # The largest one need not be there with both signs.
        levels = 2 ** options["weight_bits"] - 1
        assert levels - 1 <= len(np.unique(weights(file)[1][0])) <= levels


@pytest.mark.slow
def test_channels_without_weights_keep_their_bias(tmp_path: Path) -> None:
    import keras
    from keras import layers

    from zoo.runner import load

    entry = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="first")(layers.Rescaling(1 / 127.5, offset=-1)(entry))
    model = keras.Model(entry, layers.Dense(3, activation="softmax", name="last")(layers.Flatten()(x)))
    kernel, bias = model.get_layer("first").get_weights()
    # No weights at all, and weights with whose scale the bias has no place in 32 bits.
    kernel[..., 0], kernel[..., 1] = 0, kernel[..., 1] * 1e-9
    bias[:] = 3, 2, 0.1, 0.1
    model.get_layer("first").set_weights([kernel, bias])
    inputs = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3)).astype(np.float32)
    made = Aware.of(model, inputs)
    session = load(export(made, tmp_path / "dead.tflite").path)
    found = np.concatenate([np.asarray(session.run(one[None])[0]) for one in inputs]) / 256
    np.testing.assert_allclose(found, np.asarray(made.aware(inputs)), atol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["edgetpu", "tflite-runtime", "litert"])
def test_every_target_takes_it(target: Any, aware_lenet: Aware, tmp_path: Path) -> None:
    file = export(aware_lenet, tmp_path / "lenet.tflite", target=target)
    require_learnt_weights(file, aware_lenet.aware)


@pytest.mark.slow
def test_other_modes_have_the_rounded_weights_and_round_no_activations(aware_lenet: Aware, tmp_path: Path) -> None:
    report = to_tflite(aware_lenet.aware, tmp_path / "float.tflite")
    file = modelfile.read(report.path)
    assert {op.name for op in file.main.ops} & {"QUANTIZE", "FAKE_QUANT", "DEQUANTIZE"} == set()
    wanted = np.asarray(bake(aware_lenet.aware, ranges=False)(aware_lenet.inputs))
    from zoo.runner import load

    found = np.concatenate([np.asarray(load(report.path).run(one[None])[0]) for one in aware_lenet.inputs])
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_options_that_would_change_what_is_learnt_are_refused(aware_lenet: Aware, tmp_path: Path) -> None:
    changes: tuple[dict[str, Any], ...] = ({"per_tensor": True}, {"calibration_method": "mse"})
    for options in changes:
        with pytest.raises(ExportError, match=rf"has what it has learnt; leave out {next(iter(options))} \(--"):
            to_tflite(aware_lenet.aware, tmp_path / "lenet.tflite", quantize="int8", **options)
    assert not list(tmp_path.iterdir())


def test_pixels_cannot_be_prepared_in_another_way(aware_lenet: Aware, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="was trained for int8 on raw pixels; leave out --pixels"):
        to_tflite(aware_lenet.aware, tmp_path / "lenet.tflite", quantize="int8", pixels="0,1")
    assert not list(tmp_path.iterdir())
