"""The outline of an `.onnx` file, read without the package onnx, beside what that package reads."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx", reason="needs onnx")

import onnx.backend.test
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.onnx.nets import branch_net, helper, model, one, picture_net, save, value, weight
from zoo.errors import ModelFileError
from zoo.onnx.kinds import require_kind
from zoo.onnx.reading import outline
from zoo.tflite.scores import are_probabilities

FOREIGN = sorted((Path(onnx.backend.test.__file__).parent / "data").glob("*/*/*.onnx"))[::40]
"""Some of the files that other programs wrote; the package onnx has them for its own tests."""
WHOLE = picture_net(props={"a": "b"}).SerializeToString()


def read(content: bytes, folder: Path) -> str:
    """What the reader says of some bytes; nothing if it reads them."""
    path = folder / "m.onnx"
    path.write_bytes(content)
    try:
        outline.read(path)
        outline.read_props(path)
    except ModelFileError as error:
        told = str(error)
        assert "\n" not in told
        assert len(told) < 600
        return told
    return ""


def shape(info: Any) -> tuple[int, ...]:
    return tuple(size.dim_value or 1 for size in info.type.tensor_type.shape.dim)


@pytest.mark.parametrize("path", FOREIGN, ids=lambda path: path.parent.name)
def test_the_files_of_other_programs_are_read_as_the_package_onnx_reads_them(path: Path) -> None:
    graph, known = outline.read(path).main, onnx.load(path).graph
    constants = {tensor.name for tensor in known.initializer}
    inputs = [info for info in known.input if info.name not in constants]
    assert [graph.tensors[i].name for i in graph.inputs] == [info.name for info in inputs]
    assert [graph.tensors[i].name for i in graph.outputs] == [info.name for info in known.output]
    for i, info in zip(graph.inputs + graph.outputs, [*inputs, *known.output], strict=True):
        if info.type.HasField("tensor_type") and 0 not in shape(info):
            assert graph.tensors[i].shape == shape(info)
    assert Counter(op.name for op in graph.ops) == Counter(node.op_type for node in known.node)


def test_properties_and_weights_are_read(tmp_path: Path) -> None:
    path = save(picture_net(props={"a": "b", "name": "Größe"}), tmp_path / "m.onnx")
    assert outline.read_props(path) == {"a": "b", "name": "Größe"}
    file = outline.read(path)
    weights = next(tensor for tensor in file.main.tensors if tensor.name == "w")
    assert (weights.shape, weights.bytes, weights.dtype) == ((4, 3, 3, 3), 4 * 3 * 9 * 4, "FLOAT32")
    assert file.size == path.stat().st_size


@pytest.mark.parametrize(
    ("net", "known"),
    [
        (picture_net(), True),
        (one("Sigmoid"), True),
        (one("Softmax"), True),
        (one("Relu"), False),
        (one("Add", 2), False),
    ],
)
def test_probabilities_are_told_by_the_operations(net: Any, known: bool, tmp_path: Path) -> None:
    graph = outline.read(save(net, tmp_path / "m.onnx")).main
    assert are_probabilities(graph, graph.outputs[0]) is known


def test_an_open_batch_is_a_batch_of_one_and_other_open_sizes_are_told(tmp_path: Path) -> None:
    batch = outline.read(save(picture_net("N"), tmp_path / "m.onnx")).main
    assert [(batch.tensors[i].shape, batch.tensors[i].dynamic) for i in (*batch.inputs, *batch.outputs)] == [
        ((1, 3, 8, 8), False),
        ((1, 3), False),
    ]
    size = outline.read(save(one("Relu", shape=(1, "n")), tmp_path / "m.onnx")).main
    assert [size.tensors[i].dynamic for i in (*size.inputs, *size.outputs)] == [True, True]


def external(tensor: Any) -> Any:
    """Says that a tensor's values are in another file."""
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return tensor


def in_a_branch() -> Any:
    net = branch_net()
    net.graph.node[0].attribute[0].g.initializer.append(external(weight("w", [1.0])))
    return net


@pytest.mark.parametrize(
    "net",
    [
        model([helper.make_node("Relu", ["w"], ["y"])], [], [value("y", [1])], [external(weight("w", [1.0]))]),
        model([helper.make_node("Constant", [], ["y"], value=external(weight("w", [1.0])))], [], [value("y", [1])]),
        in_a_branch(),
    ],
    ids=["weights", "a constant", "in a branch"],
)  # fmt: skip
def test_weights_in_other_files_are_refused_wherever_they_stand(net: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"its weights are in other files; put all into one.*onnx\.save"):
        outline.read(save(net, tmp_path / "m.onnx"))


def test_every_truncation_is_one_line_or_a_file(tmp_path: Path) -> None:
    assert [read(WHOLE[:end], tmp_path) for end in range(1, len(WHOLE), 3)].count("") < 5


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_are_one_line_or_a_file(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read(bytes(content), tmp_path)


def test_graphs_in_graphs_end(tmp_path: Path) -> None:
    inner = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [], [value("y", [2])])
    for _ in range(12):
        node = helper.make_node("If", ["which"], ["y"], then_branch=inner, else_branch=inner)
        inner = helper.make_graph([node], "g", [], [value("y", [2])])
    net = model(list(inner.node), [value("x", [2]), value("which", [], onnx.TensorProto.BOOL)], [value("y", [2])])
    assert "nested more than 8 deep" in read(net.SerializeToString(), tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty"),
        (b"garbage, and more of it", "not a sound .onnx file"),
        (b"\x1c\0\0\0TFL3 and so on", "not an .onnx file but a .tflite file"),
        (b"\x89HDF\r\n\x1a\n", "a Keras model, and zoo export"),
        (b"\x08\x07", "it has 0 graphs"),
        (b"\x3a\x00", "it has no version"),
        (b"\x08\x07\x3a\x00\x3a\x00", "it has 2 graphs"),
    ],
)
def test_what_is_no_onnx_file_is_said_in_one_line(content: bytes, told: str, tmp_path: Path) -> None:
    assert told in read(content, tmp_path)


def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"cannot read .*none\.onnx: No such file"):
        require_kind(tmp_path / "none.onnx")
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(ModelFileError, match="is no file but a named pipe"):
        outline.read(tmp_path / "pipe.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ModelFileError, match=r"folder\.onnx"):
        outline.read(tmp_path / "folder.onnx")


def test_absurd_shapes_are_refused(tmp_path: Path) -> None:
    assert "has the shape" in read(one("Relu", shape=(2**40, 2**40)).SerializeToString(), tmp_path)


def test_a_negative_size_is_an_open_one(tmp_path: Path) -> None:
    graph = outline.read(save(one("Relu", shape=(-1, 4)), tmp_path / "m.onnx")).main
    assert graph.tensors[graph.inputs[0]].shape == (1, 4)
