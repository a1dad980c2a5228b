"""Remembers which files need no trial: a list, in the user's cache, of files made or tried on this machine.

A file's own checksum cannot decide that, because whoever makes a file can write a right checksum into it. So files that
were made or tried here are listed, and recognized by what the system says about them: device, inode, size, and the
times of the last changes in nanoseconds. Nobody who sends a file can choose its change time. On another file system
than the list's, for example a USB stick, another machine may have written these values; there the SHA-256 must match,
too.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from pathlib import Path
from typing import Any

from zoo.errors import OutputError
from zoo.files.places import cache_home
from zoo.files.writing import atomic

LIST = "known-files.json"
"""Name of the list in the cache folder; if the folder cannot be written to, nothing is remembered."""
MOST = 500
"""The most files that are remembered; after that, the oldest are dropped."""
MAX_BYTES = 1 << 20
"""Largest size of the list in bytes."""
EVERYTHING = "made here"
"""The entry of a file made here, which needs no trial at all; other files list the runtimes that tried them."""
SETTLED = 0.05
"""Seconds after which a new change surely gets another time; clocks of file systems have steps of about 10 ms."""
LOCK_SECONDS = 2.0
"""Seconds of waiting for others that write the list."""
_ASSETS = Path(__file__).resolve().parents[2] / "assets"


def holds(path: Path, runtime: str, delegate: str | None = None) -> bool:
    """Returns whether a file was made here, or tried here with this runtime and delegate, and is unchanged since.

    Files of the installed package are trusted like its code: whoever can change them can change the code, too.

    Raises:
        OSError: the file cannot be read.
    """
    if path.resolve().is_relative_to(_ASSETS):
        return True
    device, files = _read()
    status = path.stat()
    entry = files.get(_identity(status), {})
    good_for = entry.get("for")
    if not isinstance(good_for, list) or not {EVERYTHING, _use(runtime, delegate)} & set(map(str, good_for)):
        return False
    return status.st_dev == device or entry.get("sha256") == _digest(path)


def identity(path: Path) -> str:
    """Returns what the system says about a file, after waiting until any later change would be visible.

    Raises:
        OSError: the file cannot be read.
    """
    if abs(time.time() - path.stat().st_ctime) < SETTLED:
        time.sleep(SETTLED)
    return _identity(path.stat())


def remember_tried(path: Path, before: str, runtime: str, delegate: str | None = None) -> None:
    """Records that a file passed its trial; `before` is its `identity` from before that."""
    _remember(path, before, _use(runtime, delegate))


def remember_made(path: Path) -> None:
    """Records that this process has made a file."""
    with contextlib.suppress(OSError):
        _remember(path, identity(path), EVERYTHING)


def _remember(path: Path, before: str, use: str) -> None:
    """Adds a use to a file's entry; if the list cannot be written, the file is tried again next time."""
    from zoo.system.locks import in_turn  # imported here, because most starts find the file in the list

    with contextlib.suppress(OSError, OutputError, RuntimeError):  # RuntimeError: this user has no home folder
        folder = cache_home()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = _digest(path) if path.stat().st_dev != folder.stat().st_dev else None
        if _identity(path.stat()) != before:
            return
        with in_turn(folder / f"{LIST}.lock", LOCK_SECONDS):
            _, files = _read()
            good_for = files.pop(before, {}).get("for")
            uses = [*(good_for if isinstance(good_for, list) else []), use]
            files[before] = {"for": list(dict.fromkeys(map(str, uses)))[-20:], "sha256": digest}
            _write(folder / LIST, dict(list(files.items())[-MOST:]))


def _read() -> tuple[int | None, dict[str, dict[str, Any]]]:
    """Returns the list's device and entries; no entries if there is no list, or it is not this user's alone."""
    try:
        descriptor = os.open(cache_home() / LIST, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
                return None, {}
            found = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError, RuntimeError):
        return None, {}
    files = found.get("files") if isinstance(found, dict) else None
    if not isinstance(files, dict):
        return None, {}
    return status.st_dev, {name: entry for name, entry in files.items() if isinstance(entry, dict)}


def _write(path: Path, files: dict[str, dict[str, Any]]) -> None:
    with atomic(path, durable=False) as scratch:  # of a damaged list nothing is believed
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump({"files": files}, file, indent=0)


def _identity(status: os.stat_result) -> str:
    numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return " ".join(map(str, numbers))


def _use(runtime: str, delegate: str | None) -> str:
    return f"{runtime} with {delegate}" if delegate else runtime


def _digest(path: Path) -> str:
    import hashlib  # imported here, because it loads OpenSSL, which most starts do not need

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
