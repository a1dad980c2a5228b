"""What the documentation's pages hold: blocks of code as sybil's examples, and words set as code."""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from sybil import Document, Example, Lexeme, Region
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer
from sybil.typing import Evaluator

ROOT = Path(__file__).resolve().parents[2]
PAGES = {str(path.relative_to(ROOT)): path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}
"""Every page that is read by users, by its name from the root."""

RUN = {"sh", "python"}
"""The languages of blocks that run."""

_FENCES = RawFencedCodeBlockLexer(re.compile(r"(?P<language>[^\s`]*) *(?P<file>[^\n`]*)\n"))


class _Parser:
    """A parser for sybil: an example for each block, and in blocks of `sh` one for each command."""

    def __init__(self, evaluator: Evaluator | None) -> None:
        self._evaluator = evaluator

    def __call__(self, document: Document) -> Iterator[Region]:
        for fence in _FENCES(document):
            source: Lexeme = fence.lexemes["source"]
            evaluator = self._evaluator if fence.lexemes["language"] in RUN or fence.lexemes["file"] else None
            if fence.lexemes["language"] == "sh":
                for offset, command in _commands(source):
                    start = fence.start + source.offset + offset
                    yield Region(start, start + len(command), command, evaluator, fence.lexemes)
            else:
                yield Region(fence.start, fence.end, source, evaluator, fence.lexemes)


def _commands(text: str) -> Iterator[tuple[int, str]]:
    """Where each command of a shell block begins, and the command, however many lines it takes."""
    lines, start = "", 0
    for line in text.splitlines(keepends=True):
        lines += line
        if not _complete(lines):
            continue
        command = lines.strip()
        if command and not command.startswith("#"):
            yield start + lines.index(command), command
        start, lines = start + len(lines), ""
    assert not lines.strip(), f"not a whole command: {lines!r}"


@functools.cache
def _complete(text: str) -> bool:
    """Whether bash would run it now and not wait for another line: open quotes, loops, `<<`, a backslash at the end."""
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    return not text.endswith("\\\n") and done.returncode == 0 and not done.stderr


def read(page: str, evaluator: Evaluator | None = None, text: str | None = None) -> list[Example]:
    """Reads the blocks of a page, in order.

    Args:
        evaluator: is called when an example that runs, or is a file, is evaluated.
        text: is read instead of the page.
    """
    document = Document(PAGES[page].read_text(encoding="utf-8") if text is None else text, page)
    for region in _Parser(evaluator)(document):
        document.add(region)
    return list(document.examples())


def language(example: Example) -> str:
    """The word behind the fence."""
    return str(example.region.lexemes["language"])


def file_name(example: Example) -> str:
    """The file that a block is, where a name stands behind the language (` ```python NAME.py `); empty elsewhere."""
    return str(example.region.lexemes["file"])


def of_language(page: str, name: str) -> list[str]:
    """The texts of a page's blocks in a language; in `sh`, its commands."""
    return [str(example.parsed) for example in read(page) if language(example) == name]


def unfenced(text: str) -> list[str]:
    """Blocks of code that are indented and have no fence, as CommonMark has them."""
    return [token.content for token in MarkdownIt("commonmark").parse(text) if token.type == "code_block"]


def code_words(page: str) -> Iterator[str]:
    """What is set as code within sentences and tables."""
    text = PAGES[page].read_text(encoding="utf-8")
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        for child in token.children or []:
            if child.type == "code_inline":
                yield child.content
