from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest

from tests import costs, warming

SAY = "import os, sys; print('tensorflow' in sys.modules, os.getcwd(), *sys.argv[1:]); sys.exit(3)"
WORK = "sum(range(10**7))"
"""What takes a process some hundredths of a second."""


def ran(words: list[str], folder: Path, code: str, *arguments: str) -> tuple[int, str]:
    """How a program ends as a command behind these words, and what it prints."""
    (folder / "program.py").write_text(code)
    command = [*words, str(folder / "program.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_a_command_has_all_imported_and_its_own_words_folder_and_end(warm: list[str], tmp_path: Path) -> None:
    assert ran(warm, tmp_path, SAY, "a", "b c") == (3, f"True {tmp_path} a b c\n")


def test_the_time_of_a_command_counts(warm: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = sum(costs.seconds_of(one) for one in costs._beside)
    assert beside > 0
    ran(warm, tmp_path, WORK)
    ran(warm, tmp_path, "")  # by which the first has been waited for
    assert sum(costs.seconds_of(one) for one in costs._beside) > beside


@pytest.mark.slow
def test_processes_share_what_one_imported_and_go_on_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "_beside", set())
    for name in ("shared", "a", "b"):
        (tmp_path / name).mkdir()
    with contextlib.ExitStack() as second:
        with warming.begun(tmp_path / "shared", tmp_path / "a") as words:
            listening = (tmp_path / "shared" / "warm").stat()
            others = second.enter_context(warming.begun(tmp_path / "shared", tmp_path / "b"))
            assert (tmp_path / "shared" / "warm").stat() == listening
            assert words != others
            assert len(costs._beside) == 2
            for one in (words, others):
                assert ran(one, tmp_path, SAY) == (3, f"True {tmp_path}\n")
        assert ran(others, tmp_path, SAY) == (3, f"True {tmp_path}\n")
