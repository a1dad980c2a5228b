"""How commands handle signals, also those that were ignored when they were started."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zoo.system.signals import listening, watch_children
from zoo.tflite.writing.metadata import without_files

MAIN = "from zoo.cli.main import main; main()"
TRAIN = Path(__file__).parents[1] / "training" / "programs" / "slow_training.py"
IN_BACKGROUND = f"""
import runpy, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
runpy.run_path({str(TRAIN)!r}, run_name="__main__")
"""
"""A training as a script's background begins it: the fork that it is has Python's own handler before."""


def ignoring(*numbers: int) -> Callable[[], None]:
    """Prepares a child as if it were started in the background of a script."""

    def prepare() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    return prepare


@contextlib.contextmanager
def started(
    *args: str | Path, program: tuple[str, ...] = (sys.executable, "-c", MAIN), ignored: tuple[int, ...] = ()
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*program, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=ignoring(*ignored),  # noqa: PLW1509  # it calls nothing but the system
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


@pytest.fixture
def restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("restored")
def test_a_block_listens_and_leaves_signals_as_they_were() -> None:
    def before(*_: object) -> None:
        pytest.fail("the handler before")

    heard: list[int] = []
    signal.signal(signal.SIGINT, before)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with listening(lambda number, _: heard.append(number)):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGINT, signal.SIGTERM]
    assert signal.getsignal(signal.SIGINT) is before
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.usefixtures("restored")
def test_signals_that_were_ignored_stay_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    heard: list[int] = []
    with listening(lambda number, _: heard.append(number)):
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_another_thread_changes_nothing() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[Any] = []

    def run() -> None:
        with listening(lambda *_: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["serve", "collect", "view"])
def test_a_server_in_the_background_of_a_script_ends_by_sigterm_alone(
    command: str, lenet_file: Path, tmp_path: Path
) -> None:
    arguments, said = {
        "serve": (("serve", lenet_file, "--port", "0"), "stopped\n"),
        "collect": (("serve", "--collect", tmp_path / "things", "--port", "0"), "stopped\nCheck them, and train: zoo "),
        "view": (("view", lenet_file, "--no-browser"), ""),
    }[command]
    with started(*arguments, ignored=(signal.SIGINT,)) as process:
        assert re.search(r"http://127\.0\.0\.1:\d+", first_line(process))
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out[: len(said)], err) == (0, said, "")


@pytest.mark.slow
def test_a_training_in_the_background_of_a_script_ends_by_sigterm_alone(
    digits_folder: Path, tmp_path: Path, warm: list[str]
) -> None:
    (tmp_path / "train.py").write_text(IN_BACKGROUND)
    options = json.dumps({"epochs": 300, "batch_size": 8})
    program = (*warm, str(tmp_path / "train.py"))
    with started(digits_folder, tmp_path / "run", "0.2", options, program=program) as process:
        first_line(process)
        process.send_signal(signal.SIGINT)
        # More steps are done, but the epoch is not finished when the second signal arrives.
        while not first_line(process).startswith("batch 2 3"):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 1  # a script without the command's handler
        assert "TrainingStopped: stopped in epoch " in err


@pytest.mark.slow
def test_a_command_learns_how_its_children_end_where_its_parent_does_not_care(
    lenet_file: Path, photos: tuple[Path, Path], tmp_path: Path
) -> None:
    """If SIGCHLD were ignored, a child that crashes would seem to end well, and its file would crash this process."""
    (tmp_path / "ai_edge_litert").mkdir()
    (tmp_path / "ai_edge_litert" / "__init__.py").touch()
    (tmp_path / "ai_edge_litert" / "interpreter.py").write_text(
        "import os\nclass Interpreter:\n    def __init__(self, **options):\n        os.abort()\n"
    )
    # Without its card it is a file that nobody here has made or tried.
    (tmp_path / "m.tflite").write_bytes(without_files(lenet_file.read_bytes()))
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {MAIN}"
    program = (sys.executable, "-c", code)
    with started("run", tmp_path / "m.tflite", photos[0], program=program, ignored=(signal.SIGCHLD,)) as process:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 1
        assert "m.tflite is damaged or hostile: litert crashes on it (SIGABRT)" in err
        assert err.count("\n") == 1


def test_a_program_that_was_started_without_knowing_of_its_children_learns_how_they_end() -> None:
    before = signal.getsignal(signal.SIGCHLD)
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        watch_children()
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
        heard = lambda *_: None  # noqa: E731
        signal.signal(signal.SIGCHLD, heard)
        watch_children()
        assert signal.getsignal(signal.SIGCHLD) is heard
    finally:
        signal.signal(signal.SIGCHLD, before)
