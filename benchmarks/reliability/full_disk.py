"""Runs each command that writes on a full disk and without permissions.

The full disk is a tmpfs of a few megabytes if root can mount one; otherwise a limit on the size of files
(RLIMIT_FSIZE) replaces it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reliability.commands import run, warm, without_privileges
from benchmarks.reliability.sources import CELL, DIGITS, MODEL, Args, Sources

OLD = b"what was there before"
SECONDS = 300
BAD = ("OLD FILE LOST", "NOT RESUMED", "leftovers")
"""What must not be left."""
FREE = 12_000
"""Bytes that are left on the disk, fewer than most files need."""


@dataclass(frozen=True)
class Writer:
    """A command and the file or folder that it writes."""

    name: str
    args: Args
    target: str
    """The path of the output below the full folder."""
    old: bool = True
    """Whether the output exists before."""
    free: int = FREE
    """Bytes that are left on the disk."""
    cache: bool = False
    """Whether the command writes to the user's cache instead."""


def writers(sound: Sources, place: Path) -> list[Writer]:
    """Lists all commands that write, with outputs in a folder."""
    board = ("choose", "mobilenet_v2", "--num-classes", "10", "--from", sound.board)
    build = ("build", "lenet", "--out", place, "--export")
    evaluate = ("evaluate", MODEL, sound.data, "--confusion")
    train = ("train", "lenet", sound.data, "--epochs", "3", "--out", place / "run")
    return [
        Writer("build, .keras", (*build, "keras"), "lenet.keras"),
        Writer("build, .tflite", (*build, "tflite"), "lenet.tflite"),
        Writer("build, SavedModel", (*build, "savedmodel"), "lenet_savedmodel", old=False),
        Writer("export", ("export", sound.keras, "--out", place), "lenet.tflite"),
        # There is room for the checkpoint of the first epoch, but not for a second one beside it.
        Writer("train", train, "run", old=False, free=1_300_000),
        Writer("evaluate --confusion .png", (*evaluate, place / "m.png"), "m.png"),
        Writer("info --plot", ("info", "mobilenet_v2", "--plot", place / "net.svg"), "net.svg"),
        Writer("choose --plot", (*board, "--plot", place / "front.png"), "front.png"),
        Writer("choose --files", (*CELL, "--files", place / "cells"), "cells", old=False),
        Writer("choose, its cache", (*CELL, "--runs", "1"), "edgezoo", old=False, free=0, cache=True),
    ]


PRINTERS: tuple[Args, ...] = (
    ("--help",), ("list",), ("list", "--json"), ("run", MODEL, DIGITS), ("run", MODEL, DIGITS, "--csv"),
    ("evaluate", MODEL, DIGITS, "--json"), ("inspect", MODEL, "--json"),
)  # fmt: skip
"""Commands whose standard output is on a full disk: `zoo run ... > file`."""


@contextlib.contextmanager
def tmpfs(folder: Path) -> Iterator[bool]:
    """Mounts a small disk at a folder; yields False if that is impossible."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    mounted = os.getuid() == 0 and not subprocess.run(command, capture_output=True, check=False).returncode
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, free: int) -> None:
    """Fills a disk except for some bytes."""
    space = os.statvfs(folder)
    with (folder / "ballast").open("wb") as file, contextlib.suppress(OSError):
        file.write(bytes(max(0, space.f_bavail * space.f_frsize - free)))
        file.flush()


def limit_files() -> None:
    """Limits the size of files; Python ignores the signal, so that the write fails."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FREE, FREE))


def to_full_output() -> None:
    """Puts standard output on a full disk."""
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


IN_CHILD: dict[str, Callable[[], None]] = {
    "full disk": lambda: None,
    "file size limit": limit_files,
    "no permission": without_privileges,
    "full standard output": to_full_output,
}
"""The faults, each with what the command's own process does for it."""


def attempt(how: str, name: str, args: Args, place: Path | None = None) -> dict[str, Any]:
    """Runs a command that cannot write; returns what it says, and nothing as `left`.

    Args:
        how: the fault.
        name: the name of the command.
        args: its arguments.
        place: the folder that stands for the user's cache, if it is to be another.
    """

    def prepare() -> None:
        if place:
            os.environ["XDG_CACHE_HOME"] = str(place)
        IN_CHILD[how]()

    ended = run(args, seconds=SECONDS, prepare=prepare)
    outcome = "one line" if ended.outcome == "refused" and ended.err.count("\n") == 1 else ended.outcome
    return {"how": how, "command": f"zoo {name}", "outcome": outcome, "left": "", "says": ended.err}


def try_all(sound: Sources, place: Path, how: str, only: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Runs each command that writes, in a folder of its own that is full or not writable."""
    for i, name in enumerate(writer.name for writer in writers(sound, place)):
        here = place / str(i)
        writer = writers(sound, here)[i]
        if only and name not in only:
            continue
        here.mkdir()
        target = here / writer.target
        if writer.old:
            target.write_bytes(OLD)
        if how == "no permission":
            here.chmod(0o555)
        elif how == "full disk":
            fill(place, writer.free)
        row = attempt(how, name, writer.args, here if writer.cache else None)
        if writer.old:
            row["left"] = "old file intact" if target.read_bytes() == OLD else "OLD FILE LOST"
        elif name == "train" and target.exists():
            (place / "ballast").unlink(missing_ok=True)
            done = run(["train", "--resume", target], seconds=SECONDS)
            row["left"] = "resumed with room" if done.code == 0 else "NOT RESUMED"
        else:
            row["left"] = "leftovers" if any(path.is_file() for path in here.rglob("*")) else "nothing"
        yield row | {"says": row["says"].replace(str(here), "DISK")}
        here.chmod(0o755)
        subprocess.run(["rm", "-rf", str(here), str(place / "ballast")], check=True)


def measure(count: int, rows: tuple[str, ...], keep: Path | None) -> dict[str, Any]:
    """Tries each command once, whatever `count` is; `rows` names commands, and `keep` is not used."""
    warm(heavy=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sound = Sources(folder)
        with tmpfs(folder / "disk") as mounted:
            found = list(try_all(sound, folder / "disk", "full disk" if mounted else "file size limit", rows))
        (folder / "closed").mkdir()
        found += try_all(sound, folder / "closed", "no permission", rows)
        for args in PRINTERS:
            name = " ".join(arg for arg in args if isinstance(arg, str))
            found.append(attempt("full standard output", name, args))
    for row in found:
        row["says"] = " ".join(row["says"].split())[:300]
    faults = sum(row["outcome"] != "one line" or row["left"] in BAD for row in found)
    return {"tmpfs": mounted, "rows": found, "faults": faults}
