"""All that is known about an architecture is in its file: the packages that use it name none."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import zoo

ROOT = Path(__file__).resolve().parents[2]
READERS = ("zoo/weights", "zoo/training", "zoo/choose", "zoo/summary", "zoo/data", "export", "cli")
FILES = sorted(str(path.relative_to(ROOT)) for folder in READERS for path in (ROOT / folder).rglob("*.py"))
NAME = re.compile(rf"(?<!\w)({'|'.join(zoo.list_models())})(?!\w)")


def texts(tree: ast.AST) -> list[tuple[int, str]]:
    """Yields the literal texts of a module with their lines, except docstrings, which may hold examples."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]


def test_there_are_files_to_look_at() -> None:
    assert {
        "zoo/weights/transfer.py",
        "zoo/training/recipe.py",
        "zoo/choose/variants.py",
        "cli/commands/build.py",
    } <= set(FILES)


@pytest.mark.parametrize("file", FILES)
def test_no_registered_model_is_named(file: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert not [(line, text) for line, text in texts(tree) if NAME.search(text)]


@pytest.mark.parametrize("file", FILES)
def test_no_models_file_is_imported(file: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    # What the architectures share with their readers: the layers of their own that saved models carry.
    shared = {"__init__", "anchored", "normalization"}
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "zoo/models").rglob("*.py")
        if path.stem not in shared
    }
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not imported & modules
