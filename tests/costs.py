"""Says how much of the processor each test takes, and which tests of a quick run belong among the slow ones."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

QUICK = "not slow"
"""What the marker expression of a quick run contains."""
LONG = 0.4
"""The seconds of processor time from which on a test is marked as slow: the others have to end within three minutes."""
SHOWN = 10
"""How many tests a quick run shows."""

PROPERTY = "processor"
"""The name of a report's property: the seconds of processor time of the test itself, without its fixtures."""
FIXTURES = "processor of fixtures"
"""The name of the property for what was made for the test, and perhaps for others after it."""

_beside: set[int] = set()
"""Processes beside this one that work for its tests; their time counts as long as they live."""


def count(pid: int) -> None:
    """Has the time of a child that lives longer than a test count as that of the tests, with its own children's."""
    _beside.add(pid)


def seconds_of(pid: int) -> float:
    """Returns the processor time of another process and its children that have ended; 0 if it has ended itself."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def processor_seconds() -> float:
    """Returns the processor time of this process and its children: those that have ended, and those of `count`."""
    return sum(os.times()[:4]) + sum(map(seconds_of, sorted(_beside)))


@contextlib.contextmanager
def _noted(item: pytest.Item, name: str) -> Iterator[None]:
    modules, before = "tensorflow" in sys.modules, processor_seconds()
    try:
        yield
    finally:
        if modules == ("tensorflow" in sys.modules):
            item.user_properties.append((name, round(processor_seconds() - before, 2)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Notes the processor time of a test's fixtures, as `pytest_runtest_call` that of the test."""
    with _noted(item, FIXTURES):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Notes the processor time of a test; none if it was the first to import TensorFlow, which some test has to be."""
    with _noted(item, PROPERTY):
        return (yield)


def longest(reports: list[pytest.TestReport], kind: str = PROPERTY) -> dict[str, float]:
    """Returns the processor seconds of the tests, or of their fixtures, the longest first."""
    seconds = {
        report.nodeid.removeprefix("tests/"): float(value)
        for report in reports
        if report.when == "call"
        for name, value in report.user_properties
        if name == kind and isinstance(value, (int, float))
    }
    return dict(sorted(seconds.items(), key=lambda one: -one[1]))


def show(terminal: Any, markers: str) -> None:
    """Shows after a run without the slow tests which of the others took the most of the processor."""
    if QUICK not in markers:
        return
    reports = itertools.chain.from_iterable(terminal.stats.values())
    tests = [one for one in reports if isinstance(one, pytest.TestReport)]
    seconds, fixtures = longest(tests), sum(longest(tests, FIXTURES).values())
    every = f"{sum(seconds.values()):.0f} s in all and {fixtures:.0f} s of fixtures"
    terminal.section(f"processor time of the longest quick tests, of {every}")
    for name, taken in itertools.islice(seconds.items(), SHOWN):
        terminal.write_line(f"{taken:7.1f} s  {name}{'  (to be marked as slow)' if taken > LONG else ''}")
