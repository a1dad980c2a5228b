"""Makes mutants of a module: copies with one small fault each, of which its tests have to notice.

A fault is a comparison turned, an `and` for an `or`, a `not` dropped, a `-` for a `+`, or a number off by one. Texts,
annotations and what stands for type checkers only stay as they are.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
"""Each comparison with the one that takes its place."""


@dataclass(frozen=True)
class Mutant:
    """A module with one fault."""

    line: int
    """The first line of the fault."""
    was: str
    """The line, or the lines joined, as they are without the fault."""
    now: str
    """The same with the fault."""
    source: str
    """The whole module with the fault."""


def mutants(source: str) -> list[Mutant]:
    """Returns all mutants of a module's source, in the order of its lines."""
    found = []
    for node in _places(ast.parse(source)):
        found += [_replaced(source, node, ast.unparse(changed)) for changed in _changes(node)]
    return sorted(found, key=lambda mutant: mutant.line)


def _places(node: ast.AST) -> Iterator[ast.expr]:
    """Yields the expressions below a node that a fault may change."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            # What is inside an f-string has no place of its own before Python 3.12.
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr) or _for_checkers(child):
                continue
            if isinstance(child, ast.expr):
                yield child
            yield from _places(child)


def _for_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _changes(node: ast.expr) -> Iterator[ast.expr]:
    """Yields what takes an expression's place, one fault each."""
    match node:
        case ast.Compare(left, ops, comparators):
            for i, op in enumerate(ops):
                yield ast.Compare(left, [*ops[:i], TURNED[type(op)](), *ops[i + 1 :]], comparators)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.BinOp(left, ast.Add(), right):
            yield ast.BinOp(left, ast.Sub(), right)
        case ast.BinOp(left, ast.Sub(), right):
            yield ast.BinOp(left, ast.Add(), right)
        case ast.Constant(int() | float() as value) if not isinstance(value, bool):
            yield ast.Constant(value + 1)


def _replaced(source: str, node: ast.expr, text: str) -> Mutant:
    """Puts a text in a node's place."""
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    lines = source.encode().splitlines(keepends=True)
    place = lines[node.lineno - 1 : node.end_lineno]
    before, after = place[0][: node.col_offset], place[-1][node.end_col_offset :]
    # Brackets keep a part of an expression together; a number needs none.
    inner = text if isinstance(node, ast.Constant) else f"({text})"
    now = before + inner.encode() + after
    whole = b"".join([*lines[: node.lineno - 1], now, *lines[node.end_lineno :]])
    return Mutant(node.lineno, _joined(b"".join(place)), _joined(now), whole.decode())


def _joined(lines: bytes) -> str:
    return " ".join(lines.decode().split())


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module whose code is a mutant's; nothing is written, neither source nor bytecode."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        super().__init__(name, str(path))
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        """Compiles the mutant."""
        del fullname
        return compile(self._source, self.path, "exec", dont_inherit=True)


class Finder(importlib.abc.MetaPathFinder):
    """Gives the mutant to whoever imports the module; belongs at the front of `sys.meta_path`."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        """Takes the module's full name, its file, and the mutant's source."""
        self._name, self._path, self._source = name, path, source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Knows the one module."""
        del path, target
        if fullname != self._name:
            return None
        loader = _Loader(fullname, self._path, self._source)
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


def install(name: str, path: Path, source: str) -> None:
    """Makes imports of a module in this process get the mutant; its package is imported anew.

    Args:
        name: the module's full name.
        path: the module's file.
        source: the mutant.
    """
    top = name.split(".", maxsplit=1)[0]
    for loaded in [other for other in sys.modules if other == top or other.startswith(f"{top}.")]:
        del sys.modules[loaded]
    sys.meta_path.insert(0, Finder(name, path, source))
    # TensorFlow compiles what it traces anew from its source, which it would otherwise read from the file.
    linecache.cache[str(path)] = (len(source), None, source.splitlines(keepends=True), str(path))
