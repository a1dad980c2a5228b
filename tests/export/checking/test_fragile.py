"""What 8-bit integers keep badly is found and said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from zoo.errors import ExportError, VerificationError
from zoo.export import to_tflite
from zoo.export.checking.checks import require_agreement
from zoo.export.checking.fragile import warning, warning_for, weak_points
from zoo.export.checking.verify import Verification
from zoo.export.options import mode
from zoo.tasks.detection import DETECTION
from zoo.tasks.task import Agreement


def _gated(x: Any) -> Any:
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return layers.Multiply()([x, layers.Conv2D(4, 1, activation="sigmoid")(gate)])


STEPS = {
    "swish": layers.Activation("swish"),
    "hard-swish": layers.Activation("hard_swish"),
    "GELU": layers.Conv2D(4, 1, activation="gelu"),
    "layer normalization": layers.LayerNormalization(),
    "squeeze-and-excite": _gated,
}


def _model(*steps: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same")(layers.Rescaling(1 / 255)(inputs))
    for step in steps:
        x = step(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize("kind", STEPS)
def test_every_kind_is_found_in_nested_models_too(kind: str) -> None:
    assert weak_points(_model(STEPS[kind], STEPS[kind])) == [kind]
    nested = keras.Sequential([keras.Input((8, 8, 3)), _model(STEPS[kind])])
    assert weak_points(nested) == [kind]


def test_the_zoos_own_small_nets_have_none() -> None:
    assert weak_points(zoo.build("lenet")) == []
    assert weak_points(_model(layers.ReLU(6), lambda x: layers.Multiply()([x, x]))) == []


@pytest.mark.slow
def test_an_int8_file_comes_with_the_warning_and_others_do_not(tmp_path: Path) -> None:
    model = _model(STEPS["swish"], STEPS["squeeze-and-excite"])
    said = warning(["swish", "squeeze-and-excite"])
    assert "swish and squeeze-and-excite" in said
    assert "take int16x8, dynamic or float16" in said
    assert said in to_tflite(model, tmp_path / "a.tflite", quantize="int8").notes
    assert said not in to_tflite(model, tmp_path / "b.tflite").notes


def test_a_detector_is_judged_by_boxes() -> None:
    model = _model(STEPS["hard-swish"])
    assert "zoo evaluate FILE BOXES --against FLOAT_FILE" in warning_for(model, "int8", DETECTION)
    assert "zoo evaluate FILE PICTURES --against FLOAT_FILE" in warning_for(model, "int8")


def test_a_refusal_says_what_the_reason_may_be() -> None:
    agreement = Agreement(share=0.4, meaning="names the class of Keras", figures={})
    found = Verification(32, "pictures", "litert", 0.1, 0.1, agreement, asked=0.85, weakness=warning(["hard-swish"]))
    with pytest.raises(VerificationError, match=r"it was not kept; the model has hard-swish.*take dynamic or float16,"):
        require_agreement(found, mode("int8"), "m.tflite")
    assert "weakness" not in found.as_dict()


@pytest.mark.slow
def test_int16x8_names_the_layer_and_no_mode_that_is_bad_for_it(tmp_path: Path) -> None:
    model = _model(STEPS["hard-swish"])
    with pytest.raises(ExportError, match=r"int16x8 has no HARD_SWISH \(at layer '.*such as float16 or dynamic$"):
        to_tflite(model, tmp_path / "m.tflite", quantize="int16x8")


@pytest.mark.slow
def test_layer_normalization_is_named_where_int8_cannot_have_it(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"not fully integer: .*NEG.*\(LayerNormalization\).*float16 or dynamic"):
        to_tflite(_model(layers.LayerNormalization(name="norm")), tmp_path / "m.tflite", quantize="int8")


@pytest.mark.slow
def test_many_groups_are_told_where_they_are_slow(tmp_path: Path) -> None:
    inputs = keras.Input((4, 4, 80))
    x = layers.Conv2D(80, 3, groups=40, name="many")(inputs)
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
    values = np.random.default_rng(0).normal(size=(12, 4, 4, 80)).astype(np.float32)
    told = "1 grouped convolution, such as 'many' with 40 groups, stays as it is"
    for quantize, target, expected in (("dynamic", None, True), ("dynamic", "litert", False), ("none", None, False)):
        report = to_tflite(model, tmp_path / "m.tflite", quantize=quantize, target=target, calibration=values)
        assert any(note.startswith(told) for note in report.notes) is expected
