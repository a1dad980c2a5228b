"""The memory that a container allows, and files that are refused because of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.records import graph, model, op, tensor
from zoo.errors import ModelFileError
from zoo.runner.loading import memory
from zoo.runner.loading.session import load
from zoo.tflite import modelfile
from zoo.tflite.modelfile import Op

LENET_POOLING = 4 * 6 * (28 * 28 + 14 * 14)
"""Bytes that LeNet's first pooling reads and writes, which is its largest operation."""


def test_the_largest_operation(cases: Any) -> None:
    graph = modelfile.read(cases("lenet").file).main
    assert memory.largest_operation(graph) == LENET_POOLING


def test_a_file_that_just_fits_and_one_that_just_does_not(
    cases: Any, make_machine: Callable[..., Path], tmp_path: Path
) -> None:
    file: Path = cases("lenet").file
    needed = file.stat().st_size + LENET_POOLING + (300 - 100) * os.sysconf("SC_PAGE_SIZE")
    memory.require(file, make_machine(tmp_path, "0::/", {"memory.max": needed}))
    with pytest.raises(ModelFileError) as raised:
        memory.require(file, make_machine(tmp_path, "0::/", {"memory.max": needed - 1}))
    assert str(file) in str(raised.value)
    assert f"{needed / 1e6:,.0f} MB" in str(raised.value)
    assert "docker run -m" in str(raised.value)


def test_loading_asks_before_the_runtime_does(cases: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = shutil.copy(cases("lenet").file, tmp_path / "model.tflite")
    monkeypatch.setattr(memory, "limit", lambda _root: 1_000_000)
    with pytest.raises(ModelFileError, match="does not fit into the memory"):
        load(copy)


def test_the_largest_operation_holds_its_inputs_and_outputs_once_and_no_constants() -> None:
    tensors = [
        tensor("FLOAT32", (1, 10)), tensor("INT8", (2, 50)), tensor("FLOAT16", (3, 7)),
        tensor("FLOAT32", (1000,), constant=4000), tensor("STRING", (10_000,)),
    ]  # fmt: skip

    def largest(*ops: Op) -> int:
        return memory.largest_operation(graph(tensors, *ops))

    assert largest() == 0
    assert largest(op("ADD", (0, 0), (1,))) == 40 + 100
    assert largest(op("ADD", (0, 1), (2,))) == 40 + 100 + 42
    # Neither a left-out input, which is no last tensor, nor constants, nor a type without a size count.
    assert largest(op("CONV_2D", (1, 3, -1), (2,))) == 100 + 42
    assert largest(op("CAST", (4,), (0,))) == 40
    assert largest(op("ADD", (0,), (2,)), op("ADD", (0,), (1,)), op("ADD", (2,), (2,))) == 140


def test_what_a_file_needs_is_its_size_its_largest_graph_and_what_the_process_holds(
    make_machine: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = (graph([tensor("INT8", (1, n))], op("RELU", (0,), (0,))) for n in (5_000_000, 70_000_000))
    monkeypatch.setattr("zoo.runner.formats.read", lambda _: model(small, large, small, size=30_000_000))
    # The resident pages, of which some are shared.
    pages = (40, 25)
    statm = f"9000 {pages[0]} {pages[1]} 1 0 1 0"
    needed = 100_000_000 + 15 * os.sysconf("SC_PAGE_SIZE")
    memory.require(Path("m.tflite"), make_machine(tmp_path / "a", "0::/", {"memory.max": needed}, statm))
    said = (
        r"m\.tflite does not fit .* needs at least 100 MB, the limit is 100 MB; raise it \(docker run -m\), or export"
    )
    with pytest.raises(ModelFileError, match=said):
        memory.require(Path("m.tflite"), make_machine(tmp_path / "b", "0::/", {"memory.max": needed - 1}, statm))
    memory.require(Path("m.tflite"), make_machine(tmp_path / "c", "0::/", {"memory.max": "max"}, statm))


def test_a_process_that_is_not_told_its_memory_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.runner.formats.read", lambda _: model(size=1000))
    monkeypatch.setattr(memory, "limit", lambda _: 1000)
    memory.require(Path("m.tflite"), tmp_path)
    monkeypatch.setattr(memory, "limit", lambda _: 999)
    with pytest.raises(ModelFileError, match="does not fit"):
        memory.require(Path("m.tflite"), tmp_path)
