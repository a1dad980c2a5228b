"""The memory that a container allows, and files that are refused because of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import ModelFileError
from zoo.runner.loading import memory
from zoo.runner.loading.session import load
from zoo.tflite import modelfile

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
