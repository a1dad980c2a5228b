"""Two processes, or threads, that write the same place."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.full import files_in, full_disk
from zoo.errors import OutputError
from zoo.system.locks import exclusive, in_turn

if TYPE_CHECKING:
    from tests.conftest import Cli

PROGRAM = Path(__file__).parents[1] / "programs" / "hold_a_lock.py"


@contextlib.contextmanager
def held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that writes the path."""
    process = subprocess.Popen([sys.executable, PROGRAM, path], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def test_a_place_that_another_process_writes_is_refused_and_names_the_process(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "cats"
    with held(run) as process:
        with pytest.raises(OutputError, match=f"cats is being written by process {process.pid}; wait until that ends"):
            exclusive(run).__enter__()
        with exclusive(tmp_path / "runs" / "dogs"):
            pass
    with exclusive(run):  # the process was killed, and its file is still there
        pass
    assert list((tmp_path / "runs").iterdir()) == []


def test_one_place_by_another_name_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to("out")
    with held(tmp_path / "out" / "lenet"):
        for name in (tmp_path / "link" / "lenet", tmp_path / "out" / "." / "lenet"):
            with pytest.raises(OutputError, match="is being written by"):
                exclusive(name).__enter__()
        monkeypatch.chdir(tmp_path / "out")
        with pytest.raises(OutputError, match="is being written by"):
            exclusive(Path("lenet")).__enter__()


def test_the_same_thread_may_enter_again_and_another_may_not(tmp_path: Path) -> None:
    refused = []

    def enter() -> None:
        try:
            with exclusive(tmp_path / "run"):
                pass
        except OutputError as error:
            refused.append(error)

    with exclusive(tmp_path / "run"):
        enter()
        assert not refused
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    assert len(refused) == 1
    assert f"process {os.getpid()}" in str(refused[0])


def test_an_error_in_the_block_ends_the_lock(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"), exclusive(tmp_path / "runs" / "new" / "run"):
        raise ValueError("x")
    assert list(tmp_path.iterdir()) == []
    with exclusive(tmp_path / "runs" / "new" / "run"):
        (tmp_path / "runs" / "file").touch()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["file"]


def test_a_full_disk_keeps_nothing_of_the_lock(tmp_path: Path) -> None:
    with full_disk(), pytest.raises(OutputError, match="cannot write .*run: File too large"):
        exclusive(tmp_path / "runs" / "new" / "run").__enter__()
    assert list(tmp_path.iterdir()) == []
    with exclusive(tmp_path / "run"):
        pass


def test_a_folder_in_the_way_keeps_nothing_of_the_lock(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        exclusive(tmp_path / "file" / "new" / "run").__enter__()
    assert files_in(tmp_path) == ["file"]


def test_threads_enter_in_turn_and_leave_no_file(tmp_path: Path) -> None:
    inside, most, entered = 0, 0, 0

    def enter() -> None:
        nonlocal inside, most, entered
        for _ in range(20):
            with in_turn(tmp_path / "lock", 60):
                inside += 1
                most = max(most, inside)
                os.sched_yield()
                inside -= 1
                entered += 1

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, entered) == (1, 80)
    assert list(tmp_path.iterdir()) == []


def test_who_waits_too_long_for_his_turn_is_refused(tmp_path: Path) -> None:
    with in_turn(tmp_path / "lock", 60):
        with pytest.raises(BlockingIOError):
            in_turn(tmp_path / "lock", 0).__enter__()
        assert files_in(tmp_path) == ["lock"]
    assert list(tmp_path.iterdir()) == []


def test_a_turn_that_cannot_be_locked_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="No locks available"):
        in_turn(tmp_path / "lock", 60).__enter__()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_locked_where_nothing_is_written(tmp_path: Path) -> None:
    with exclusive(tmp_path / "run", needed=False):
        assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_goes_by_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    lock = tmp_path / ".run.lock"
    lock.write_text(f"{os.getppid()} {socket.gethostname()}\n")
    with pytest.raises(OutputError, match=f"is being written by process {os.getppid()};"):
        exclusive(tmp_path / "run").__enter__()
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    for stale in (f"{done.pid} {socket.gethostname()}\n", "no number", ""):
        lock.write_text(stale)
        with exclusive(tmp_path / "run"):
            assert lock.read_text() == f"{os.getpid()} {socket.gethostname()}\n"
        assert not lock.exists()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".run.lock").symlink_to("precious")
    with pytest.raises(OutputError, match="cannot write"):
        exclusive(tmp_path / "run").__enter__()
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_run_that_another_process_goes_on_with_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.toml").write_text("")
    (tmp_path / "pictures").mkdir()
    with held(tmp_path / "run"):
        for result in (
            cli("train", "--resume", tmp_path / "run", "--strategy", "one"),
            cli("train", "lenet", tmp_path / "pictures", "--out", tmp_path / "run"),
        ):
            assert "run is being written by process" in result.error
    assert not (tmp_path / "nothing").exists()
    assert cli("train", "--resume", tmp_path / "nothing" / "run").code == 1
    assert not (tmp_path / "nothing").exists()


def test_a_build_into_files_that_another_command_writes_is_refused(cli: Cli, tmp_path: Path) -> None:
    with held(tmp_path / "lenet") as process:
        result = cli("build", "lenet", "--out", tmp_path, "--no-verify")
        assert result.code == 1
        assert f"is being written by process {process.pid}" in result.error
        assert not (tmp_path / "lenet.tflite").exists()


def test_the_lock_says_who_holds_it_and_for_others_to_read(tmp_path: Path) -> None:
    for old in ("", "123 a host with a long name that is no longer there\n"):
        lock = next(iter(_locks_of(tmp_path / "run", old)))
        with exclusive(tmp_path / "run"):
            assert lock.read_text() == f"{os.getpid()} {socket.gethostname()}\n"
            assert lock.stat().st_mode & 0o777 == 0o644
        assert not lock.exists()


def _locks_of(run: Path, text: str) -> list[Path]:
    """Returns the file of a place's lock, as a killed process leaves it; none is left if the text is empty."""
    with exclusive(run):
        found = [path for path in run.parent.iterdir() if path.is_file()]
    for path in found:
        if text:
            path.write_text(text)
    return found


@pytest.mark.parametrize("text", ["", "cats", "-1 here", "1234567890 here", "\u0664 here"])
def test_a_lock_that_names_no_process_is_anothers(tmp_path: Path, text: str) -> None:
    (lock,) = _locks_of(tmp_path / "run", "")
    lock.write_text(text)
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="run is being written by another process; wait"):
            exclusive(tmp_path / "run").__enter__()


@pytest.mark.parametrize(("host", "where"), [(socket.gethostname(), ""), ("elsewhere", " on elsewhere")])
def test_the_host_of_a_process_is_named_where_it_is_another(tmp_path: Path, host: str, where: str) -> None:
    (lock,) = _locks_of(tmp_path / "run", "")
    lock.write_text(f"123456789 {host}\n")
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match=f"run is being written by process 123456789{where}; wait"):
            exclusive(tmp_path / "run").__enter__()


def test_without_locks_a_process_of_another_host_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number says nothing here, and it may have ended long ago."""

    def flock(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "Not supported")

    monkeypatch.setattr(fcntl, "flock", flock)
    (tmp_path / ".run.lock").write_text(f"{os.getppid()} elsewhere\n")
    with exclusive(tmp_path / "run"):
        pass
