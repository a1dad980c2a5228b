from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests import conftest
from tests.order import (
    LONGEST,
    ROOT,
    TOGETHER,
    pytest_collection_modifyitems,
    pytest_terminal_summary,
    pytest_xdist_make_scheduler,
)


def test_the_listed_files_are_there() -> None:
    assert [name for name in LONGEST if not (ROOT / "tests" / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)
    together = [name for names in TOGETHER for name in names]
    assert [name for name in together if not (ROOT / "tests" / name).is_file()] == []
    assert len(set(together)) == len(together)
    assert {names[0] for names in TOGETHER} <= {*LONGEST}


def test_the_longest_file_comes_first_and_those_that_are_not_listed_stay_as_they_were() -> None:
    assert conftest.pytest_collection_modifyitems is pytest_collection_modifyitems
    names = ["test_text.py", LONGEST[-1], "test_specs.py", LONGEST[0]]
    items: list[Any] = [SimpleNamespace(path=ROOT / "tests" / name) for name in names]
    pytest_collection_modifyitems(items)
    assert [item.path.relative_to(ROOT / "tests").as_posix() for item in items] == [names[i] for i in (3, 1, 0, 2)]


def test_files_that_share_what_they_build_follow_each_other() -> None:
    names = ["/elsewhere/probe.py", "test_text.py", TOGETHER[0][1], LONGEST[-1], TOGETHER[0][0]]
    items: list[Any] = [SimpleNamespace(path=ROOT / "tests" / name) for name in names]
    pytest_collection_modifyitems(items)
    assert [item.path for item in items] == [ROOT / "tests" / names[i] for i in (2, 4, 3, 0, 1)]


def test_a_process_has_files_as_a_whole_and_those_that_share_together() -> None:
    assert conftest.pytest_xdist_make_scheduler is pytest_xdist_make_scheduler
    config: Any = SimpleNamespace(getvalue=lambda _: ["2*popen"])
    split = pytest_xdist_make_scheduler(config, None)._split_scope
    assert {split(f"tests/{name}::test_a[b::c]") for name in TOGETHER[1]} == {TOGETHER[1][0]}
    assert split("tests/test_text.py::A::test_b") == split("tests/test_text.py::test_c") == "test_text.py"


class Terminal:
    """The end of a run, which keeps what is written."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        took = (
            ("tests/new.py::a", "setup", 21.5),
            (f"tests/{LONGEST[0]}::b", "call", 2.0),
            ("tests/new.py::c", "call", 2),
            ("tests/short.py::d", "call", 1),
        )
        reports = [
            pytest.TestReport(name, ("", 0, ""), {}, "passed", None, when, duration=duration)  # type: ignore[arg-type]
            for name, when, duration in took
        ]
        self.stats = {"": reports[:1], "passed": reports[1:], "warnings": [object()]}

    def section(self, title: str) -> None:
        self.lines.append(title)

    def write_line(self, line: str) -> None:
        self.lines.append(line)


def test_the_longest_files_are_shown_after_a_run_that_shows_durations() -> None:
    assert conftest.pytest_terminal_summary is pytest_terminal_summary
    terminal, config = Terminal(), SimpleNamespace(option=SimpleNamespace(durations=None, markexpr=""))
    pytest_terminal_summary(terminal, config)  # type: ignore[arg-type]
    assert terminal.lines == []
    config.option.durations = 10
    pytest_terminal_summary(terminal, config)  # type: ignore[arg-type]
    assert terminal.lines == [
        "longest files",
        "   23.5 s  new.py  (not in tests/order.py)",
        f"    2.0 s  {LONGEST[0]}",
        "    1.0 s  short.py",
    ]
