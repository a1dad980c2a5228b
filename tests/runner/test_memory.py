"""What a container allows, and what is refused for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import ModelFileError
from zoo.runner import memory
from zoo.runner.session import load
from zoo.tflite import modelfile

NO_LIMIT = 9223372036854771712
"""As control groups of version 1 write it."""


LENET_POOLING = 4 * 6 * (28 * 28 + 14 * 14)
"""Bytes that LeNet's first pooling reads and writes: its largest operation."""


def machine(root: Path, cgroup: str, limits: dict[str, str | int], statm: str = "1000 300 100 1 0 1 0") -> Path:
    """A root folder with a process's control groups, their limits, and its memory in pages."""
    for name, text in {"proc/self/cgroup": cgroup, "proc/self/statm": statm}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    for name, value in limits.items():
        (root / "sys/fs/cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "sys/fs/cgroup" / name).write_text(f"{value}\n")
    return root


@pytest.mark.parametrize(
    ("cgroup", "limits", "expected"),
    [
        ("0::/", {"memory.max": 1000}, 1000),
        ("0::/", {"memory.max": "max"}, None),
        ("0::/", {}, None),
        ("0::/user.slice/app", {"user.slice/app/memory.max": "max", "user.slice/memory.max": 700}, 700),
        ("0::/a/b", {"a/b/memory.max": 300, "a/memory.max": 500}, 300),
        ("0::/../host/path", {"memory.max": 900}, 900),
        ("3:memory:/docker/1f", {"memory/memory.limit_in_bytes": 800}, 800),
        ("3:memory:/docker/1f", {"memory/docker/1f/memory.limit_in_bytes": 600}, 600),
        ("3:memory:/", {"memory/memory.limit_in_bytes": NO_LIMIT}, None),
        ("5:cpu,memory:/a:b", {"memory/a:b/memory.limit_in_bytes": 400}, 400),
        ("4:cpu:/x\n3:memory:/\n0::/", {"memory/memory.limit_in_bytes": 500, "memory.max": 100}, 100),
    ],
)
def test_limit(tmp_path: Path, cgroup: str, limits: dict[str, str | int], expected: int | None) -> None:
    assert memory.limit(machine(tmp_path, cgroup, limits)) == expected


@pytest.mark.parametrize(
    ("cgroup", "limits", "expected"),
    [
        ("0::/app", {}, 4000 * 1024),
        (
            "0::/app",
            {"app/memory.max": 3_000_000, "app/memory.current": 2_500_000, "app/memory.stat": "inactive_file 700000"},
            1_200_000,
        ),
        # JetPack 4: version 1.
        (
            "3:memory:/docker/ab",
            {"memory/docker/ab/memory.limit_in_bytes": 3_000_000, "memory/docker/ab/memory.usage_in_bytes": 2_000_000,
             "memory/docker/ab/memory.stat": "inactive_file 5\ntotal_inactive_file 9"},
            1_000_009,
        ),
        ("0::/app", {"app/memory.max": 1_000_000, "app/memory.current": 2_000_000}, 0),
        ("0::/app", {"app/memory.max": "max", "app/memory.current": 2_000_000}, 4000 * 1024),
    ],
)  # fmt: skip
def test_available(tmp_path: Path, cgroup: str, limits: dict[str, str | int], expected: int) -> None:
    root = machine(tmp_path, cgroup, limits)
    (root / "proc/meminfo").write_text("MemTotal:       9000 kB\nMemAvailable:   4000 kB\n")
    assert memory.available(root) == expected


def test_available_here() -> None:
    assert 0 < memory.available() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_no_limit_where_there_are_no_control_groups(tmp_path: Path) -> None:
    assert memory.limit(tmp_path) is None


def test_the_largest_operation(cases: Any) -> None:
    graph = modelfile.read(cases("lenet").file).main
    assert memory.largest_operation(graph) == LENET_POOLING


def test_a_file_that_just_fits_and_one_that_just_does_not(cases: Any, tmp_path: Path) -> None:
    file: Path = cases("lenet").file
    needed = file.stat().st_size + LENET_POOLING + (300 - 100) * os.sysconf("SC_PAGE_SIZE")
    memory.require(file, machine(tmp_path, "0::/", {"memory.max": needed}))
    with pytest.raises(ModelFileError) as raised:
        memory.require(file, machine(tmp_path, "0::/", {"memory.max": needed - 1}))
    assert str(file) in str(raised.value)
    assert f"{needed / 1e6:,.0f} MB" in str(raised.value)
    assert "docker run -m" in str(raised.value)


def test_loading_asks_before_the_runtime_does(cases: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = shutil.copy(cases("lenet").file, tmp_path / "model.tflite")
    monkeypatch.setattr(memory, "limit", lambda _root: 1_000_000)
    with pytest.raises(ModelFileError, match="does not fit into the memory"):
        load(copy)
