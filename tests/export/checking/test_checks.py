"""What a finished file has to be like before it is handed out, and how well it has to agree with its model."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.records import graph, model, op, tensor
from zoo.errors import ExportError, VerificationError
from zoo.export.checking.checks import check_file, require_agreement, require_finite
from zoo.export.checking.verify import Verification
from zoo.export.modes import mode
from zoo.export.options import ExportOptions
from zoo.export.tflite.entry import Entry
from zoo.export.tflite.naming import LayerNames
from zoo.tasks.task import Agreement
from zoo.tflite.modelfile import ModelFile, Tensor

INT8 = ExportOptions(quantize="int8")


def named(name: str, dtype: str = "FLOAT32", **more: Any) -> Tensor:
    return tensor(dtype, **more)._replace(name=name)


@pytest.fixture(scope="module")
def layers() -> LayerNames:
    """The layers of a net of five dense layers, `one` to `five`."""
    import keras

    x = inputs = keras.Input((4,))
    for name in ("one", "two", "three", "four", "five"):
        x = keras.layers.Dense(4, name=name)(x)
    return LayerNames(keras.Model(inputs, x, name="net"))


def dense_file(*names: str, dtype: str = "FLOAT32") -> ModelFile:
    """A file in which each of these layers is one operation."""
    tensors = [named("pixels", dtype), *(named(f"net_1/{name}_1/MatMul", dtype) for name in names)]
    ops = [op("FULLY_CONNECTED", (i,), (i + 1,)) for i in range(len(names))]
    return model(graph(tensors, *ops))


def test_a_file_that_is_as_it_should_be_passes() -> None:
    assert check_file(dense_file("one", "two"), ExportOptions()) is None
    assert check_file(dense_file("one", "two", dtype="INT8"), INT8) is None


def test_a_size_that_is_open_is_refused_with_the_first_such_tensor() -> None:
    sizes = [tensor("INT8"), tensor("INT8", dynamic=True)._replace(name="open"), tensor("INT8", dynamic=True)]
    with pytest.raises(ExportError, match="^1 tensor has no fixed size, the first is 'open': "):
        check_file(model(graph(sizes[:2], op("RESHAPE", (0,), (1,)))), INT8)
    with pytest.raises(ExportError, match="^2 tensors have no fixed size, the first is 'open': "):
        check_file(model(graph(sizes, op("RESHAPE", (0,), (1,)), op("RESHAPE", (1,), (2,)))), INT8)


def test_each_output_has_to_be_computed_from_the_input() -> None:
    tensors = [named("pixels"), named("weights", constant=16), named("middle"), named("scores"), named("boxes")]
    chain = [op("ADD", (0, 1), (2,)), op("RELU", (2,), (3,))]
    check_file(model(graph(tensors, *chain, op("RELU", (2,), (4,)), outputs=(3, 4))), ExportOptions())
    # The second output comes from constants alone.
    lost = model(graph(tensors, *chain, op("RELU", (1,), (4,)), outputs=(3, 4)), size=321)
    with pytest.raises(
        ExportError, match="lost the graph: output 'boxes' does not depend on the input, in a file of 3"
    ):
        check_file(lost, ExportOptions())


def test_what_the_input_has_to_be_is_looked_at_where_it_stores_pixels() -> None:
    file = model(graph([tensor("UINT8", scales=1), tensor("INT8", scales=1)], op("QUANTIZE", (0,), (1,))))
    check_file(file, INT8)
    check_file(file, INT8, Entry(1.0, 1.0, "uint8"))
    with pytest.raises(ExportError, match=r"takes uint8 with scale \[1\.0\] and zero point \[1\], and raw pixels need"):
        check_file(file, INT8, Entry(1.0, 0.0, "uint8"))


def test_floats_in_an_integer_file_are_refused_with_their_layers(layers: LayerNames) -> None:
    file = dense_file("one", "two")
    check_file(file, ExportOptions(quantize="dynamic"), layers=layers)
    said = r"the int8 file is not fully integer: 2x FULLY_CONNECTED \(float32\) would compute with floats"
    with pytest.raises(ExportError, match=rf"{said} \(in layer 'one' \(Dense\), layer 'two' \(Dense\)\); leave"):
        check_file(file, INT8, layers=layers)
    with pytest.raises(ExportError, match=f"{said}; leave"):
        check_file(file, INT8)


def test_a_refusal_names_three_layers_and_counts_the_others(layers: LayerNames) -> None:
    with pytest.raises(ExportError, match=r"layer 'two' \(Dense\), layer 'three' \(Dense\)\);"):
        check_file(dense_file("one", "two", "three"), INT8, layers=layers)
    with pytest.raises(ExportError, match=r"layer 'two' \(Dense\), layer 'three' \(Dense\) and 2 more\);"):
        check_file(dense_file("one", "two", "three", "four", "five"), INT8, layers=layers)


def test_layers_that_are_to_stay_float_are_let_pass_with_the_conversions_around_them(layers: LayerNames) -> None:
    tensors = [
        named("pixels", "INT8"), named("net_1/one_1/MatMul", "INT8"), named("floats"), named("net_1/two_1/MatMul"),
        named("bytes", "INT8"), named("net_1/three_1/MatMul", "INT8"),
    ]  # fmt: skip
    ops = [
        op("FULLY_CONNECTED", (0,), (1,)), op("DEQUANTIZE", (1,), (2,)), op("FULLY_CONNECTED", (2,), (3,)),
        op("QUANTIZE", (3,), (4,)), op("FULLY_CONNECTED", (4,), (5,)),
    ]  # fmt: skip
    file = model(graph(tensors, *ops))
    check_file(file, INT8.change(keep_float=("two",)), layers=layers)
    # Another layer was to stay float. The conversions at its border are not what is wrong, and so are not named.
    with pytest.raises(
        ExportError, match=r"integer: FULLY_CONNECTED \(float32\) would .* \(in layer 'two' \(Dense\)\)"
    ):
        check_file(file, INT8.change(keep_float=("three",)), layers=layers)
    # None was: the conversions count as operations, and the layer that they are there for is named all the same.
    with pytest.raises(ExportError, match=r"DEQUANTIZE .* QUANTIZE .* \(in layer 'two' \(Dense\)\)"):
        check_file(file, INT8, layers=layers)
    with pytest.raises(ExportError, match="3 operations|FULLY_CONNECTED"):
        check_file(file, INT8.change(keep_float=("two",)))


def test_conversions_alone_are_named_by_the_layer_that_they_stand_at(layers: LayerNames) -> None:
    tensors = [named("pixels", "INT8"), named("net_1/one_1/MatMul"), named("out", "INT8")]
    file = model(graph(tensors, op("DEQUANTIZE", (0,), (1,)), op("QUANTIZE", (1,), (2,))))
    with pytest.raises(ExportError, match=r"DEQUANTIZE \(float32\), QUANTIZE .* \(in layer 'one' \(Dense\)\)"):
        check_file(file, INT8, layers=layers)


def test_a_runtime_that_the_file_is_for_has_to_know_its_operations(layers: LayerNames) -> None:
    tensors = [named("pixels"), named("net_1/one_1/MatMul"), named("net_1/two_1/MatMul")]
    file = model(graph(tensors, op("RELU", (0,), (1,)), op("FULLY_CONNECTED", (1,), (2,), version=12)))
    check_file(file, ExportOptions(target="litert"), layers=layers)
    # By default a file is for both runtimes. The layer is that of the operation which the runtime does not know.
    said = r"^tflite-runtime 2\.14 cannot run this file: FULLY_CONNECTED version 12: .* \(in layer 'two' \(Dense\)\)$"
    with pytest.raises(ExportError, match=said):
        check_file(file, ExportOptions(), layers=layers)


def test_only_a_file_for_the_edge_tpu_gets_a_report_on_it() -> None:
    file = dense_file("one", dtype="INT8")
    assert check_file(file, INT8) is None
    report = check_file(file, INT8.change(target="edgetpu"))
    assert report is not None
    assert [one.op for one in report.placements] == ["FULLY_CONNECTED"]


def verification(share: float, asked: float, **more: Any) -> Verification:
    values: dict[str, Any] = {"max_diff": 0.5, "mean_diff": 0.05, "mean_size": 0.5, **more}
    doubt = values.pop("doubt", "")
    agreement = Agreement(share, "names the same class as Keras", {}, doubt)
    return Verification(32, "photos", "litert", agreement=agreement, asked=asked, **values)


@pytest.mark.parametrize("difference", [math.nan, math.inf])
def test_a_file_that_computes_no_numbers_is_refused(difference: float) -> None:
    with pytest.raises(VerificationError, match=r"^m\.tflite computes values that are not finite numbers; it was not"):
        require_finite(verification(1.0, 0.9, max_diff=difference), "m.tflite")
    with pytest.raises(VerificationError, match="not finite"):
        require_agreement(verification(1.0, 0.9, max_diff=difference), mode("int8"), "m.tflite")
    require_finite(verification(0.0, 0.9), "m.tflite")


def test_a_file_has_to_agree_on_the_share_that_is_asked_for() -> None:
    require_agreement(verification(0.85, 0.85), mode("int8"), "m.tflite")
    said = (
        r"^m\.tflite names the same class as Keras on 84% of 32 inputs only \(photos\), at least 85% are asked for "
        r"\(--min-agreement\); it was not kept"
    )
    with pytest.raises(VerificationError, match=f"{said}$"):
        require_agreement(verification(0.84, 0.85), mode("int8"), "m.tflite")
    with pytest.raises(VerificationError, match=f"{said}; layer 'x' is fragile$"):
        require_agreement(verification(0.84, 0.85, weakness="layer 'x' is fragile"), mode("int8"), "m.tflite")
    with pytest.raises(VerificationError, match=rf"{said}\. Keras itself gives the same class for all of them: "):
        require_agreement(verification(0.84, 0.85, doubt="the same class"), mode("int8"), "m.tflite")


def test_values_are_judged_where_no_agreement_is_asked_for() -> None:
    float16 = mode("float16")
    # A tenth of their mean size is what float16 may shift them by.
    require_agreement(verification(0.0, 0.0, mean_diff=0.05, mean_size=0.5), float16, "m.tflite")
    said = (
        r"^m\.tflite differs from Keras by 0\.06 on average over 32 inputs \(photos\), at most 0\.05 is .* of float16; "
    )
    with pytest.raises(VerificationError, match=said):
        require_agreement(verification(1.0, 0.0, mean_diff=0.06, mean_size=0.5), float16, "m.tflite")
    # Where an agreement is, the values may differ by any amount.
    require_agreement(verification(0.98, 0.98, mean_diff=0.06, mean_size=0.5), float16, "m.tflite")
