"""Writes files and folders whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import OutputError

SCRATCH = ".part"
"""Suffix of a scratch folder, in which a file or folder is written before it takes its place."""
_SCRATCH = re.compile(rf"\.(.+)\.[^.]+{re.escape(SCRATCH)}", re.DOTALL)
"""The names of scratch folders, with that of the file or folder which is written."""
PREVIOUS = "previous"
"""Name of the folder that is being replaced, inside the scratch folder."""
OWNER = ".owner"
"""Name of the file, inside the scratch folder, that shows who made it.

It holds numbers of the file system that an attacker who creates such a folder cannot know."""


@contextlib.contextmanager
def atomic(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yields a path to write a file or folder to; it takes the place of `path` when the block ends without an error.

    Args:
        path: of the file or folder.
        durable: whether it is on the disk before it takes the place, so that after a power cut either the old one is
            there or the new one, and never an empty file. It costs a wait for the disk.

    After an exception or an interrupt `path` is as it was before. Missing parent folders are made. A process that is
    killed leaves a hidden folder beside it; the next write to the same path removes that, if this user's process left
    it.

    Raises:
        OutputError: the place cannot be written, or the disk is full.
    """
    with _clear_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise OutputError(f"cannot write {path}: a file stands where a folder should be") from error
        sweep(path.parent, path.name)
        scratch, lock = _make_scratch(path)
    try:
        with _clear_errors(path):
            yield scratch / path.name
            if durable:
                _store(scratch / path.name)
            _replace(scratch / path.name, path)
            if durable:
                _sync(path.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(lock)


TEMPORARY = "edgezoo"
"""The middle of the names of temporary folders."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def temporary() -> Iterator[Path]:
    """Yields an empty folder for files that are needed during the block alone.

    A process that is killed leaves it; the next call removes what this user's processes have left.

    Raises:
        OutputError: there is no place for such files (`TMPDIR`), or its disk is full.
    """
    import tempfile

    try:
        place = Path(tempfile.gettempdir()).absolute()
        with contextlib.suppress(OSError):  # somebody else's folder, whose names may not be read
            sweep(place, TEMPORARY)
        scratch, lock = _make_scratch(place / TEMPORARY)
    except OSError as error:
        raise OutputError(
            f"there is no place for temporary files ({error.strerror or error}); name one in TMPDIR"
        ) from error
    try:
        folder = scratch / TEMPORARY
        folder.mkdir()
        yield folder
    except OSError as error:
        # A write that fails does not say where; in a block no other file is written but by `atomic`, which does.
        if error.errno not in _FULL or not str(error.filename or scratch).startswith(str(scratch)):
            raise
        raise OutputError(
            f"cannot write temporary files to {place}: {error.strerror}; make room, or name another folder in TMPDIR"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(lock)


def _store(path: Path) -> None:
    """Waits until a file, or all of a folder, is on the disk.

    Raises:
        OSError: the disk cannot hold it.
    """
    for folder, _, names in os.walk(path):
        for name in names:
            if not (Path(folder) / name).is_symlink():
                _sync(Path(folder) / name)
        _sync(Path(folder))
    if not path.is_dir():
        _sync(path)


def _sync(path: Path) -> None:
    """Waits until a file's contents, or a folder's names, are on the disk, where the file system can do that."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EROFS}:
            raise
    finally:
        os.close(descriptor)


def _make_scratch(path: Path) -> tuple[Path, int]:
    """Makes a new folder, and returns it with the descriptor that holds its lock as long as this process lives."""
    import tempfile  # imported here, because `zoo run` writes nothing

    while True:
        # It is in the same folder, because a rename is atomic only within one file system.
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=SCRATCH, dir=path.parent))
        try:
            descriptor = _lock(scratch)
        except FileNotFoundError:  # gone before it was locked
            continue
        try:
            _mark(scratch)
        except FileNotFoundError:  # another write took it for one that a killed write had left empty
            os.close(descriptor)
            continue
        except OSError:
            shutil.rmtree(scratch, ignore_errors=True)
            os.close(descriptor)
            raise
        return scratch, descriptor


