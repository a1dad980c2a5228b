"""Versions of operations and runtimes: the tables agree with the runtimes themselves."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import zoo
from tests.narrow import narrow
from tests.records import graph, model, op, tensor
from zoo.assets import read_json
from zoo.errors import ExportError
from zoo.export import to_tflite
from zoo.export.lower.lowering import lower
from zoo.export.tflite.converter import convert_in_memory
from zoo.export.tflite.settings import Settings
from zoo.tflite import compat, modelfile


@pytest.fixture(scope="module")
def per_channel_dynamic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes a file with the converter's defaults, which has FULLY_CONNECTED version 12."""
    path = tmp_path_factory.mktemp("compat") / "m.tflite"
    path.write_bytes(convert_in_memory(lower(zoo.build("lenet")), Settings("dynamic", dense_per_channel=True)))
    return path


def test_a_version_too_new_is_named(per_channel_dynamic: Path) -> None:
    file = modelfile.read(per_channel_dynamic)
    versions = {version for name, version, _ in compat.op_counts(file) if name == "FULLY_CONNECTED"}
    assert versions == {12}
    assert compat.problems(file, "litert 2.3") == []
    with pytest.raises(ExportError, match=r"tflite-runtime 2.14 cannot run .* FULLY_CONNECTED version 12: .* up to 10"):
        compat.require(file, ["tflite-runtime 2.14"])


