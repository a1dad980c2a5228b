"""What TensorRT and ONNX Runtime take of an `.onnx` file, told from the file alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx")

from tests.onnx.nets import TensorProto, branch_net, helper, model, one, onnx, picture_net, save, value, weight
from zoo.assets import read_json
from zoo.errors import ExportError
from zoo.onnx.reading.file import read
from zoo.onnx.reading.types import typed
from zoo.onnx.support import judge, judge_all, require
from zoo.onnx.targets import ONNX_TARGETS, OnnxTarget

INT8, UINT8, INT64 = TensorProto.INT8, TensorProto.UINT8, TensorProto.INT64


def told(made: Any, folder: Path, target: OnnxTarget) -> str:
    """What keeps a target from a model, in one text; empty if nothing does."""
    verdict = judge(read(save(made, folder / "m.onnx")), target)
    return "\n".join(map(str, verdict.problems))


def with_opset(opset: int, made: Any) -> Any:
    made.opset_import[0].version = opset
    return made


def with_constants(op: str, constants: dict[str, Any], **attributes: Any) -> Any:
    """A model of one operation on `x`, with constants as its further inputs."""
    node = helper.make_node(op, ["x", *constants], ["y"], name="it", **attributes)
    weights = [weight(name, values, np.asarray(values).dtype) for name, values in constants.items()]
    return model([node], [value("x", [1, 4, 8, 8])], [value("y", None)], weights)


def quantized(kind: Any = np.int8, zero: int = 0) -> Any:
    """A model that stores its input as an integer, and reads it again."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], name="store"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], name="load"),
    ]
    constants = [weight("s", np.float32(0.1)), weight("z", zero, kind)]
    return model(nodes, [value("x", [1, 4])], [value("y", [1, 4])], constants)


@pytest.mark.parametrize("target", ONNX_TARGETS)
def test_a_plain_net_is_taken_by_all(target: OnnxTarget, tmp_path: Path) -> None:
    assert told(picture_net(), tmp_path, target) == ""
    assert told(quantized(), tmp_path, target) == ""


TENSORRT = {
    # name: model, what TensorRT 8.2 says, what 10.3 says
    "an operation of the list's refusals": (one("IsInf"), "its list says that it is not supported", ""),
    "an operation that is younger than the list": (
        with_opset(14, one("HardSwish")), "it is not in its list", "",
    ),
    "an operation that no version has": (one("Det", shape=(1, 4, 4)), "not supported", "not supported"),
    "an opset that is too new": (with_opset(21, one("Relu")), "it is of opset 21, the list has 1 to 13; export it with "
                                 "opset 13", "the list has 9 to 20; export it with opset 20"),
    "an opset that is too old": (with_opset(7, one("Relu")), "", "it is of opset 7, the list has 9 to 20"),
    "an open batch": (picture_net(batch="N"), "input 'pixels': its size is open: ('N', 3, 8, 8); export it with",
                      "its size is open"),
    "too many axes": (one("Relu", shape=[1] * 9), "it has 9 axes, 8 are the most", "it has 9 axes"),
    "bytes": (one("Identity", kind=UINT8), "it is uint8; give the model float32 values", "it computes with uint8"),
    "whole numbers in a product": (one("MatMul", 2, kind=TensorProto.INT32, shape=(4, 4)),
                                   "it computes with int32, the list has float16 or float32", "computes with int32"),
    "64 bits, which are cast": (one("Add", 2, kind=INT64), "", ""),
    "64 bits where 32 are refused": (one("Relu", kind=INT64, shape=(1, 4)), "it computes with int64", ""),
    "an operation of another set": (
        model([helper.make_node("Gelu", ["x"], ["y"], name="g", domain="com.microsoft")], [value("x", [1])],
              [value("y", [1])], opsets={"": 13, "com.microsoft": 1}),
        "of the operation set 'com.microsoft', which needs a plugin", "needs a plugin",
    ),
    "weights that are computed": (
        one("Conv", 2, shape=(1, 3, 8, 8)),
        "its input W is computed, and not a constant; compute it beforehand", "",
    ),
    "a convolution of one axis": (
        model([helper.make_node("Conv", ["x", "w"], ["y"], name="c")], [value("x", [1, 3, 8])], [value("y", None)],
              [weight("w", np.ones((4, 3, 3)))]),
        "it has 1 spatial axes, 2 or 3 are taken", "",
    ),
    "a pooling of one axis": (one("MaxPool", shape=(1, 3, 8), kernel_shape=[2]), "1 spatial axes", "1 spatial axes"),
    "cubic resizing": (
        with_constants("Resize", {"": [], "scales": np.array([1, 1, 2, 2], np.float32)}, mode="cubic"),
        "its mode is 'cubic', the list has nearest or linear", "its mode is 'cubic'",
    ),
    "resizing within a frame": (
        with_constants("Resize", {"": [], "scales": np.array([1, 1, 2, 2], np.float32)},
                       coordinate_transformation_mode="tf_crop_and_resize"),
        "its coordinate_transformation_mode is 'tf_crop_and_resize'", "tf_crop_and_resize",
    ),
    "resizing to the nearest as TensorFlow does": (
        with_constants("Resize", {"": [], "scales": np.array([1, 1, 2, 2], np.float32)}, nearest_mode="floor",
                       coordinate_transformation_mode="tf_half_pixel_for_nn"),
        "with coordinate_transformation_mode 'tf_half_pixel_for_nn' its nearest_mode is 'floor', the list has round",
        "",
    ),
    "padding that goes round": (
        with_constants("Pad", {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)}, mode="wrap"),
        "its mode is 'wrap', the list has constant, edge or reflect", "",
    ),
    "a zero point": (quantized(np.int8, 3), "its zero point is not 0", "its zero point is not 0"),
    "unsigned storage": (quantized(np.uint8), "it stores uint8, the list has int8", "it stores uint8"),
    "dilated pooling": (one("MaxPool", shape=(1, 3, 8, 8), kernel_shape=[2, 2], dilations=[2, 2]), "",
                        "its dilations are not all 1"),
    "the places of a pooling": (
        model([helper.make_node("MaxPool", ["x"], ["y", "i"], name="p", kernel_shape=[2, 2])],
              [value("x", [1, 3, 8, 8])], [value("y", None), value("i", None, INT64)]),
        "it has 2 outputs, the list has 1", "it has 2 outputs",
    ),
    "very many of the best": (with_constants("TopK", {"k": np.array([4000], np.int64)}), "", "it has to be below 3840"),
    "a diagonal": (one("Einsum", shape=(1, 4, 4), equation="bii->bi"), "takes a diagonal", ""),
}  # fmt: skip


