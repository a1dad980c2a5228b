"""The memory that a machine and its control groups allow."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.machine import memory

NO_LIMIT = 9223372036854771712
"""Writes the files of control groups of version 1."""

MakeMachine = Callable[..., Path]


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
        ("3:memory:/", {"memory/memory.limit_in_bytes": memory.NO_LIMIT}, None),
        ("3:memory:/", {"memory/memory.limit_in_bytes": 2**60 - 1}, 2**60 - 1),
        ("5:cpu,memory:/a:b", {"memory/a:b/memory.limit_in_bytes": 400}, 400),
        ("4:cpu:/x\n3:memory:/\n0::/", {"memory/memory.limit_in_bytes": 500, "memory.max": 100}, 100),
    ],
)
def test_limit(
    make_machine: MakeMachine, tmp_path: Path, cgroup: str, limits: dict[str, str | int], expected: int | None
) -> None:
    assert memory.limit(make_machine(tmp_path, cgroup, limits)) == expected


@pytest.mark.parametrize(
    ("cgroup", "limits", "expected"),
    [
        ("0::/app", {}, 4000 * 1024),
        (
            "0::/app",
            {"app/memory.max": 3_000_000, "app/memory.current": 2_500_000, "app/memory.stat": "inactive_file 700000"},
            1_200_000,
        ),
        # JetPack 4 has version 1.
        (
            "3:memory:/docker/ab",
            {"memory/docker/ab/memory.limit_in_bytes": 3_000_000, "memory/docker/ab/memory.usage_in_bytes": 2_000_000,
             "memory/docker/ab/memory.stat": "inactive_file 5\ntotal_inactive_file 9"},
            1_000_009,
        ),
        # A kernel that does not say what it can reclaim gives nothing back.
        ("0::/app", {"app/memory.max": 3_000_000, "app/memory.current": 2_500_000}, 500_000),
        ("3:memory:/", {"memory/memory.limit_in_bytes": NO_LIMIT, "memory/memory.usage_in_bytes": 9}, 4000 * 1024),
        ("0::/app", {"app/memory.max": 1_000_000, "app/memory.current": 2_000_000}, 0),
        ("0::/app", {"app/memory.max": "max", "app/memory.current": 2_000_000}, 4000 * 1024),
    ],
)  # fmt: skip
def test_available(
    make_machine: MakeMachine, tmp_path: Path, cgroup: str, limits: dict[str, str | int], expected: int
) -> None:
    root = make_machine(tmp_path, cgroup, limits)
    (root / "proc/meminfo").write_text("MemTotal:       9000 kB\nMemAvailable:   4000 kB\n")
    assert memory.available(root) == expected


def test_available_here() -> None:
    assert 0 < memory.available() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_no_limit_where_there_are_no_control_groups(tmp_path: Path) -> None:
    assert memory.limit(tmp_path) is None
