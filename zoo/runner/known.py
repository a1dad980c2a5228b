"""The files that need no trial: a list, in the user's cache, of those that were made or tried on this machine.

What a file says of itself is no licence to skip its trial: whoever makes one can write a right checksum into it. So
what was made or tried here is written down, and known again by what the system says of it: device, inode, size and the
times of its last changes to nanoseconds. Nobody who hands a file over can choose the last of them. On another file
system than the list's, a stick's for one, they may have been written elsewhere; there its SHA-256 has to be right, too.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.errors import OutputError
from zoo.files import atomic, cache_home

LIST = "known-files.json"
"""In the cache; a folder that cannot be written to means that nothing is remembered."""
MOST = 500
"""Files that are remembered; then the oldest are forgotten."""
MAX_BYTES = 1 << 20
"""No list of so many files is larger."""
EVERYTHING = "made here"
"""What a file is good for that was made here; others are good for the runtimes that they were tried with."""
SETTLED = 0.05
"""Seconds after a change until another one is sure to get another time: file systems have clocks of about 10 ms."""
LOCK_SECONDS = 2.0
_ASSETS = Path(__file__).resolve().parent.parent / "assets"


def holds(path: Path, runtime: str, delegate: str | None = None) -> bool:
    """Whether a file was made here, or tried here with this runtime and delegate, and is what it was then.

    What is part of the installed package is as good as its code, which whoever can write there could change as well.

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
    """What the system says of a file; waits until a change from now on would show.

    Raises:
        OSError: the file cannot be read.
    """
    if abs(time.time() - path.stat().st_ctime) < SETTLED:
        time.sleep(SETTLED)
    return _identity(path.stat())


def remember_tried(path: Path, before: str, runtime: str, delegate: str | None = None) -> None:
    """Writes down that a file ended its trial well; `before` is its `identity` from before that."""
    _remember(path, before, _use(runtime, delegate))


def remember_made(path: Path) -> None:
    """Writes down that this process has made a file."""
    with contextlib.suppress(OSError):
        _remember(path, identity(path), EVERYTHING)


def _remember(path: Path, before: str, use: str) -> None:
    """Adds a use to a file's entry; where the list cannot be written, the file is tried again the next time."""
    with contextlib.suppress(OSError, OutputError, RuntimeError):  # RuntimeError: this user has no home
        folder = cache_home()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = _digest(path) if path.stat().st_dev != folder.stat().st_dev else None
        if _identity(path.stat()) != before:
            return
        with _locked(folder):
            _, files = _read()
            good_for = files.pop(before, {}).get("for")
            uses = [*(good_for if isinstance(good_for, list) else []), use]
            files[before] = {"for": list(dict.fromkeys(map(str, uses)))[-20:], "sha256": digest}
            _write(folder / LIST, dict(list(files.items())[-MOST:]))


def _read() -> tuple[int | None, dict[str, dict[str, Any]]]:
    """The device that the list is on, and its entries; none where there is no list, or it is not this user's alone."""
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
    with atomic(path) as scratch:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump({"files": files}, file, indent=0)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps other processes from writing the list meanwhile; one that holds it for long is not waited for.

    Raises:
        OSError: it cannot be had.
    """
    descriptor = os.open(folder / f"{LIST}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        end = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _identity(status: os.stat_result) -> str:
    numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return " ".join(map(str, numbers))


def _use(runtime: str, delegate: str | None) -> str:
    return f"{runtime} with {delegate}" if delegate else runtime


def _digest(path: Path) -> str:
    import hashlib  # loads OpenSSL, which most starts do without

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
