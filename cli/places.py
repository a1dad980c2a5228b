"""Keeps what a command writes from taking the place of what it reads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from zoo.errors import OptionError, ZooError


def require_elsewhere(option: str, target: Path, read: Iterable[str | Path], *, is_folder: bool) -> None:
    """Refuses an output in the place of a file that is read, and a folder of outputs that files are read from.

    Args:
        option: the option that names the output.
        target: the file to write, or the folder to write files into.
        read: the files that are read; one that cannot be found is the reader's to tell.
        is_folder: whether `target` is a folder; what is read from it may have the name of an output.

    Raises:
        OptionError: it is such a place.
    """
    place = target.resolve() if is_folder else target.parent.resolve() / target.name
    folders: dict[Path, Path] = {}
    taken = ""
    with contextlib.suppress(ZooError):
        for path in map(Path, read):
            parent = folders.get(path.parent)
            if parent is None:
                parent = folders[path.parent] = path.parent.resolve()
            if is_folder and parent == place:
                taken = f"is the folder of {path}, which is read and might be overwritten; give another folder"
            elif not is_folder and parent / path.name == place:
                taken = "is a file that is read and would be overwritten; give another one"
            if taken:
                break
    if taken:
        raise OptionError(f"{option} {target} {taken}")
