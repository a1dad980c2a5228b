"""Programs that tests and benchmarks give to `python -c` as text import only names that exist."""

from __future__ import annotations

import ast
import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(
    path
    for name in ("tests", "benchmarks", "tools")
    for path in (ROOT / name).rglob("*.py")
    if path != Path(__file__).resolve()
)


def texts(source: str) -> Iterator[str]:
    """Yields the texts of a module, except those that are statements, such as docstrings."""
    tree = ast.parse(source)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


def imported(text: str) -> Iterator[str]:
    """Yields the dotted names that a program imports from the package, line by line, because it may have gaps."""
    for statement in (part.strip() for line in text.splitlines() for part in line.split(";")):
        if not statement.startswith(("from zoo", "import zoo")):
            continue
        with contextlib.suppress(SyntaxError):
            for node in ast.parse(statement).body:
                if isinstance(node, ast.ImportFrom):
                    yield from (f"{node.module}.{alias.name}" for alias in node.names)
                elif isinstance(node, ast.Import):
                    yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "zoo")


def is_there(name: str) -> bool:
    """Whether a dotted name is a module, or a name in a module."""
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(name)
        return True
    module, _, rest = name.rpartition(".")
    try:
        return hasattr(importlib.import_module(module), rest)
    except ModuleNotFoundError:
        return False


@pytest.mark.slow
def test_names_that_programs_in_texts_import_exist() -> None:
    found = {(path, name) for path in SOURCES for text in texts(path.read_text("utf-8")) for name in imported(text)}
    assert len(found) > 20
    missing = [f"{path.relative_to(ROOT)}: {name}" for path, name in sorted(found) if not is_there(name)]
    assert missing == []


@pytest.mark.parametrize(
    ("program", "names"),
    [
        ("\nimport sys; from zoo.runner import load, gone\n{task}\n", ["zoo.runner.load", "zoo.runner.gone"]),
        ("import zoo.no_such\nimport zoom", ["zoo.no_such"]),
        ("from zoo.{name} import x", []),
        ("from zoo to zoo", []),
    ],
)
def test_what_a_program_imports(program: str, names: list[str]) -> None:
    assert list(imported(program)) == names


def test_a_name_that_is_gone_is_found() -> None:
    assert is_there("zoo.runner.load")
    assert is_there("zoo.runner.loading.session")
    assert not is_there("zoo.runner.gone")
    assert not is_there("zoo.gone.load")
