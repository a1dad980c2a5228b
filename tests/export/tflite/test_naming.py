"""Refusals name the Keras layer, and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from zoo.errors import ExportError
from zoo.export import to_tflite
from zoo.export.lower.lowering import lower
from zoo.export.tflite import converter
from zoo.export.tflite.converter import convert
from zoo.export.tflite.isolation import unusual
from zoo.export.tflite.naming import LayerNames
from zoo.export.tflite.settings import Settings
from zoo.tflite import modelfile

PICTURES = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3)).astype(np.float32)


def model(middle: Any) -> Any:
    inputs = keras.Input((8, 8, 3))
    x = middle(keras.layers.Conv2D(4, 3, name="first")(inputs))
    x = keras.layers.Flatten()(x)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="head")(x), name="net")


def test_tensors_are_named_by_the_innermost_layer() -> None:
    inner_input = keras.Input((6, 6, 4))
    inner = keras.Model(inner_input, keras.layers.Conv2D(2, 1, name="deep_1")(inner_input), name="backbone")
    names = LayerNames(model(inner))
    assert names.of_tensor("net_1/backbone_1/deep_1_1/Relu") == "layer 'deep_1' (Conv2D)"
    assert names.of_tensor("net_1/first_2/BiasAdd;net_1/first_2/convolution") == "layer 'first' (Conv2D)"
    assert names.of_tensor("StatefulPartitionedCall:0") == ""
    assert names.of_message("loc(callsite(fused['Elu:', 'net_1/head_1/Elu@x'])): error") == "layer 'head' (Dense)"
    assert names.of_message("out of memory") == ""


@pytest.mark.slow
def test_a_float_operation_is_refused_by_its_layer(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"ELU \(float32\).* \(in layer 'curve' \(ELU\)\).*float16 or dynamic"):
        to_tflite(model(keras.layers.ELU(name="curve")), tmp_path / "m.tflite", quantize="int8", calibration=PICTURES)
    nested_input = keras.Input((6, 6, 4))
    nested = keras.Model(nested_input, keras.layers.Activation("elu", name="bent")(nested_input), name="part")
    with pytest.raises(ExportError, match=r"in layer 'bent' \(Activation\)"):
        to_tflite(model(nested), tmp_path / "m.tflite", quantize="int8", calibration=PICTURES)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_int16x8_has_not_names_the_layer_and_the_way_out(tmp_path: Path) -> None:
    curved = model(keras.layers.Activation("hard_silu", name="curve"))
    with pytest.raises(
        ExportError, match=r"int16x8 has no HARD_SWISH \(at layer 'curve' \(Activation\)\).*such as float16 or dynamic"
    ):
        to_tflite(curved, tmp_path / "m.tflite", quantize="int16x8", calibration=PICTURES)


@pytest.mark.slow
def test_an_operation_that_the_target_does_not_know_is_refused_by_its_layer(tmp_path: Path) -> None:
    soft = model(lambda x: keras.layers.Activation("softplus", name="soft")(x / 1000))
    with pytest.raises(ExportError, match=r"cannot run this file: LOG .* \(in layer 'soft' \(Activation\)\)"):
        to_tflite(soft, tmp_path / "m.tflite", quantize="int8", calibration=PICTURES)


def test_logits_name_the_layer_that_is_no_softmax() -> None:
    inputs = keras.Input((4,))
    with pytest.raises(ExportError, match=r"does not end in a softmax but in layer 'last' \(Dense\)"):
        lower(keras.Model(inputs, keras.layers.Dense(3, name="last")(inputs)), logits=True)


def test_layers_that_the_converter_was_not_tried_with_go_to_a_process_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Relu(keras.layers.ReLU):  # type: ignore[misc]
        """Another's layer, whatever it is called."""

    Relu.__name__ = "ReLU"
    assert unusual(model(keras.layers.ReLU())) == []
    assert unusual(model(keras.layers.ELU(name="curve"))) == ["'curve' (ELU)"]
    assert unusual(model(Relu(name="mine"))) == ["'mine' (ReLU)"]
    assert unusual(model(keras.layers.Activation("softplus", name="soft"))) == ["'soft' (Activation)"]
    assert [one.split("(")[1] for one in unusual(model(keras.ops.exp))] == ["Exp)"]
    diverged = model(keras.layers.ReLU())
    diverged.get_layer("head").bias.assign([np.nan, 0, 0])
    assert unusual(diverged) == ["'head' (Dense)"]
    monkeypatch.setattr(converter, "convert_on_disk", lambda *_: b"disk")
    assert convert(lower(model(keras.layers.ELU())), Settings()) == b"disk"


@pytest.mark.slow
def test_a_converter_that_crashes_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\nimport os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    program.chmod(0o755)
    curved = model(keras.layers.ELU(name="curve"))
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(ExportError) as caught:
        to_tflite(curved, tmp_path / "out" / "m.tflite", quantize="int8", calibration=PICTURES)
    said = str(caught.value)
    assert "the converter ended with status -11 (SIGSEGV)" in said
    assert "(at 'curve' (ELU))" in said
    assert "another quantization, such as float16 or dynamic" in said
    assert "\n" not in said
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.slow
def test_the_softmax_inside_of_a_layer_stays_float_with_it_under_the_name_of_a_diagnosis(tmp_path: Path) -> None:
    net, path = model(keras.layers.Conv2D(2, 1, name="middle")), tmp_path / "m.tflite"
    to_tflite(net, path, quantize="int8", keep_float=("head_softmax",), calibration=PICTURES)
    main = modelfile.read(path).main
    types = {op.name: {main.tensors[i].dtype for i in op.outputs} for op in main.ops}
    assert types["SOFTMAX"] == types["FULLY_CONNECTED"] == {"FLOAT32"}
    assert types["CONV_2D"] == {"INT8"}
    with pytest.raises(ExportError, match="no layer 'nowhere_softmax' to keep in float"):
        LayerNames(net).nodes_of(main, ["nowhere_softmax"])
