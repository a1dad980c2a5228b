from __future__ import annotations

import os
from pathlib import Path

import pytest

from zoo.machine.cores import physical_cores, usable_cores


def test_two_hardware_threads_are_one_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 5})
    for cpu, siblings in enumerate(["0-1", "0-1", "2-3", "2-3", "4-5", "4-5"]):
        folder = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    assert usable_cores() == 5
    assert physical_cores(tmp_path) == 3
    assert physical_cores(tmp_path / "nothing") == 5
