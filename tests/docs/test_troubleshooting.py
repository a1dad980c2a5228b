"""docs/troubleshooting.md: the words that it quotes are those that a user sees, and what it says to type helps."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.markdown import ROOT
from zoo.cli.main import zoo as group
from zoo.text import plural

if TYPE_CHECKING:
    from tests.conftest import Cli
    from tests.docs.conftest import RunPage

PAGE = "docs/troubleshooting.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.DOTALL | re.MULTILINE)
QUOTES = sorted({" ".join(quote.split()) for quote in re.findall(r'"([^"]+)"', PROSE)})


@functools.cache
def texts() -> tuple[str, ...]:
    """Returns every string of the package's sources; what is filled in is a NUL, and counted things are several."""
    found = []
    for path in (path for folder in ("zoo", "export", "cli") for path in Path(ROOT, folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [str(part.value) if isinstance(part, ast.Constant) else filled_in(part) for part in node.values]
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return tuple(found)


def filled_in(part: ast.expr) -> str:
    """Returns what stands for a value in a message: the words for several things, or a NUL."""
    call = part.value if isinstance(part, ast.FormattedValue) else part
    if isinstance(call, ast.Call) and ast.unparse(call.func) in {"count_of", "plural"}:
        words = [str(word.value) for word in call.args[1:] if isinstance(word, ast.Constant)]
        if words:
            return ("\0 " if ast.unparse(call.func) == "count_of" else "") + plural(2, *words)
    return "\0"


def said(quote: str) -> bool:
    """Returns whether the package says this somewhere, with `...` for what differs."""
    parts = [re.escape(part.strip()) for part in quote.split("...")]
    return any(re.search(".*".join(parts), text, re.DOTALL) for text in texts())


@pytest.mark.parametrize("quote", QUOTES)
def test_a_quoted_message_is_one_that_comes(quote: str) -> None:
    assert said(quote), f"no message has these words: {quote}"


def test_other_words_are_not_taken_for_messages() -> None:
    assert not said("no such words ... are said")
    assert not said("opens the camera ..., but gives no picture")


def test_the_page_quotes_enough_to_be_searched() -> None:
    headings = re.findall(r"^### (.*)$", TEXT, re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert sum(heading.startswith('"') for heading in headings) > len(headings) / 2


@pytest.mark.slow
def test_everything_runs(run_page: RunPage) -> None:
    found = run_page(PAGE)
    assert "left out" not in found.said("zoo evaluate")  # --all
    assert "top-1" in found.said("zoo evaluate")


def test_help_names_the_page(cli: Cli) -> None:
    assert group.epilog is not None
    assert PAGE in group.epilog
    assert PAGE in cli("--help").out
