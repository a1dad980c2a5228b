from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import conftest, costs, order

WORK = "sum(range(10**7))"
"""What takes a process some hundredths of a second."""


def report(name: str, seconds: object, when: str = "call") -> Any:
    """The report of a test of `tests/a.py`."""
    return SimpleNamespace(nodeid=f"tests/a.py::{name}", when=when, user_properties=[(costs.PROPERTY, seconds)])


def test_the_time_of_children_that_have_ended_counts() -> None:
    before = costs.processor_seconds()
    subprocess.run([sys.executable, "-c", WORK], check=True)
    assert costs.processor_seconds() > before


def test_the_time_of_a_child_that_lives_on_counts_if_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "_beside", set())
    code = f"{WORK}; print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        spent = sum(map(int, Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
        alone = sum(os.times()[:4])
        costs.count(child.pid)
        assert costs.processor_seconds() >= alone + spent / os.sysconf("SC_CLK_TCK")
        child.communicate(b"\n")
    assert costs.processor_seconds() > 0  # though it is gone


HOOKS = {costs.PROPERTY: costs.pytest_runtest_call, costs.FIXTURES: costs.pytest_runtest_setup}
"""The hooks that note the time of a test and of its fixtures."""


def called(kind: str, before: list[str], after: list[str], monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object]]:
    """What is noted of a test, or its fixtures, before and after which these modules are there."""
    item: Any = SimpleNamespace(user_properties=[])
    monkeypatch.setattr(costs, "sys", SimpleNamespace(modules=before))
    hook: Iterator[None] = HOOKS[kind](item)
    next(hook)
    monkeypatch.setattr(costs, "sys", SimpleNamespace(modules=after))
    with pytest.raises(StopIteration):
        next(hook)
    return list(item.user_properties)


@pytest.mark.parametrize("kind", HOOKS)
@pytest.mark.parametrize("modules", [[], ["tensorflow"]])
def test_a_test_and_its_fixtures_are_measured(kind: str, modules: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    ((name, seconds),) = called(kind, modules, modules, monkeypatch)
    assert name == kind
    assert isinstance(seconds, float)


@pytest.mark.parametrize("kind", HOOKS)
def test_the_test_that_imports_tensorflow_for_all_is_not(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert called(kind, [], ["tensorflow"], monkeypatch) == []


def test_this_run_measures_its_tests(request: pytest.FixtureRequest) -> None:
    for hook in HOOKS.values():
        assert getattr(conftest, hook.__name__) is hook
        assert hook in [one.function for one in getattr(request.config.hook, hook.__name__).get_hookimpls()]


def test_only_the_test_itself_counts() -> None:
    found = costs.longest([report("b", 1.5), report("c", 9, "setup"), report("d", 2), report("e", None)])
    assert found == {"a.py::d": 2, "a.py::b": 1.5}


class Terminal:
    """The end of a run, which keeps what is written."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.lines: list[str] = []
        reports = [
            pytest.TestReport(
                f"tests/a.py::{name}",
                ("", 0, ""),
                {},
                "passed",
                None,
                "call",
                user_properties=[(costs.FIXTURES, 1.5), (costs.PROPERTY, taken)],
            )
            for name, taken in seconds.items()
        ]
        self.stats = {"": reports[:1], "passed": reports[1:], "warnings": [object()]}

    def section(self, title: str) -> None:
        self.lines.append(title)

    def write_line(self, line: str) -> None:
        self.lines.append(line)


def test_a_quick_run_ends_with_its_longest_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "SHOWN", 2)
    terminal = Terminal({"short": 0.2, "long": costs.LONG + 2, "fair": costs.LONG})
    config: Any = SimpleNamespace(option=SimpleNamespace(durations=None, markexpr="not slow and not long"))
    order.pytest_terminal_summary(terminal, config)
    assert terminal.lines == [
        "processor time of the longest quick tests, of 3 s in all and 4 s of fixtures",
        "    2.4 s  a.py::long  (to be marked as slow)",
        "    0.4 s  a.py::fair",
    ]


@pytest.mark.parametrize("markers", ["", "not long", "long"])
def test_another_run_does_not(markers: str) -> None:
    terminal = Terminal({"long": 3.0})
    costs.show(terminal, markers)
    assert terminal.lines == []
