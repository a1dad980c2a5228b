"""The rounds and ratios of benchmarks."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.cells import ratio_text
from bench.processes import Worker, command_seconds, peak_of_family, peak_resident
from bench.turns import compare, in_turn, spread, timed, versus


def test_each_is_first_in_every_other_round_and_the_first_round_does_not_count() -> None:
    order: list[str] = []

    def work(name: str) -> float:
        order.append(name)
        return float(len(order))

    found = in_turn({"a": lambda: work("a"), "b": lambda: work("b")}, 2)
    assert "".join(order) == "baabba"
    assert found == {"a": [3, 6], "b": [4, 5]}


def test_a_ratio_is_of_rounds_and_above_one_where_ours_is_better() -> None:
    # The ratio of the medians would be 2, because the second round was slow for both.
    found = versus([3.0, 40.0, 4.0], [1.0, 20.0, 2.0], "ms", 1e3)
    assert (found["plain"], found["ours"], found["rounds"]) == (4000, 2000, 3)
    assert found["ratio"] == 2
    assert found["p90"] == pytest.approx(2.8)
    plain, ours = (iter([0.0, *values]) for values in ([3.0, 40.0, 4.0], [1.0, 20.0, 2.0]))
    assert compare(lambda: next(plain), lambda: next(ours), 3, "ms", 1e3) == found
    assert ratio_text(found) == "2.00x (2.00 to 2.80)"


def test_a_spread_is_scaled() -> None:
    assert spread([0.001, 0.002, 0.003], 1e3) == pytest.approx({"median": 2, "p10": 1.2, "p90": 2.8})


def test_work_is_timed() -> None:
    assert 0.02 <= timed(lambda: time.sleep(0.02))() < 2


def test_a_command_that_fails_is_no_time() -> None:
    assert command_seconds([sys.executable, "-c", ""])() > 0
    with pytest.raises(subprocess.CalledProcessError):
        command_seconds([sys.executable, "-c", "raise SystemExit(3)"])()


def test_the_peak_is_the_commands_own() -> None:
    ballast = bytearray(200_000_000)  # this memory would count for a child that was forked from here
    ballast[::4096] = b"x" * len(ballast[::4096])
    small = peak_resident([sys.executable, "-I", "-S", "-c", ""])
    large = peak_resident([sys.executable, "-I", "-S", "-c", "x = bytearray(80_000_000); x[::4096] = b'x' * 19532"])
    assert small < 60e6
    assert large - small == pytest.approx(80e6, rel=0.1)
    with pytest.raises(subprocess.CalledProcessError):
        peak_resident([sys.executable, "-c", "raise SystemExit(3)"])


def test_the_peak_of_a_family_counts_children() -> None:
    child = "import time; x = b'x' * 90_000_000; time.sleep(0.7)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {child!r}])"
    assert peak_of_family(subprocess.Popen([sys.executable, "-S", "-c", parent])) > 90e6


def test_a_worker_that_ends_is_an_error() -> None:
    gone = pytest.raises((subprocess.CalledProcessError, BrokenPipeError))
    with Worker(sys.executable, "ours", Path("no-such-file"), Path()) as worker, gone:
        worker.ask("one")
