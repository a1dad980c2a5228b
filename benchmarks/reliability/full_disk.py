"""Runs each command that writes on a full disk and without permissions.

The full disk is a tmpfs of a few megabytes if root can mount one; otherwise a limit on the size of files
(RLIMIT_FSIZE) replaces it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reliability.commands import run, warm, without_privileges
from benchmarks.reliability.sources import CELL, DIGITS, MODEL, Args, Sources

OLD = b"what was there before"
SECONDS = 600
BAD = ("OLD FILE LOST", "NOT RESUMED", "leftovers")
"""What must not be left."""
SIZE = 16 << 20
"""Bytes of the disk."""
TENSORFLOW = "__autograph_generated_file"
"""The beginning of names of files that TensorFlow removes at the end of a process, but not at that of a fork."""
BALLAST = "ballast"
"""The file that fills the disk."""
FREE = 12_000
"""Bytes that are left on a full disk, fewer than most files need."""


@dataclass(frozen=True)
class Writer:
    """A command and the file or folder that it writes."""

    name: str
    args: Args
    target: str = ""
    """The path of the output below the full folder; empty for a command that writes elsewhere."""
    old: bool = True
    """Whether the output exists before."""
    free: int = FREE
    """Bytes that are left on the disk."""
    variable: str = ""
    """The variable that names the full folder: that of the user's cache, or of temporary files."""
    when: str = ""
    """The file below the target with which the disk fills up while the command runs; by default it is full before."""


def writers(sound: Sources, place: Path) -> list[Writer]:
    """Lists all commands that write, with outputs in a folder."""
    board = ("choose", "mobilenet_v2", "--num-classes", "10", "--from", sound.board)
    build = ("build", "lenet", "--out", place, "--export")
    evaluate = ("evaluate", MODEL, sound.data, "--confusion")
    train = ("train", "lenet", sound.data, "--out", place / "run", "--epochs")
    measure = (*CELL, "--runs", "1")
    int8 = ("build", "lenet", "--export", "onnx", "--quantize", "int8", "--out", sound.folder / "elsewhere")
    return [
        Writer("build, .keras", (*build, "keras"), "lenet.keras"),
        Writer("build, .tflite", (*build, "tflite"), "lenet.tflite"),
        Writer("build, SavedModel", (*build, "savedmodel"), "lenet_savedmodel", old=False),
        Writer("export", ("export", sound.keras, "--out", place), "lenet.tflite"),
        Writer("train, full before", (*train, "1"), "run", old=False),
        Writer("train, full after a checkpoint", (*train, "12"), "run", old=False, when="state.npz"),
        Writer("evaluate --confusion .png", (*evaluate, place / "m.png"), "m.png"),
        Writer("info --plot", ("info", "mobilenet_v2", "--plot", place / "net.svg"), "net.svg"),
        Writer("choose --plot", (*board, "--plot", place / "front.png"), "front.png"),
        Writer("choose --files", (*CELL, "--files", place / "cells"), "cells", old=False),
        Writer("choose, its cache", measure, old=False, free=0, variable="XDG_CACHE_HOME"),
        Writer("choose, its temporary files", measure, old=False, variable="TMPDIR"),
        Writer("build, .onnx in int8, its temporary files", int8, old=False, variable="TMPDIR"),
        Writer("benchmark, its temporary files", ("benchmark", MODEL, "--runs", "1"), old=False, variable="TMPDIR"),
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
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    mounted = os.getuid() == 0 and not subprocess.run(command, capture_output=True, check=False).returncode
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, free: int) -> None:
    """Fills a disk except for some bytes."""
    space = os.statvfs(folder)
    # A command that writes meanwhile may take the last of it.
    with contextlib.suppress(OSError), (folder / BALLAST).open("wb") as file:
        file.write(bytes(max(0, space.f_bavail * space.f_frsize - free)))


def fill_after(file: Path, folder: Path, free: int) -> None:
    """Fills a disk once, as soon as a file is there."""
    if file.exists() and not (folder / BALLAST).exists():
        fill(folder, free)


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


def attempt(
    how: str, name: str, args: Args, variables: Mapping[str, str] | None = None, meanwhile: Callable[[], object] = int
) -> dict[str, Any]:
    """Runs a command that cannot write; returns what it says, and nothing as `left`.

    Args:
        how: the fault.
        name: the name of the command.
        args: its arguments.
        variables: what is different in its environment.
        meanwhile: see `commands.call`.
    """

    def prepare() -> None:
        os.environ.update(variables or {})
        tempfile.tempdir = None  # which was found in the old environment
        IN_CHILD[how]()

    ended = run(args, seconds=SECONDS, prepare=prepare, meanwhile=meanwhile)
    outcome = "one line" if ended.outcome == "refused" and ended.err.count("\n") == 1 else ended.outcome
    return {"how": how, "command": f"zoo {name}", "outcome": outcome, "left": "", "says": ended.err}


def try_all(sound: Sources, place: Path, how: str, only: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Runs each command that writes, in a folder of its own that is full or not writable."""
    for i, name in enumerate(writer.name for writer in writers(sound, place)):
        here = place / str(i)
        writer = writers(sound, here)[i]
        # Only a disk of ours fills up, and where nothing may be written Python takes another place for temporary files.
        impossible = (writer.when and how != "full disk") or (writer.variable == "TMPDIR" and how == "no permission")
        if impossible or (only and name not in only):
            continue
        here.mkdir()
        target = here / writer.target
        if writer.old:
            target.write_bytes(OLD)

        if how == "no permission":
            here.chmod(0o555)
        elif how == "full disk" and not writer.when:
            fill(place, writer.free)
        variables = {writer.variable: str(here)} if writer.variable else {}
        meanwhile = functools.partial(fill_after, target / writer.when, place, writer.free) if writer.when else int
        row = attempt(how, name, writer.args, variables, meanwhile)
        (place / BALLAST).unlink(missing_ok=True)
        yield row | {"left": left_of(writer, target), "says": row["says"].replace(str(here), "DISK")}
        here.chmod(0o755)
        shutil.rmtree(here)


def left_of(writer: Writer, target: Path) -> str:
    """Says what a command that could not write has left; a training is resumed, now that there is room."""
    if writer.old:
        return "old file intact" if target.read_bytes() == OLD else "OLD FILE LOST"
    if writer.when and (target / writer.when).exists():
        done = run(["train", "--resume", target], seconds=SECONDS)
        if done.code:
            sys.stderr.write(f"{done.outcome}: {done.err}")
        return "NOT RESUMED" if done.code else "resumed with room"
    left = [path for path in target.rglob("*") if not path.is_dir() and not path.name.startswith(TENSORFLOW)]
    return "leftovers" if left else "nothing"


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
