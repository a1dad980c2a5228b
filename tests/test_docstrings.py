"""The rules of CONTRIBUTING for docstrings, those of attributes and constants included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("zoo", "export", "cli", "tools", "benchmarks", "tests")


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_docstring_begins_with_of(folder: str) -> None:
    found = [f"{place}: {text.splitlines()[0]}" for place, text in docstrings(folder) if text.startswith("Of ")]
    assert not found, "\n".join(["a docstring names its subject:", *found])


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_first_paragraph_of_every_docstring_ends(folder: str) -> None:
    found = [
        f"{place}: {text.splitlines()[0]}"
        for place, text in docstrings(folder)
        if text.split("\n\n")[0].rstrip()[-1] not in ".:`"
    ]
    assert not found, "\n".join(found)


def test_docstrings_of_all_kinds_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        '"""Module."""\nX = 1\n"""Constant."""\nclass C:\n    """Class."""\n    y: int\n    """Attribute."""\n'
        '    def f(self):\n        """Method."""\n        return """text"""\n'
    )
    assert [text for _, text in docstrings(tmp_path)] == ["Module.", "Constant.", "Class.", "Attribute.", "Method."]


def docstrings(folder: str | Path) -> Iterator[tuple[str, str]]:
    """The place and the text of each string in a folder's Python files that stands as a statement of its own."""
    base = ROOT / folder
    for path in sorted(base.rglob("*.py")):
        # zoo/cli and zoo/export are links to the folders of the same names.
        if path.is_relative_to(base) and not any(parent.is_symlink() for parent in path.parents if parent != base):
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            texts = [n.value for n in nodes if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)]
            for text in sorted(texts, key=lambda each: each.lineno):
                if isinstance(text.value, str) and text.value.strip():
                    yield f"{path}:{text.lineno}", text.value.strip()
