from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.cli.output import MOST_IN_CELL, MOST_ROWS, milliseconds, print_table, significant

SWALLOWED = """
import sys
from zoo.cli.output import {line}
from zoo.quiet import quiet
with {call} as update:
    with quiet():
        print("chatter", file=sys.stderr)
        print("chatter", flush=True)
        update({change})
    print("said", file=sys.stderr)
"""


def on_a_terminal(code: str, *, out: int | None = None) -> bytes:
    """Runs a program on a terminal and returns its output; standard output can be redirected."""
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", code],
        stdout=theirs if out is None else out,
        stderr=theirs,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            block = os.read(ours, 4096)
        except OSError:  # the error of Linux at the end of a terminal
            break
        shown += block
        if not block:
            break
    os.close(ours)
    return shown


@pytest.mark.parametrize(
    ("line", "call", "change", "expected"),
    [
        ("status", "status('at [work]')", "'still [at] it'", [b"still [at] it"]),
        ("progress_bar", "progress_bar('pictures', 7)", "", [b"1/7", b"pictures"]),
        ("step_bar", "step_bar()", "'runs', 40, 80", [b"runs", b"40/80"]),
    ],
)
def test_a_line_that_changes_lets_nothing_out_that_is_swallowed(
    line: str, call: str, change: str, expected: list[bytes]
) -> None:
    """The progress is shown only on a real terminal."""
    shown = on_a_terminal(SWALLOWED.format(line=line, call=call, change=change))
    for text in [*expected, b"said"]:
        assert text in shown
    assert b"chatter" not in shown


def test_pictures_are_counted_where_the_results_go_elsewhere() -> None:
    code = SWALLOWED.format(line="counter", call="counter()", change="")
    assert b"1 pictures" in on_a_terminal(code, out=subprocess.DEVNULL)
    assert b"1 pictures" not in on_a_terminal(code)


def test_nothing_is_drawn_where_no_terminal_is(capfd: pytest.CaptureFixture[str]) -> None:
    for line, call, change in [("status", "status('x')", "'y'"), ("step_bar", "step_bar()", "'runs', 1, 2")]:
        code = SWALLOWED.format(line=line, call=call, change=change) + "\nassert 'rich' not in sys.modules"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    assert capfd.readouterr() == ("", "said\nsaid\n")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.00"),
        (0.012345, "0.0123"),
        (1.0, "1.00"),
        (9.999, "10.0"),
        (12.345, "12.3"),
        (123.4, "123"),
        (45678.9, "45,679"),
    ],
)
def test_three_digits(value: float, text: str) -> None:
    assert significant(value) == text
    assert milliseconds(value) == f"{text} ms"


def test_a_table_is_bounded_in_rows_and_in_the_width_of_a_cell(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "count"), [("n" * 60_000, "1"), *[("short", "2")] * MOST_ROWS])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "... and 1 rows more, which --json has"
    assert "(60,000 characters)" in lines[2]
    assert max(map(len, lines)) < MOST_IN_CELL + 100
