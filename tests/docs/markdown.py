"""What the documentation's pages hold: blocks of code, and words set as code."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = {str(path.relative_to(ROOT)): path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}
"""Every page that is read by users, by its name from the root."""

RUN = {"sh", "python"}
"""The languages of blocks that run."""
MARKDOWN = MarkdownIt("commonmark").enable("table")


class Block(NamedTuple):
    """A fenced block of a page; of one of `sh`, a command."""

    line: int
    """The line of the page in which the text begins."""
    language: str
    """The word behind the fence."""
    file: str
    """The file that it is, where a name stands behind the language (` ```python NAME.py `); empty elsewhere."""
    text: str


def read(page: str, text: str | None = None) -> Iterator[Block]:
    """Reads the blocks of a page, or of a text, in order; each command of a block of `sh` is one."""
    for token in MARKDOWN.parse(PAGES[page].read_text(encoding="utf-8") if text is None else text):
        if token.type == "fence" and token.map:
            language, _, file = token.info.partition(" ")
            parts = _commands(token.content) if language == "sh" else [(0, token.content)]
            yield from (Block(token.map[0] + 2 + line, language, file, part) for line, part in parts)


def _commands(text: str) -> Iterator[tuple[int, str]]:
    """In which line each command of a shell block begins, and the command, however many lines it takes."""
    lines, start = "", 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        lines += line
        if _complete(lines):
            if lines.strip() and not lines.lstrip().startswith("#"):
                yield start, lines.strip()
            lines, start = "", number
    assert not lines.strip(), f"not a whole command: {lines!r}"


@functools.cache
def _complete(text: str) -> bool:
    """Whether bash would run it now and not wait for another line: open quotes, loops, `<<`, a backslash at the end."""
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    return not text.endswith("\\\n") and done.returncode == 0 and not done.stderr


def of_language(page: str, name: str) -> list[str]:
    """The texts of a page's blocks in a language; in `sh`, its commands."""
    return [block.text for block in read(page) if block.language == name]


def unfenced(text: str) -> list[str]:
    """Blocks of code that are indented and have no fence, as CommonMark has them."""
    return [token.content for token in MARKDOWN.parse(text) if token.type == "code_block"]


def code_words(page: str) -> Iterator[str]:
    """What is set as code within sentences and tables."""
    for token in MARKDOWN.parse(PAGES[page].read_text(encoding="utf-8")):
        yield from (child.content for child in token.children or [] if child.type == "code_inline")
