"""Keeps two processes from writing the same folder or files at the same time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import OutputError

NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
"""What a file system answers that has no locks."""

_held: dict[Path, int] = {}
"""The thread that holds each lock of this process."""


@contextlib.contextmanager
def exclusive(path: Path, *, needed: bool = True) -> Iterator[None]:
    """Lets no other process write the same path during the block.

    A hidden file beside the path has the number of the process that writes it. The system ends the lock with its
    process, so that one that was killed keeps nobody out; on a file system without locks, the number tells whether the
    process is still there. The same thread may enter again.

    Args:
        path: a folder or a file, which need not be there yet; or the common beginning of the names of several files.
        needed: whether there is anything to lock; a worker that writes nothing locks nothing.

    Raises:
        OutputError: another process writes it, or the file of the lock cannot be written.
    """
    path = path.resolve()
    if not needed or _held.get(path) == threading.get_ident():
        yield
        return
    lock = path.with_name(f".{path.name}.lock")
    made = [folder for folder in lock.parents if not folder.exists()]
    try:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = _take(lock, path)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
        _held[path] = threading.get_ident()
        try:
            yield
        finally:
            del _held[path]
            _give_back(lock, descriptor)
    finally:
        for folder in made:
            with contextlib.suppress(OSError):  # something was written there, or it could not be made
                folder.rmdir()


@contextlib.contextmanager
def in_turn(lock: Path, seconds: float) -> Iterator[None]:
    """Lets one thread or process after the other into the block.

    Args:
        lock: the file of the lock, which is there during the block alone.
        seconds: the longest wait.

    Raises:
        OSError: the file cannot be made, or locked within these seconds.
    """
    end = time.monotonic() + seconds
    while True:
        descriptor = _open(lock, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(lock, descriptor):
                break
        except BlockingIOError:
            if time.monotonic() > end:
                os.close(descriptor)
                raise
            time.sleep(0.01)
        except OSError:
            _give_back(lock, descriptor)
            raise
        os.close(descriptor)
    try:
        yield
    finally:
        _give_back(lock, descriptor)


def _open(lock: Path, mode: int) -> int:
    return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, mode)


def _give_back(lock: Path, descriptor: int) -> None:
    # First the name, then the lock: whoever opened the file meanwhile sees that it is no longer the one.
    lock.unlink(missing_ok=True)
    os.close(descriptor)


def _take(lock: Path, path: Path) -> int:
    """Returns the descriptor that holds the lock.

    Raises:
        OutputError: another process has it.
        OSError: the file cannot be written.
    """
    while True:
        descriptor = _open(lock, 0o644)
        try:
            if not _locked(descriptor):
                raise _taken(path, _owner(descriptor))
            if not _is_still(lock, descriptor):  # its owner has just ended
                os.close(descriptor)
                continue
            try:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
            except OSError:  # the disk is full
                lock.unlink(missing_ok=True)
                raise
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _locked(descriptor: int) -> bool:
    """Takes the lock of an open file; returns whether that was possible."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        process, host = _owner(descriptor)
        return not process or host != socket.gethostname() or not _is_running(process)
    return True


def _owner(descriptor: int) -> tuple[int, str]:
    """The process that a lock's file names, and its host; 0 if it names none."""
    number, _, host = os.pread(descriptor, 300, 0).decode("utf-8", errors="replace").strip().partition(" ")
    return (int(number), host) if number.isascii() and number.isdecimal() and len(number) < 10 else (0, "")


def _taken(path: Path, owner: tuple[int, str]) -> OutputError:
    process, host = owner
    who = f"process {process}" if process else "another process"
    where = f" on {host}" if process and host != socket.gethostname() else ""
    return OutputError(
        f"{path} is being written by {who}{where}; wait until that ends, or choose another place (--out)"
    )


def _is_still(lock: Path, descriptor: int) -> bool:
    try:
        there = lock.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