@pytest.mark.parametrize("what", TENSORRT)
def test_tensorrt_takes_what_its_list_has(what: str, tmp_path: Path) -> None:
    made, eight, ten = TENSORRT[what]
    cases: tuple[tuple[OnnxTarget, str], ...] = (("tensorrt8", eight), ("tensorrt10", ten))
    for target, expected in cases:
        found = told(made, tmp_path, target)
        assert (expected in found) if expected else (found == ""), target


def test_constants_count_also_behind_what_stores_them_otherwise(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["stored", "s"], ["w"], name="load"),
        helper.make_node("Conv", ["x", "w"], ["y"], name="conv"),
    ]
    weights = [weight("stored", np.ones((4, 3, 3, 3)), np.int8), weight("s", np.float32(0.1))]
    assert told(model(nodes, [value("x", [1, 3, 8, 8])], [value("y", None)], weights), tmp_path, "tensorrt8") == ""


def test_what_stands_in_branches_is_judged_too(tmp_path: Path) -> None:
    made = branch_net()
    made.graph.node[0].attribute[0].g.node[0].op_type = "Hardmax"
    assert "Hardmax" in told(made, tmp_path, "tensorrt8")


def test_many_of_a_kind_are_one_line(tmp_path: Path) -> None:
    nodes = [helper.make_node("Hardmax", [f"x{i}"], [f"x{i + 1}"], name=f"h{i}") for i in range(5)]
    found = told(model(nodes, [value("x0", [1])], [value("x5", [1])]), tmp_path, "tensorrt8")
    assert found.count("\n") == 0
    assert found.startswith("Hardmax 'h0' and 4 more such operations: its list says")


def test_what_the_check_cannot_know_is_said(tmp_path: Path) -> None:
    verdicts = judge_all(read(save(quantized(), tmp_path / "m.onnx")))
    assert any("no engine was built" in note for note in verdicts["tensorrt10"].notes)
    assert any("has no int8 arithmetic" in note for note in verdicts["tensorrt8"].notes)
    assert verdicts["tensorrt8"].lines()[0] == "TensorRT 8.2: takes it"
    assert verdicts["onnxruntime"].as_dict() == {"takes": True, "problems": [], "notes": []}


def test_a_file_that_its_target_does_not_take_is_refused(tmp_path: Path) -> None:
    path = save(with_opset(14, one("HardSwish")), tmp_path / "m.onnx")
    assert require(path, "tensorrt10").takes
    with pytest.raises(
        ExportError, match=r"TensorRT 8.2 does not take this file \(2 reasons, this is the first\): the file"
    ):
        require(path, "tensorrt8")


