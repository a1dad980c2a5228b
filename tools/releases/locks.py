"""Writes the locks of the Jetson image: each pinned version of `tools/jetson/*.txt` with the SHA-256 of its files."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from releases import environments
from releases.errors import ReleaseError
from zoo.files.writing import atomic

LISTS = ("build", "litert", "tflite-runtime", "camera", "serve")
"""What the image installs; the other lists are parts of these."""
PLATFORM, PYTHON = "aarch64-manylinux_2_36", "3.11"
"""The platform of the image, whose C library is 2.36; a list with a package that has no wheel for it is refused."""

_IMAGE = r"docker\.io/library/debian:bookworm-slim@sha256:[0-9a-f]{64}"
BASE, ARG = re.compile(rf"^FROM ({_IMAGE})$", re.MULTILINE), re.compile(rf"^ARG BASE_IMAGE=({_IMAGE})$", re.MULTILINE)
"""Matches the base image in the two files that name it."""

_ENTRY = re.compile(r"([\w.-]+)==(\S+)((?: --hash=sha256:[0-9a-f]{64})+)")


def write(folder: Path) -> list[Path]:
    """Writes the locks of the lists in a folder beside them, each whole or not at all; returns their paths.

    Raises:
        ReleaseError: a version has no wheel for the board, or the package index cannot be reached.
    """
    written = []
    for name in LISTS:
        source, target = folder / f"{name}.txt", folder / f"{name}.lock"
        with tempfile.TemporaryDirectory() as scratch:
            made = Path(scratch) / "lock.txt"
            environments.lock(source, PLATFORM, PYTHON, made)
            text = f"# Made by `make lock` from {source.name}; not for editing.\n" + made.read_text(encoding="utf-8")
        read(text)
        with atomic(target) as part:
            part.write_text(text, encoding="utf-8")
        written.append(target)
    return written


def pin_base(root: Path) -> Path:
    """Copies the base image to Dockerfile.jetson from the file that Dependabot updates; returns the path.

    Raises:
        ReleaseError: one of the files does not name it by digest.
    """
    image = _only(BASE, (root / "tools" / "jetson" / "Dockerfile.base").read_text(encoding="utf-8"), "Dockerfile.base")
    target = root / "Dockerfile.jetson"
    text = target.read_text(encoding="utf-8")
    _only(ARG, text, target.name)
    with atomic(target) as part:
        part.write_text(ARG.sub(f"ARG BASE_IMAGE={image}", text), encoding="utf-8")
    return target


def _only(form: re.Pattern[str], text: str, name: str) -> str:
    found = form.findall(text)
    if len(found) != 1:
        raise ReleaseError(f"{name} does not name the base image once, by digest: {form.pattern}")
    return str(found[0])


def read(text: str) -> dict[str, str]:
    """Returns the version of each package in a lock.

    Raises:
        ReleaseError: a line is neither a comment nor a package with an exact version and hashes.
    """
    found = {}
    for line in text.replace("\\\n", " ").splitlines():
        entry = re.sub(r"\s+", " ", line.partition("#")[0]).strip()
        if not entry:
            continue
        match = _ENTRY.fullmatch(entry)
        if not match:
            raise ReleaseError(f"{entry[:100]!r} of a lock has no exact version or no SHA-256; run make lock")
        found[match[1]] = match[2]
    return found
