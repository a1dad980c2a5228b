"""Which files belong together: copies, and the groups that the user names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import OptionError
from zoo.inputs.labelled import LabelledData
from zoo.text import count_of


def groups_of(data: LabelledData, group_by: str = "") -> list[str | None]:
    r"""Returns the group of each example; None for one that belongs to none.

    Args:
        data: the labelled files; a CSV file may have a column `group`.
        group_by: a regular expression that finds the group in a file's path below the data folder; what its parentheses
            match, or all that it matches, is the group: `obj\d+`, `(patient\d+)_`. Empty for the data's own groups.

    Raises:
        OptionError: it is no regular expression, or matches none of the files.
    """
    if not group_by:
        return [example.group for example in data.examples]
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise OptionError(f"group_by={group_by!r} is no regular expression: {error}") from error
    root = data.root if data.root.is_dir() else data.root.parent
    found = [pattern.search(_below(example.path, root)) for example in data.examples]
    if data.examples and not any(found):
        raise OptionError(
            f"group_by={group_by!r} matches none of the {count_of(len(found), 'file')}, such as "
            f"{_below(data.examples[0].path, root)!r}"
        )
    return [" ".join(part or "" for part in match.groups()) or match[0] if match else None for match in found]


def units_of(contents: Sequence[str], seen: Sequence[str], groups: Sequence[str | None]) -> list[str]:
    """Returns the name of the unit that each file belongs to, for `split_by_content`.

    Files are of one unit if they have the same content, look the same to the model, or are of one group, also by way of
    other files.

    Args:
        contents: a hash of each file's bytes.
        seen: a hash of what the model sees of each file.
        groups: the group of each file, or None.
    """
    parent = list(range(len(contents)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first: dict[tuple[str, str], int] = {}
    names = [f"group {group}" if group else content for content, group in zip(contents, groups, strict=True)]
    for row, keys in enumerate(zip(contents, seen, groups, strict=True)):
        for kind, key in zip(("content", "seen", "group"), keys, strict=True):
            if key:
                parent[root(row)] = root(first.setdefault((kind, key), row))
    best: dict[int, str] = {}
    for row, name in enumerate(names):
        # A group's name, if there is one; else the smallest hash: neither depends on the order of the files.
        at = root(row)
        best[at] = min(best.get(at, name), name, key=lambda one: (not one.startswith("group "), one))
    return [best[root(row)] for row in range(len(contents))]


def _below(path: Path, root: Path) -> str:
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return path.as_posix()