RUNTIME = {
    "an operation that it has not": (
        model([helper.make_node("Mine", ["x"], ["y"], name="m", domain="com.mine")], [value("x", [1])],
              [value("y", [1])], opsets={"": 13, "com.mine": 1}),
        "Mine 'm': the CPU provider has no such operation",
    ),
    "a type that it has not": (one("Conv", 2, kind=TensorProto.DOUBLE, shape=(1, 3, 8, 8)), "it computes with float64"),
    "an opset that is too new": (with_opset(200, one("Relu")), "it is of opset 200"),
    "float16, which it computes in float32": (one("Conv", 2, kind=TensorProto.FLOAT16, shape=(1, 3, 8, 8)), ""),
    "an operation that it puts together": (with_opset(18, one("Mish")), ""),
}  # fmt: skip


@pytest.mark.parametrize("what", RUNTIME)
def test_onnx_runtime_takes_what_it_has_kernels_for(what: str, tmp_path: Path) -> None:
    made, expected = RUNTIME[what]
    found = told(made, tmp_path, "onnxruntime")
    assert (expected in found) if expected else (found == "")


@pytest.mark.slow
def test_onnx_runtime_loads_what_is_said_to_be_taken(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    onnxruntime.set_default_logger_severity(4)
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    judged, wrong = 0, []
    for kind in (TensorProto.FLOAT, TensorProto.FLOAT16, INT64):
        for schema in onnx.defs.get_all_schemas():
            made = _of_schema(schema.name, kind)
            if made is None:
                continue
            path = save(made, tmp_path / "m.onnx")
            try:
                onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
                loads = True
            except Exception as error:  # noqa: BLE001  # the runtime's errors have no common class
                if "Could not find an implementation" not in str(error):
                    continue  # another fault than a missing kernel
                loads = False
            judged += 1
            if judge(read(path), "onnxruntime").takes is not loads:
                wrong.append(schema.name)
    assert judged > 150
    assert len(wrong) <= judged / 100, wrong


def _of_schema(name: str, kind: int) -> Any:
    """A model of one operation, where inputs of one type are all that it needs; else None."""
    try:
        schema = onnx.defs.get_schema(name, 17, "")
    except onnx.defs.SchemaError:
        return None
    needed = [one for one in schema.inputs if one.option != onnx.defs.OpSchema.FormalParameterOption.Optional]
    same = len({formal.type_str for formal in needed}) == 1
    if schema.deprecated or not same or any(one.required for one in schema.attributes.values()):
        return None
    names = [f"x{place}" for place in range(len(needed))]
    node = helper.make_node(name, names, ["y"])
    graph = helper.make_graph([node], "g", [value(one, None, kind) for one in names], [onnx.ValueInfoProto(name="y")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_types_are_followed_through_the_operations(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["whole"], to=INT64),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Add", ["whole", "whole"], ["sum"]),
        helper.make_node("QuantizeLinear", ["x", "s"], ["stored"]),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("Constant", [], ["number"], value_int=3),
        helper.make_node("Where", ["which", "x", "zeros"], ["y"]),
    ]
    ends = [value("x", [1]), value("which", [1], TensorProto.BOOL)]
    made = model(nodes, ends, [onnx.ValueInfoProto(name="y")], [weight("s", np.float32(1))])
    last = list(typed(read(save(made, tmp_path / "m.onnx"))))[-1]
    found = {name: last.types[name] for name in ("whole", "shape", "sum", "stored", "zeros", "number", "y")}
    assert found == {
        "whole": "int64", "shape": "int64", "sum": "int64", "stored": "uint8", "zeros": "float32", "number": "int64",
        "y": "float32",
    }  # fmt: skip


@pytest.mark.parametrize("target", ["tensorrt8", "tensorrt10"])
def test_the_lists_name_their_source_and_each_operation_once(target: str) -> None:
    table = read_json("tensorrt_ops.json")[target]
    names = [op for ops in table["takes"].values() for op in ops] + table["refuses"]
    assert len(names) == len(set(names)) > 150
    assert set(table["rules"]) <= set(names) - set(table["refuses"])
    assert any("onnx-tensorrt" in line for line in table["source"])


def test_tensorrt_8_2_refuses_as_many_operations_as_its_own_list_but_those_that_its_source_has() -> None:
    table = read_json("tensorrt_ops.json")["tensorrt8"]
    assert len({*table["refuses"], *table["corrected"]}) == 36
    assert not set(table["refuses"]) & set(table["corrected"])


def test_tensorrt_8_2_takes_what_its_source_has_and_its_list_refuses(tmp_path: Path) -> None:
    assert told(one("Reciprocal"), tmp_path, "tensorrt8") == ""
