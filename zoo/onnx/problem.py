"""What keeps a target from running an `.onnx` file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from zoo.text import count_of


@dataclass(frozen=True)
class Problem:
    """Why a target does not take a file, and what to do about it."""

    where: str
    """The operation with its name, or the input, output or part of the file."""
    reason: str
    remedy: str
    op: str = ""
    """The operation's name, such as `Resize`; empty for what is no operation."""
    more: int = 0
    """How many further operations of this name have the same fault."""

    def __str__(self) -> str:
        """Returns the problem in one line."""
        further = f" and {count_of(self.more, 'more such operation')}" if self.more else ""
        return f"{self.where}{further}: {self.reason}; {self.remedy}"


def merged(found: Iterable[Problem]) -> list[Problem]:
    """Returns problems of which each operation and reason has one, with the number of the others."""
    first: dict[tuple[str, str], Problem] = {}
    for one in found:
        key = (one.op or one.where, one.reason)
        first[key] = replace(first[key], more=first[key].more + 1) if key in first else one
    return list(first.values())
