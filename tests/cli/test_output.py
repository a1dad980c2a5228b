from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from zoo.cli.output import MOST_IN_CELL, MOST_ROWS, milliseconds, print_table, significant

SWALLOWED = """
import sys
from zoo.cli.output import status
from zoo.system.quiet import quiet
with {call} as progress:
    with quiet():
        print("chatter", file=sys.stderr)
        print("chatter", flush=True)
        {steps}
    print("said", file=sys.stderr)
"""


BAR = "━".encode()


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
    ("call", "steps", "expected"),
    [
        ("status('at [work]')", "progress.step('still [at] it')", [b"still [at] it"]),
        ("status('pictures')", "progress.step('pictures', 1, 7)", [b"1/7", b"pictures", BAR]),
        ("status('loading', steady=True)", "progress.step('runs', 40, 80)", [b"runs", b"40/80", BAR]),
        ("status('x')", "progress.step('weights', 1_500_000, 3_000_000, 'bytes')", [b"1.50 of 3.00 MB", BAR]),
        ("status('x')", "progress.step('weights', 1_500_000, 0, 'bytes')", [b"weights", b"1.50 MB"]),
    ],
)
def test_a_line_that_changes_lets_nothing_out_that_is_swallowed(call: str, steps: str, expected: list[bytes]) -> None:
    """On a real terminal: only there is one."""
    shown = on_a_terminal(SWALLOWED.format(call=call, steps=steps))
    for text in [*expected, b"said"]:
        assert text in shown
    assert b"chatter" not in shown
    # A step without a known number of parts has no bar.
    assert (BAR in shown) == (BAR in expected)


def test_a_steady_line_is_drawn_only_by_steps_and_at_most_twenty_times_in_each() -> None:
    steps = "[progress.step('runs', done, 1000) for done in range(1000)]"
    shown = on_a_terminal(SWALLOWED.format(call="status('loading', steady=True)", steps=steps))
    drawn = {int(found) for found in re.findall(rb"(\d+)/1000", shown)}
    assert drawn == set(range(0, 1000, 50))


RUN = """
import sys
from zoo.cli.main import main
sys.argv = ["zoo", "run", {file!r}, {photo!r}]
main()
"""


@pytest.mark.slow
def test_pictures_are_counted_where_the_results_go_elsewhere(lenet_file: Path, photos: tuple[Path, Path]) -> None:
    code = RUN.format(file=str(lenet_file), photo=str(photos[0]))
    # What was counted is still there at the end: the last line that is drawn is not erased.
    last = on_a_terminal(code, out=subprocess.DEVNULL).split(b"\x1b[2K")[-1]
    assert re.search(rb"pictures +1\b", last), last
    assert b"pictures" not in on_a_terminal(code)


def test_nothing_is_drawn_where_no_terminal_is(capfd: pytest.CaptureFixture[str]) -> None:
    for call, steps in [
        ("status('x')", "progress.step('y')"),
        ("status('x', steady=True)", "progress.step('y', 1, 2)"),
    ]:
        code = SWALLOWED.format(call=call, steps=steps) + "\nassert 'rich' not in sys.modules"
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


@pytest.mark.slow
def test_a_table_is_bounded_in_rows_and_in_the_width_of_a_cell(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "count"), [("n" * 60_000, "1"), *[("short", "2")] * MOST_ROWS])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "... and 1 row more, which --json has"
    assert "(60,000 characters)" in lines[2]
    assert max(map(len, lines)) < MOST_IN_CELL + 100


FILES = [
    ("lenet.tflite", "none", "0.25 MB", "88.0%", "70.0% to 95.8%", "100%", "0.12 ms", "litert 2.3.0"),
    ("lenet_dynamic_quantized.tflite", "int8", "0.07 MB", "88.0%", "70.0% to 95.8%", "98%", "0.09 ms", "litert 2.3.0"),
]
COLUMNS = ("file", "mode", "size", "accuracy", "95% interval", "as Keras", "latency", "run by")


@pytest.mark.parametrize("width", [94, 100, 120])
def test_a_table_folds_between_words_where_these_fit(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table(COLUMNS, FILES, left=("mode",))
    out = click.unstyle(capsys.readouterr().out)
    assert set(" ".join((*COLUMNS, *FILES[0], *FILES[1])).split()) <= set(out.split())
    assert max(map(len, out.splitlines())) <= width


def test_a_table_wider_than_the_terminal_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table(("file", "size"), [("n" * 60, "1")])
    out = click.unstyle(capsys.readouterr().out)
    assert out.count("n") == 60
    assert max(map(len, out.splitlines())) <= 40


@pytest.mark.parametrize(
    "words", ["export none.keras", "diagnose none.keras .", "prune none.keras --keep 0.5", "info none.keras"]
)
def test_a_model_that_is_not_there_is_refused_before_tensorflow_is_imported(words: str, tmp_path: Path) -> None:
    program = (
        "import sys; from zoo.cli.main import main\ntry: main(sys.argv[1:])\nexcept SystemExit as ended:\n"
        "    sys.exit(99 if 'tensorflow' in sys.modules else ended.code)"
    )
    command = [sys.executable, "-c", program, *words.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "zoo: error: no model file none.keras\n")
