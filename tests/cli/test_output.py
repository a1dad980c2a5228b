from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

CODE = """
import sys
from zoo.cli.output import status
from zoo.quiet import quiet
with status("at work"):
    with quiet():
        print("chatter", file=sys.stderr)
        print("chatter", flush=True)
    print("said", file=sys.stderr)
"""


def test_a_spinner_lets_nothing_out_that_is_swallowed() -> None:
    """On a real terminal: only there is a spinner."""
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", CODE], stdout=theirs, stderr=theirs, check=True, cwd=Path(__file__).parents[2]
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            block = os.read(ours, 4096)
        except OSError:  # what Linux says at the end of a terminal
            break
        shown += block
        if not block:
            break
    os.close(ours)
    assert b"at work" in shown
    assert b"said" in shown
    assert b"chatter" not in shown