def test_the_runtime_says_the_same(per_channel_dynamic: Path, tflite_runtime_python: str) -> None:
    script = f"from tflite_runtime.interpreter import Interpreter; Interpreter({str(per_channel_dynamic)!r})"
    done = subprocess.run([tflite_runtime_python, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "FULLY_CONNECTED" in done.stderr


def test_a_target_that_cannot_load_gets_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.export.options import ExportOptions

    monkeypatch.setattr(ExportOptions, "dense_per_channel", True)
    with pytest.raises(ExportError, match=r"tflite-runtime 2\.14 cannot run this file"):
        to_tflite(zoo.build("lenet"), tmp_path / "m.tflite", quantize="dynamic", target="tflite-runtime")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_per_channel_dense_is_a_problem_for_old_runtimes(tmp_path: Path) -> None:
    report = to_tflite(zoo.build("lenet"), tmp_path / "m.tflite", quantize="int8", target="litert")
    file = modelfile.read(report.path)
    assert compat.problems(file, "tflite-runtime 2.14") == []
    found = compat.problems(file, "edgetpu_compiler 16")
    assert any("one scale a channel" in problem.reason for problem in found)
    usual = modelfile.read(to_tflite(zoo.build("lenet"), tmp_path / "u.tflite", quantize="int8").path)
    assert compat.problems(usual, "edgetpu_compiler 16") == []


@pytest.mark.slow
def test_grouped_convolutions_are_refused_by_the_compiler(tmp_path: Path) -> None:
    with narrow():
        model = zoo.build("alexnet", input_size=63, num_classes=3)
    report = to_tflite(model, tmp_path / "m.tflite", quantize="int8", target="litert", verify_file=False)
    problems = compat.problems(modelfile.read(report.path), "edgetpu_compiler 16")
    assert any(p.op == "CONV_2D" and p.version == 6 and "splits grouped" in p.remedy for p in problems)


def _file(tmp_path: Path, **names: Any) -> modelfile.ModelFile:
    ops = tuple(modelfile.Op(name, version, custom, (), ()) for name, version, custom in names["ops"])
    return modelfile.ModelFile(tmp_path, 0, 3, (modelfile.Graph((), ops, (), ()),), {})


def test_unknown_and_custom_operations(tmp_path: Path) -> None:
    file = _file(tmp_path, ops=[("UNKNOWN_999", 1, False), ("edgetpu-custom-op", 1, True), ("ADD", 1, False)])
    reasons = [str(problem) for problem in compat.problems(file, "litert 2.3")]
    assert len(reasons) == 2
    assert "not known to this runtime" in reasons[0]
    assert "custom operation" in reasons[1]


def test_the_tables_have_their_source() -> None:
    meta = json.loads((Path(zoo.__file__).parent / "assets" / "op_versions.json").read_text())["_meta"]
    assert "method" in meta


INTEGER = graph(["INT8", "INT8", "INT8"], op("CONV_2D", (0, -1), (1,)), op("SOFTMAX", (1,), (2,)))
CONVERTED = graph(
    ["FLOAT32", "INT8", "INT8", "FLOAT32"],
    op("QUANTIZE", (0,), (1,)), op("CONV_2D", (1,), (2,)), op("DEQUANTIZE", (2,), (3,)),
)  # fmt: skip


def float_ops(file: modelfile.ModelFile) -> list[str]:
    return compat.counted(compat.ops_with_floats(file))


def test_conversions_at_the_ends_leave_a_file_fully_integer() -> None:
    assert float_ops(model(INTEGER)) == []
    assert float_ops(model(CONVERTED)) == []
    assert float_ops(model(INTEGER, CONVERTED)) == []


@pytest.mark.parametrize("dtype", ["FLOAT32", "FLOAT16", "BFLOAT16", "FLOAT64"])
def test_an_operation_that_reads_or_writes_floats_is_named_with_its_type(dtype: str) -> None:
    reads = graph([dtype, "INT8"], op("ARG_MAX", (0,), (1,)))
    writes = graph(["INT8", dtype], op("MUL", (0, 0), (1,)))
    assert float_ops(model(reads)) == [f"ARG_MAX ({dtype.lower()})"]
    assert float_ops(model(INTEGER, writes)) == [f"MUL ({dtype.lower()})"]
    (found,) = compat.ops_with_floats(model(INTEGER, writes))
    assert found == (writes.ops[0], writes)


def test_conversions_within_a_graph_count_as_floats_and_so_does_what_is_between_them() -> None:
    within = graph(
        ["INT8", "FLOAT32", "FLOAT32", "FLOAT32", "INT8"],
        op("DEQUANTIZE", (0,), (1,)), op("MUL", (1, 1), (2,)), op("MUL", (2, 2), (3,)), op("QUANTIZE", (3,), (4,)),
    )  # fmt: skip
    assert float_ops(model(within)) == ["DEQUANTIZE (float32)", "2x MUL (float32)", "QUANTIZE (float32)"]


def test_only_a_conversion_may_have_floats_at_the_ends_and_each_at_its_own() -> None:
    other = graph(["FLOAT32", "INT8", "FLOAT32"], op("MUL", (0,), (1,)), op("ADD", (1,), (2,)))
    assert float_ops(model(other)) == ["MUL (float32)", "ADD (float32)"]
    # Both ends are floats, and a conversion stands at the wrong one.
    turned = graph(["FLOAT32", "INT8", "FLOAT32"], op("DEQUANTIZE", (0,), (1,)), op("QUANTIZE", (1,), (2,)))
    assert float_ops(model(turned)) == ["DEQUANTIZE (float32)", "QUANTIZE (float32)"]


def test_an_input_that_is_left_out_has_no_type() -> None:
    assert float_ops(model(graph(["INT8", "FLOAT32"], op("ADD", (0, -1), (0,)), outputs=(0,)))) == []


def _dense(scales: int, weights: int = 1) -> modelfile.ModelFile:
    """Makes a file of one dense layer, whose second input is the weights."""
    tensors = [tensor(scales=1), tensor(scales=scales), tensor(scales=1)]
    return model(graph(tensors, op("FULLY_CONNECTED", (0, weights), (2,))))


def test_dense_layers_with_a_scale_for_each_channel_are_a_problem_of_runtimes_that_compute_them_wrongly() -> None:
    (problem,) = compat.problems(_dense(2), "edgetpu_compiler 16")
    assert (problem.op, problem.version) == ("FULLY_CONNECTED", 1)
    assert "one scale a channel" in problem.reason
    assert "for the target tflite-runtime" in problem.remedy
    assert compat.problems(_dense(2), "tflite-runtime 2.14") == []
    assert compat.problems(_dense(1), "edgetpu_compiler 16") == []
    assert compat.problems(_dense(2, weights=-1), "edgetpu_compiler 16") == []
    # The last tensor has several scales, which a left-out input must not be taken for.
    several = graph([tensor(scales=1), tensor(scales=2)], op("FULLY_CONNECTED", (0, -1), (0,)))
    assert compat.problems(model(several), "edgetpu_compiler 16") == []
    first = graph([tensor(scales=2), tensor(scales=1)], op("FULLY_CONNECTED", (1, 0), (1,)))
    assert len(compat.problems(model(first), "edgetpu_compiler 16")) == 1
    alone = graph(["INT8", "INT8"], op("FULLY_CONNECTED", (0,), (1,)))
    assert compat.problems(model(alone), "edgetpu_compiler 16") == []


def test_a_runtime_has_each_operation_up_to_a_version_and_a_problem_is_said_once() -> None:
    highest = read_json("op_versions.json")["tflite-runtime-2.14"]["CONV_2D"]
    last = graph(["INT8", "INT8"], op("CONV_2D", (0,), (1,), highest))
    assert compat.problems(model(last), "tflite-runtime 2.14") == []
    newer = op("CONV_2D", (0,), (1,), highest + 1)
    (problem,) = compat.problems(model(graph(["INT8", "INT8"], newer, newer)), "tflite-runtime 2.14")
    assert str(problem).startswith(f"CONV_2D version {highest + 1}: this runtime has versions up to {highest}; export")


def test_the_operation_of_detectors_is_the_custom_one_that_runtimes_have(monkeypatch: pytest.MonkeyPatch) -> None:
    name = modelfile.POST_PROCESS
    files = {
        custom: model(graph([], op(name, (), (), custom=custom), inputs=(), outputs=())) for custom in (True, False)
    }
    for runtime in compat.RUNTIMES:
        assert compat.problems(files[True], runtime) == []
        assert [one.reason for one in compat.problems(files[False], runtime)] == ["not known to this runtime"]
    monkeypatch.setattr(compat, "_WITH_POST_PROCESS", set())
    assert [one.op for one in compat.problems(files[True], "litert 2.3")] == [name]


def test_operations_are_counted_over_all_graphs_the_most_frequent_first() -> None:
    twice = graph(["INT8"], op("ADD", (0,), (0,)), op("MUL", (0,), (0,)), op("MUL", (0,), (0,), 2))
    assert compat.op_counts(model(twice, twice)) == [("ADD", 1, 2), ("MUL", 1, 2), ("MUL", 2, 2)]
    assert compat.op_counts(model(INTEGER, twice))[0] == ("CONV_2D", 1, 1)