def _lock(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    with contextlib.suppress(OSError):  # a file system without locks, where no folder is removed
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # another write may hold it for a moment, in `sweep`
    if not folder.exists():
        os.close(descriptor)
        raise FileNotFoundError(folder)
    return descriptor


def sweep(folder: Path, name: str = "") -> None:
    """Removes the scratch folders that killed writes have left in a folder; nobody holds the lock of such a one.

    Args:
        folder: the folder, which has to be there.
        name: the file or folder whose writes are meant; by default all.
    """
    for old in folder.iterdir():
        found = _SCRATCH.fullmatch(old.name)
        if not found or name not in {"", found[1]}:
            continue
        path = folder / found[1]
        with contextlib.suppress(OSError):  # in use, or not ours
            descriptor = os.open(old, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_bare(descriptor):
                    shutil.rmtree(old, ignore_errors=True)
                    continue
                marks = _marks(descriptor)
                if _identity(os.fstat(descriptor)) not in marks:
                    continue
                # The write was killed between the two renames of a folder.
                if _previous(descriptor) in marks and not os.path.lexists(path):
                    os.rename(PREVIOUS, path, src_dir_fd=descriptor)
                shutil.rmtree(old, ignore_errors=True)
            finally:
                os.close(descriptor)


def _is_bare(scratch: int) -> bool:
    """Whether an open folder of this user holds nothing yet, or nothing any more: at most a mark without a text."""
    inside = os.listdir(scratch)  # an open folder has no path
    if os.fstat(scratch).st_uid != os.geteuid() or set(inside) - {OWNER}:
        return False
    return not inside or os.stat(OWNER, dir_fd=scratch, follow_symlinks=False).st_size == 0


def _mark(scratch: Path, stepping_aside: Path | None = None) -> None:
    """Writes the device and inode of a scratch folder into it, and those of the folder that is moved into it.

    So a folder that came out of an archive is not taken for a scratch folder, because the archive's author cannot know
    its inode.
    """
    lines = [_identity(scratch.stat()), *([_identity(stepping_aside.stat())] if stepping_aside else [])]
    (scratch / OWNER).write_text("\n".join(lines), encoding="ascii")


def _marks(scratch: int) -> list[str]:
    """Returns what `_mark` wrote into an open folder; empty if it is another user's folder or has no such file.

    Raises:
        OSError: the mark is a link or cannot be read.
    """
    if os.fstat(scratch).st_uid != os.geteuid():
        return []
    descriptor = os.open(OWNER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=scratch)
    with os.fdopen(descriptor, "rb") as mark:
        status = os.fstat(mark.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return []
        return mark.read(200).decode("ascii", errors="replace").splitlines()


def _previous(scratch: int) -> str:
    """Returns the identity of the folder that was moved into an open scratch folder; empty if there is none."""
    try:
        status = os.stat(PREVIOUS, dir_fd=scratch, follow_symlinks=False)
    except FileNotFoundError:
        return ""
    return _identity(status) if stat.S_ISDIR(status.st_mode) else ""


def _identity(status: os.stat_result) -> str:
    return f"{status.st_dev} {status.st_ino}"


_EXPORTED = (("saved_model.pb",), ("model.json", "weights.bin", "metadata.json"))
"""The files by which a folder is known for one that an export wrote, which another export may replace."""

HOLDS_OTHERS = "{} is a folder that holds other things; move it away or choose another name"
"""The refusal of a folder that no command of this package wrote."""


def _replace(new: Path, path: Path) -> None:
    if new.is_dir() and path.is_dir():
        if any(path.iterdir()) and not any(all((path / name).exists() for name in names) for names in _EXPORTED):
            raise OutputError(HOLDS_OTHERS.format(path))
        # A folder cannot be renamed to one that is not empty, so the old one is moved into the scratch folder first.
        previous = new.parent / PREVIOUS
        _mark(new.parent, stepping_aside=path)
        try:
            path.rename(previous)
            new.rename(path)
        except BaseException:
            if previous.exists() and not path.exists():
                previous.rename(path)
            raise
        return
    if path.is_dir():
        raise OutputError(f"{path} is a folder; choose another name")
    if new.is_dir() and path.exists():
        raise OutputError(f"{path} is a file, and a folder is to be written; move it away or choose another name")
    new.replace(path)


def require_writable(folder: Path) -> None:
    """Finds out early whether files can be written to a folder, which need not exist yet.

    Raises:
        OutputError: the folder cannot be written to.
    """
    nearest = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise OutputError(f"cannot write to {folder}: a file stands where a folder should be, {nearest}")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write to {folder}: Permission denied for {nearest}")


@contextlib.contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
