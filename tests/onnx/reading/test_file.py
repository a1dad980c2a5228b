"""The reader of `.onnx` files: right on sound ones, one line on all others."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx", reason="needs onnx")

import onnx.backend.test
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.onnx.nets import branch_net, helper, model, picture_net, save, value, weight
from zoo.errors import MissingDependencyError, ModelFileError
from zoo.onnx.reading import file, records, wire
from zoo.onnx.reading.file import read
from zoo.onnx.reading.model import Constant, OnnxFile

FOREIGN = sorted((Path(onnx.backend.test.__file__).parent / "data").glob("*/*.onnx")) + sorted(
    (Path(onnx.backend.test.__file__).parent / "data/pytorch-converted").glob("*/model.onnx")
)
"""Files that other programs wrote; the package onnx has them for its own tests."""
WHOLE = picture_net(props={"a": "b"}).SerializeToString()


def reads(content: bytes, folder: Path) -> OnnxFile | str:
    """What the reader makes of some bytes: a file, or the one line of its refusal."""
    path = folder / "m.onnx"
    path.write_bytes(content)
    try:
        return read(path)
    except ModelFileError as error:
        told = str(error)
    assert "\n" not in told
    assert len(told) < 600
    return told


def refusal(made: Any, folder: Path) -> str:
    found = reads(made.SerializeToString() if not isinstance(made, bytes) else made, folder)
    assert isinstance(found, str)
    return found


def test_a_file_is_read_with_all_that_is_in_it(tmp_path: Path) -> None:
    found = read(save(picture_net(props={"key": "value"}), tmp_path / "m.onnx"))
    assert (found.ir_version, found.producer, found.opset, found.metadata) == (7, "a test 1", 13, {"key": "value"})
    assert [(one.name, one.dtype, one.shape) for one in found.graph.inputs] == [("pixels", "float32", (1, 3, 8, 8))]
    assert [(one.name, one.shape, one.is_fixed) for one in found.graph.outputs] == [("scores", (1, 3), True)]
    conv = found.graph.nodes[0]
    assert (conv.op, conv.name, conv.inputs, conv.outputs) == ("Conv", "conv1", ("pixels", "w", "b"), ("conv",))
    assert conv.attributes == {"kernel_shape": (3, 3), "strides": (2, 2)}
    weights = found.graph.constants["w"]
    assert (weights.dtype, weights.shape, weights.bytes, weights.values().shape) == (
        "float32", (4, 3, 3, 3), 432, (4, 3, 3, 3),
    )  # fmt: skip
    assert dict(found.op_counts())["Conv"] == 1


def test_open_sizes_keep_their_names(tmp_path: Path) -> None:
    found = read(save(picture_net(batch="N"), tmp_path / "m.onnx"))
    assert found.graph.inputs[0].shape == ("N", 3, 8, 8)
    assert not found.graph.inputs[0].is_fixed


def test_a_branch_is_read_and_may_take_what_is_outside(tmp_path: Path) -> None:
    found = read(save(branch_net(), tmp_path / "m.onnx"))
    assert len(found.all_graphs()) == 3
    assert dict(found.op_counts()) == {"If": 1, "Relu": 1, "Neg": 1}


def test_nodes_of_any_order_are_put_into_one_in_which_they_run(tmp_path: Path) -> None:
    made = picture_net()
    nodes = list(made.graph.node)
    del made.graph.node[:]
    made.graph.node.extend(reversed(nodes))
    found = read(save(made, tmp_path / "m.onnx"))
    assert [node.op for node in found.graph.nodes] == [node.op_type for node in nodes]


@pytest.mark.parametrize("path", FOREIGN, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_files_of_other_programs_are_read(path: Path) -> None:
    found = read(path)
    loaded = onnx.load(path)
    assert len(found.graph.nodes) == len(loaded.graph.node) > 0
    assert found.opset == loaded.opset_import[0].version
    weights = {one.name for one in loaded.graph.initializer}
    assert [one.name for one in found.graph.inputs] == [x.name for x in loaded.graph.input if x.name not in weights]


def broken() -> dict[str, tuple[Any, str]]:
    """Files that nothing can compute, and what the refusal says."""
    x, y = value("x", [1]), value("y", [1])
    relu = helper.make_node("Relu", ["x"], ["y"], name="r")
    outside = weight("w", [1.0, 2.0])
    outside.data_location = onnx.TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="../../etc/passwd")
    short, long, negative = weight("w", [1.0, 2.0]), weight("w", [1.0]), weight("w", [1.0])
    short.raw_data = b"\0\0\0\0"
    negative.dims[0] = -1
    huge = value("x", [2**40, 2**40])
    unknown = weight("w", [1.0])
    unknown.data_type = 99
    listed = helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [1.0])
    listed.float_data.append(2.0)
    unnamed = picture_net()
    del unnamed.opset_import[:]
    functional = picture_net()
    functional.functions.add(name="f", domain="local")
    ungraphed = picture_net()
    ungraphed.ClearField("graph")
    sparse = picture_net()
    sparse.graph.sparse_initializer.add(dims=[1])
    circle = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Neg", ["a"], ["b"])]
    deep: Any = helper.make_graph([], "inner", [], [value("x", [1])])
    for _ in range(records.MAX_DEPTH):
        deep = helper.make_graph([helper.make_node("If", ["x"], ["y"], then_branch=deep)], "g", [], [y])
    return {
        "no graph": (ungraphed, "it has no graph"),
        "no operation set": (unnamed, "names no operation set"),
        "functions": (functional, "has functions of its own"),
        "sparse weights": (sparse, "sparse weights"),
        "no output": (model([relu], [x], []), "no output"),
        "an input that nothing makes": (model([helper.make_node("Relu", ["z"], ["y"])], [x], [y]), "takes 'z', which"),
        "an output that nothing makes": (model([relu], [x], [value("z", [1])]), "nothing makes its output 'z'"),
        "a circle": (model(circle, [x], [value("a", [1])]), "its nodes wait for each other"),
        "a node that waits for itself": (model([helper.make_node("Neg", ["y"], ["y"])], [x], [y]), "wait for each"),
        "a tensor made twice": (model([relu, relu], [x], [y]), "makes 'y', which is there already"),
        "an input made again": (model([helper.make_node("Relu", ["y"], ["x"])], [x, y], [y]), "there already"),
        "weights outside": (
            model([relu], [x], [y], [outside]),
            "in other files, such as '../../etc/passwd', from which nothing is read",
        ),
        "weights too short": (model([relu], [x], [y], [short]), "has 4 bytes of data"),
        "weights too long": (model([relu], [x], [y], [listed]), "has 2 values"),
        "two weights of a name": (model([relu], [x], [y], [long, long]), "two of its constants are called 'w'"),
        "a size below nothing": (model([relu], [x], [y], [negative]), "has shape (-1,)"),
        "a size beyond all": (model([relu], [huge], [y]), "more than 2**63 elements"),
        "too many dimensions": (model([relu], [value("x", [1] * 33)], [y]), "has 33 dimensions"),
        "an unknown type": (model([relu], [x], [y], [unknown]), "unknown type 99"),
        "graphs in graphs": (_with(deep), "graphs in graphs"),
        "an unknown set": (model([helper.make_node("F", ["x"], ["y"], domain="com.x")], [x], [y]), "'com.x'"),
        "no operation": (model([helper.make_node("", ["x"], ["y"])], [x], [y]), "has no operation"),
        "a set named twice": (_twice(), "twice"),
    }


def _with(graph: Any) -> Any:
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


def _twice() -> Any:
    made = picture_net()
    made.opset_import.add(domain="ai.onnx", version=12)
    return made


@pytest.mark.parametrize("what", broken())
def test_what_cannot_be_computed_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    made, told = broken()[what]
    assert told in refusal(made, tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"not a model at all", b"TFL3" * 9, b"\x08", b"PK\3\4" * 99, WHOLE[::-1]]
)
def test_what_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    assert re.search(r"is not an? (sound )?\.onnx file", refusal(content, tmp_path))


@pytest.mark.slow
def test_every_truncation_is_refused_or_still_a_whole_graph(tmp_path: Path) -> None:
    whole = read(save(picture_net(props={"a": "b"}), tmp_path / "whole.onnx"))
    for size in range(len(WHOLE)):
        found = reads(WHOLE[:size], tmp_path)
        # What stands behind graph and operation set are metadata.
        assert isinstance(found, str) or (found.graph == whole.graph and found.opsets == whole.opsets)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_flipped_bytes_give_one_line_or_a_file(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(WHOLE)
    for place, byte in changes:
        damaged[place] = byte
    found = reads(bytes(damaged), tmp_path)
    if isinstance(found, OnnxFile):
        for constant in found.graph.constants.values():
            with contextlib.suppress(ModelFileError):
                assert constant.values().shape == constant.shape


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_give_one_line(tmp_path: Path, content: bytes) -> None:
    assert isinstance(reads(content, tmp_path), str)


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    assert "no text" in refusal(WHOLE.replace(b"softmax", b"soft\xff\xfex"), tmp_path)


@pytest.mark.slow
def test_a_small_file_that_claims_very_many_nodes_is_refused_before_they_are_made(tmp_path: Path) -> None:
    nodes = b"\x0a\x00" * (wire.MAX_FIELDS + 1)
    head = b"\x3a" + _varint(len(nodes))
    assert f"more than {wire.MAX_FIELDS:,} fields" in refusal(head + nodes, tmp_path)


def test_whole_numbers_beyond_the_bound_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = picture_net()
    made.graph.initializer.append(helper.make_tensor("n", onnx.TensorProto.INT64, [200], range(200)))
    assert isinstance(reads(made.SerializeToString(), tmp_path), OnnxFile)
    monkeypatch.setattr(records, "MAX_PACKED", 100)
    assert "bytes of numbers" in refusal(made, tmp_path)


def test_a_file_beyond_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "MAX_BYTES", 100)
    assert "and 100 are the most of an .onnx file" in refusal(WHOLE, tmp_path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(ModelFileError, match="a named pipe or a device"):
        read(tmp_path / "pipe.onnx")
    with pytest.raises(ModelFileError, match=r"cannot read .*missing\.onnx: No such file"):
        read(tmp_path / "missing.onnx")
    with pytest.raises(ModelFileError, match="cannot read .*: Is a directory"):
        read(tmp_path)


def test_constants_that_numpy_has_no_type_for_are_refused_when_they_are_asked_for() -> None:
    wrong = weight("w", [1.0, 2.0])
    wrong.dims[0] = 3
    with pytest.raises(ModelFileError, match="has other values than its shape says"):
        Constant("w", "float32", (3,), 8, wrong).values()


def test_without_the_package_the_command_to_install_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(picture_net(), tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingDependencyError, match=r"needs onnx: pip install 'edgezoo\[onnx\]'"):
        read(path)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])
