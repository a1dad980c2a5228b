"""Output of native libraries is captured, also if no file can be written."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from zoo.system.quiet import quiet


def chatter() -> None:
    os.write(1, b"chatter\n")
    os.write(2, b"chatter\n")


def test_swallows_and_restores(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet():
        chatter()
    os.write(1, b"said\n")
    assert capfd.readouterr() == ("said\n", "")


def test_what_was_captured_can_be_read_and_more_is_still_captured(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet() as captured:
        assert captured() == ""
        chatter()
        assert captured() == "chatter\nchatter\n"
        os.write(1, b"x" * 9000)
        assert captured() == "x" * 4000
    assert capfd.readouterr() == ("", "")


def fail_where_temporary_files_go_to(folder: Path) -> None:
    # This is undone at once, because pytest's own capturing needs the folder.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        with quiet():
            chatter()
            raise RuntimeError


@pytest.mark.skipif(sys.platform != "linux", reason="memfd is Linux's")
def test_works_where_nothing_can_be_written(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """In a container with --read-only no file can be written."""
    with pytest.raises(RuntimeError) as raised:
        fail_where_temporary_files_go_to(tmp_path / "missing")
    assert capfd.readouterr() == ("", "")
    if sys.version_info >= (3, 11):
        assert raised.value.__notes__ == ["chatter\nchatter\n"]
