"""What the documentation's pages hold: blocks of code, the commands in them, and words set as code."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = {str(path.relative_to(ROOT)): path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}
"""Every page that is read by users, by its name from the root."""

INDENTED = "indented"
"""The language of a block that has no fence."""


@dataclass(frozen=True)
class Block:
    """A block of code."""

    page: str
    line: int
    """Number of its first line, from 1."""
    language: str
    text: str
    file: str | None
    """The file that this block is, where a name stands behind the language: ` ```python NAME.py `."""

    @property
    def place(self) -> str:
        """As editors and terminals link it."""
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """What a shell block says, one command each, however many lines it takes."""
        found, lines = [], ""
        for line in self.text.splitlines():
            lines += line
            if not _complete(lines):
                lines += "\n"
                continue
            if lines.strip() and not lines.lstrip().startswith("#"):
                found.append(lines.strip())
            lines = ""
        assert not lines.strip(), f"{self.place}: not a whole command: {lines!r}"
        return found


def _complete(text: str) -> bool:
    """Whether bash would run it now and not wait for another line: open quotes, loops, `<<`, a backslash at the end."""
    done = subprocess.run(["bash", "-n"], input=text + "\n", capture_output=True, text=True, check=False)
    return not text.endswith("\\") and done.returncode == 0 and not done.stderr


def blocks(page: str, text: str | None = None) -> list[Block]:
    """The blocks of a page, in order; of this text instead where it is given."""
    text = PAGES[page].read_text(encoding="utf-8") if text is None else text
    return [
        Block(
            page,
            token.map[0] + (2 if token.type == "fence" else 1),
            token.info.partition(" ")[0] if token.type == "fence" else INDENTED,
            token.content,
            token.info.partition(" ")[2].strip() or None,
        )
        for token in MarkdownIt("commonmark").parse(text)
        if token.type in {"fence", "code_block"} and token.map is not None
    ]


def code_words(page: str) -> Iterator[str]:
    """What is set as code within sentences and tables."""
    text = PAGES[page].read_text(encoding="utf-8")
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        for child in token.children or []:
            if child.type == "code_inline":
                yield child.content
