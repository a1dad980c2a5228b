"""The table of what ONNX Runtime has is that of the version that it names."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("onnxruntime", reason="needs onnxruntime")
pytest.importorskip("onnx", reason="needs onnx")

import onnxruntime

import onnxruntime_ops
from zoo.assets import read_json


def test_the_table_is_what_the_runtime_says() -> None:
    table = read_json("onnxruntime_ops.json")
    if table["version"] != onnxruntime.__version__:
        pytest.skip(f"the table is of onnxruntime {table['version']}, and {onnxruntime.__version__} is installed")
    assert table["ops"] == json.loads(json.dumps(onnxruntime_ops.kernels()))
    assert onnxruntime_ops.loads(table["newest_opset"], 7)
    assert not onnxruntime_ops.loads(table["newest_opset"] + 1, 7)
    assert onnxruntime_ops.loads(13, table["newest_ir"])
    assert not onnxruntime_ops.loads(13, table["newest_ir"] + 1)


def test_a_table_in_lines_is_the_same_table() -> None:
    table = read_json("onnxruntime_ops.json")
    assert json.loads(onnxruntime_ops.in_lines(table)) == table


def test_the_newest_version_is_the_last_that_works() -> None:
    assert onnxruntime_ops.newest(lambda number: number < 9, 3) == 8
