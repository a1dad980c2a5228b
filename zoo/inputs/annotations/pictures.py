"""Finds the picture that an annotation names, among the pictures below the data folder and nowhere else.

Annotation files come from other people's machines: the paths in them are absolute, those of Windows, relative to
another folder, or lead out of the data folder. So no path of theirs is ever opened: it only selects one of the files
that were found by walking through the folder.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from zoo.errors import InputError
from zoo.inputs.find import SUFFIXES, is_left_out, is_pipe
from zoo.inputs.splits import SplitName, split_of

MOST_FILES = 5_000_000
"""Files below a data folder at most."""


class Several(LookupError):  # noqa: N818  # it is told, not raised to the user
    """A name that several pictures have."""


class Folder:
    """All files below a data folder; links to folders are not followed.

    Hidden files, what systems leave in folders, named pipes and devices are left out.
    """

    def __init__(self, root: Path) -> None:
        """Walks through the folder.

        Raises:
            InputError: it cannot be read.
        """
        self.root = root
        self.pictures: list[Path] = []
        self.others: list[Path] = []
        """Files that are no pictures."""

        def closed(error: OSError) -> None:
            raise InputError(f"cannot read {error.filename}: {error.strerror}") from error

        for folder, folders, names in os.walk(root, onerror=closed):
            folders[:] = sorted(name for name in folders if not is_left_out(name))
            for name in sorted(names):
                path = Path(folder, name)
                if not is_left_out(name) and not is_pipe(path):
                    (self.pictures if path.suffix.lower() in SUFFIXES else self.others).append(path)
            if len(self.pictures) + len(self.others) > MOST_FILES:
                raise InputError(f"{root} holds more than {MOST_FILES} files; give a folder of the data alone")
        self._by_name: dict[str, list[Path]] = {}
        self._by_stem: dict[str, list[Path]] = {}
        self._within: dict[tuple[str, str], list[Path]] = {}
        """Pictures by the name of their folder and their own; all folders of recordings hold the same names."""
        self._beside: dict[tuple[Path, str], list[Path]] = {}
        for picture in self.pictures:
            self._within.setdefault((picture.parent.name, picture.name.casefold()), []).append(picture)
            self._beside.setdefault((picture.parent, picture.stem), []).append(picture)
            self._by_name.setdefault(picture.name.casefold(), []).append(picture)
            self._by_stem.setdefault(picture.stem.casefold(), []).append(picture)

    def find(self, text: str, near: Path) -> Path | None:
        """Returns the picture that an annotation names; None if there is none.

        Of several pictures of one name, the one counts that lies at the named path beside the annotation file, then one
        whose folders agree with more of that path, then one that is closer to the annotation file.

        Args:
            text: the path as it is written, with any kind of slash; only the names in it count.
            near: the folder of the annotation file.

        Raises:
            Several: no one of them is the closest.
        """
        parts = names_in(text)
        if not parts:
            return None
        there = near.joinpath(*parts)
        if there in self._beside.get((there.parent, there.stem), ()):
            return there
        if len(parts) > 1 and (within := self._within.get((parts[-2], parts[-1].casefold()))):
            return self._closest(within, parts, near)
        found = self._by_name.get(parts[-1].casefold()) or (
            self._by_stem.get(parts[-1].casefold(), []) if not _has_suffix(parts[-1]) else []
        )
        return self._closest(found, parts, near)

    def beside(self, path: Path) -> Path | None:
        """Returns the picture with the stem of an annotation file, as `labelImg` names them; None if there is none.

        One in the same folder counts before others.

        Raises:
            Several: no one of them is the closest.
        """
        same = self._beside.get((path.parent, path.stem), [])
        found = same or [one for one in self._by_stem.get(path.stem.casefold(), []) if one.stem == path.stem]
        return self._closest(found, (path.stem,), path.parent)

    def inside(self, text: str, near: Path) -> Path | None:
        """Returns the folder or file below the data folder that a path in a file names; None if there is none.

        The names in the path count, from the first that leads somewhere on: `../train/images` in `data.yaml` is the
        folder `train/images` beside it, as Roboflow means it.
        """
        parts = names_in(text)
        while parts:
            for base in dict.fromkeys((near, self.root)):
                found = base.joinpath(*parts)
                try:
                    if found.exists():
                        return found
                except (OSError, ValueError):
                    return None
            parts = parts[1:]
        return None

    def split(self, path: Path) -> SplitName | None:
        """Returns the split that the folders of a file below the data folder name; None if they name none."""
        names = path.relative_to(self.root).parts[:-1] if path.is_relative_to(self.root) else ()
        return next((split for name in names if (split := split_of(name)) is not None), None)

    def _closest(self, found: Sequence[Path], parts: Sequence[str], near: Path) -> Path | None:
        if len(found) < 2:
            return found[0] if found else None

        def likeness(path: Path) -> tuple[int, int, bool]:
            return (
                _common(path.parts[::-1][1:], parts[::-1][1:]),
                _common(path.parent.parts, near.parts),
                path.name == parts[-1],
            )

        best = max(map(likeness, found))
        closest = [path for path in found if likeness(path) == best]
        if len(closest) > 1:
            raise Several(parts[-1])
        return closest[0]


def names_in(text: str) -> tuple[str, ...]:
    """Returns the names in a path of any system, without roots, drives, `.` and `..`."""
    parts = PurePosixPath(text.strip().replace("\\", "/")).parts
    return tuple(part for part in parts if part not in {"/", "//", ".", ".."} and not part.endswith(":"))


def _has_suffix(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Returns how many of the first names of two paths are the same."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
