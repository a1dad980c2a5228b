"""The rules of CONTRIBUTING for docstrings, those of attributes and constants included."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("zoo", "export", "cli", "tools", "benchmarks", "tests")
IN_WHOLE_SENTENCES = (
    *(f"zoo/{name}" for name in ("assets", "choose", "data", "models", "privacy", "summary", "weights")),
    "tools",
    "benchmarks",
)
"""The folders whose docstrings are whole sentences or name their subject first."""
CLIPPED = re.compile(r"(Also|As|By|Else|For|In|Likewise|Of|On|That|To|Too|With)\b[^,]*\.|The same[.,;:]")
"""Matches a docstring that is only the end of a sentence."""


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_docstring_begins_with_of(folder: str) -> None:
    found = first_lines(folder, lambda text: text.startswith("Of "))
    assert not found, "\n".join(["a docstring names its subject:", *found])


@pytest.mark.parametrize("folder", IN_WHOLE_SENTENCES)
def test_no_docstring_begins_in_the_middle_of_a_sentence(folder: str) -> None:
    found = first_lines(folder, lambda text: CLIPPED.match(text) is not None)
    assert not found, "\n".join(["a docstring names its subject:", *found])


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_docstring_begins_with_a_capital_letter(folder: str) -> None:
    """The names of files, such as `docs/inside.md`, stay as they are."""
    found = first_lines(folder, lambda text: re.match(r"[a-z][\w-]*(?![\w./-])", text) is not None)
    assert not found, "\n".join(["a docstring begins with a capital letter:", *found])


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_first_paragraph_of_every_docstring_ends_with_a_period(folder: str) -> None:
    found = first_lines(folder, lambda text: not text.split("\n\n")[0].rstrip().endswith("."))
    assert not found, "\n".join(["a docstring ends with a period:", *found])


@pytest.mark.parametrize(
    ("text", "is_clipped"),
    [
        ("Else it would not fail.", True),
        ("For JSON.", True),
        ("In a minute.", True),
        ("As h5py raises them.", True),
        ("The same.", True),
        ("Asks for a file.", False),
        ("Inputs of a model.", False),
        ("The same model with other weights.", False),
    ],
)
def test_what_counts_as_the_middle_of_a_sentence(text: str, is_clipped: bool) -> None:
    assert (CLIPPED.match(text) is not None) == is_clipped


def test_docstrings_of_all_kinds_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        '"""Module."""\nX = 1\n"""Constant."""\nclass C:\n    """Class."""\n    y: int\n    """Attribute."""\n'
        '    def f(self):\n        """Method."""\n        return """text"""\n'
    )
    assert [text for _, text in docstrings(tmp_path)] == ["Module.", "Constant.", "Class.", "Attribute.", "Method."]


def first_lines(folder: str, is_wrong: Callable[[str], bool]) -> list[str]:
    """Returns the place and the first line of each docstring of a folder that is wrong."""
    return [f"{place}: {text.splitlines()[0]}" for place, text in docstrings(folder) if is_wrong(text)]


@functools.cache
def docstrings(folder: str | Path) -> tuple[tuple[str, str], ...]:
    """Returns the place and the text of each string in a folder's Python files that is a statement."""
    return tuple(_docstrings(ROOT / folder))


def _docstrings(base: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(base.rglob("*.py")):
        # zoo/cli and zoo/export are links to the folders of the same names.
        if path.is_relative_to(base) and not any(parent.is_symlink() for parent in path.parents if parent != base):
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            texts = [n.value for n in nodes if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)]
            for text in sorted(texts, key=lambda each: each.lineno):
                if isinstance(text.value, str) and text.value.strip():
                    yield f"{path}:{text.lineno}", text.value.strip()
