"""Remembers the SHA-256 of each published file, so that another file under its name is detected.

Keras publishes no SHA-256. The hash of the first file that is downloaded or found is written to a list beside it, in
the format of `sha256sum`. A user who knows the right hash can write it to the list before.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from zoo.errors import InputError, OutputError
from zoo.files.reading import read_text
from zoo.files.writing import atomic

FILE = "edgezoo.sha256"


class Pins:
    """The list of hashes in a folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def get(self, name: str) -> str | None:
        """Returns the SHA-256 that a file must have, in hexadecimal; None if none is remembered.

        Raises:
            InputError: the list cannot be read.
        """
        return self._all().get(name)

    def add(self, name: str, digest: str) -> None:
        """Remembers a hash; nothing happens in a folder that cannot be written."""
        lines = "".join(f"{known}  {file}\n" for file, known in {**self._all(), name: digest}.items())
        with contextlib.suppress(OutputError), atomic(self.path) as scratch:
            scratch.write_text(lines, encoding="utf-8")

    def _all(self) -> dict[str, str]:
        if not self.path.is_file():
            return {}
        found = {}
        for number, line in enumerate(read_text(self.path, "the list of hashes").splitlines(), start=1):
            match = re.fullmatch(r"([0-9a-fA-F]{64}) [ *](\S+)", line.strip())
            if match:
                found[match[2]] = match[1].lower()
            elif line.strip():
                raise InputError(
                    f"{self.path}, line {number}: expected a SHA-256 and a file's name; correct or delete it"
                )
        return found
