"""Pages whose code is typed as a reader would: files from the page, then its commands, or its programs as cells."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.docs.reading import Block, blocks

ZOO = str(Path(sys.executable).with_name("zoo"))


def type_all(page: str, folder: Path) -> Iterator[tuple[Block, str]]:
    """Types a page into a terminal in `folder`: writes its files, runs its commands and programs, each to its end.

    Yields:
        Each block that runs, with what it printed.
    """
    for block in blocks(page):
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            yield block, run([sys.executable, "-c", block.text], folder)
        elif block.language == "sh":
            yield block, "".join(run_lines(block, folder))


def run_lines(block: Block, folder: Path) -> list[str]:
    """Runs the commands of a block of `sh`, one a line; returns what each printed."""
    return [run(_command(line), folder) for line in block.text.splitlines()]


def run(command: list[str], folder: Path) -> str:
    """Runs a command, which has to succeed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def _command(line: str) -> list[str]:
    program, *arguments = shlex.split(line)
    return [{"python": sys.executable, "zoo": ZOO}[program], *arguments]


def run_cells(page: str, folder: Path) -> list[tuple[str, str]]:
    """Runs the programs of a page as the cells of one notebook.

    Returns:
        For each cell what the page says that it prints, in the block of `text` behind it, and what it printed.
    """
    found = blocks(page)
    cells = [
        (block.text, after.text if after is not None and after.language == "text" else "")
        for block, after in zip(found, [*found[1:], None], strict=True)
        if block.language == "python"
    ]
    mark = "=== end of a cell ==="
    program = "".join(f"{cell}\nprint({mark!r})\n" for cell, _ in cells)
    printed = run([sys.executable, "-c", program], folder).split(f"{mark}\n")[:-1]
    return [(said, out) for (_, said), out in zip(cells, printed, strict=True)]
