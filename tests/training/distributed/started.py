"""Starts the processes of a training: workers on loopback, or one with several of TensorFlow's logical devices."""

from __future__ import annotations

import json
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
PROGRAMS = Path(__file__).with_name("programs")
COMMAND: list[str] = []
"""The beginning of a worker's command, see `warm`."""


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it said."""

    code: int
    said: dict[str, Any]


def begin(kind: str, target: Any, *, devices: int = 1, at: Any = None, **options: Any) -> subprocess.Popen[str]:
    """Starts a training: of lenet (`train`), of another model (`model`), or one that goes on (`resume`).

    `at` is an epoch, a batch of it, and the signal that the process sends to itself after that.
    """
    return subprocess.Popen(
        [*COMMAND, str(PROGRAMS / "worker.py"), json.dumps([kind, target, devices, at, options])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str], limit: float = 240) -> Ended:
    """Waits for a process; one that hangs is killed, and a failure."""
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail("the process hangs")
    lines = [line for line in out.splitlines() if line.startswith("{")]
    assert lines or process.returncode < 0, err[-3000:]
    return Ended(process.returncode, json.loads(lines[-1]) if lines else {})


def addresses(count: int = 2) -> list[str]:
    """Free ports of this machine."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    found = [f"localhost:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    return found


def begin_workers(kind: str, targets: Any, out: Path | None, at: dict[int, Any], **options: Any) -> list[Any]:
    """Starts two workers, with their own targets and signals; each could write its own folder."""
    workers = addresses()
    return [
        begin(
            kind,
            targets[index],
            at=at.get(index),
            workers=workers,
            index=index,
            **(options | ({"out": str(out / str(index)), "strategy": "multiworker"} if out else {})),
        )
        for index in range(2)
    ]


def rows(history: list[dict[str, Any]]) -> Any:
    return np.array([[row[key] for key in ("loss", "accuracy", "val_loss", "val_accuracy")] for row in history])
