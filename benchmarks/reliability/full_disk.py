"""Runs each command that writes on a full disk and without permissions.

The full disk is a tmpfs of a few megabytes if root can mount one; otherwise a limit on the size of files
(RLIMIT_FSIZE) replaces it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reliability.bad_pictures import make_data
from benchmarks.reliability.commands import must, run, warm, without_privileges
from benchmarks.reliability.mutated_models import MODEL

OLD = b"what was there before"
SECONDS = 300
SMALL = ("choose", "mobilenet_v2", "--alpha", "0.35", "--input-size", "96", "--quantize", "none")
BAD = ("OLD FILE LOST", "NOT RESUMED", "leftovers")
"""What must not be left."""
FREE = 12_000
"""Bytes that are left on the disk, fewer than most files need."""


@dataclass(frozen=True)
class Writer:
    """A command and the file or folder that it writes."""

    name: str
    args: tuple[str | Path, ...]
    target: str
    """The path of the output below the full folder."""
    old: bool = True
    """Whether the output exists before."""
    free: int = FREE
    """Bytes that are left on the disk."""
    cache: bool = False
    """Whether the command writes to the user's cache instead."""


def writers(sources: Path, place: Path) -> list[Writer]:
    """Lists all commands that write, with outputs in a folder."""
    data = sources / "data"
    board = ("choose", "mobilenet_v2", "--num-classes", "10", "--from", sources / "board.json")
    build = ("build", "lenet", "--out", place, "--export")
    return [
        Writer("build, .keras", (*build, "keras"), "lenet.keras"),
        Writer("build, .tflite", (*build, "tflite"), "lenet.tflite"),
        Writer("build, SavedModel", (*build, "savedmodel"), "lenet_savedmodel", old=False),
        Writer("export", ("export", sources / "lenet.keras", "--out", place), "lenet.tflite"),
        # There is room for the checkpoint of the first epoch, but not for a second one beside it.
        Writer("train", ("train", "lenet", data, "--epochs", "3", "--out", place / "run"), "run", False, 1_300_000),
        Writer("evaluate --confusion .png", ("evaluate", MODEL, data, "--confusion", place / "m.png"), "m.png"),
        Writer("info --plot", ("info", "mobilenet_v2", "--plot", place / "net.svg"), "net.svg"),
        Writer("choose --plot", (*board, "--plot", place / "front.png"), "front.png"),
        Writer("choose --files", (*SMALL, "--files", place / "cells"), "cells", old=False),
        Writer("choose, its cache", (*SMALL, "--runs", "1"), "edgezoo", old=False, free=0, cache=True),
    ]


def prepare(folder: Path) -> None:
    """Makes the files that the commands read."""
    make_data(folder / "data", {}, copies=4)
    cells = folder / "cells"
    commands: list[tuple[str | Path, ...]] = [
        ("build", "lenet", "--export", "keras", "--out", folder),
        (*SMALL, "--num-classes", "10", "--files", cells),
    ]
    for args in commands:
        must(args)
    (cell,) = cells.iterdir()
    board = must(["benchmark", cell, "--runs", "2", "--json"])
    (folder / "board.json").write_text(board.out)


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


def attempt(writer: Writer, place: Path, prepare_child: Callable[[], object]) -> dict[str, Any]:
    """Runs a command that cannot write; returns what it says and which files it leaves."""
    target = place / writer.target
    before = {path.name for path in place.iterdir()} | {writer.target if writer.old else ""}
    ended = run(writer.args, seconds=SECONDS, prepare=prepare_child)
    if writer.old:
        kept = "old file intact" if target.read_bytes() == OLD else "OLD FILE LOST"
    elif writer.name == "train":
        kept = resumed(target) if target.exists() else "nothing"
    else:
        kept = "nothing" if not _files(place, before) else "leftovers"
    return {
        "command": f"zoo {writer.name}",
        "outcome": "one line" if ended.outcome == "refused" and ended.err.count("\n") == 1 else ended.outcome,
        "left": kept,
        "says": " ".join(ended.err.split())[:300].replace(str(place), "DISK"),
    }


def resumed(run_folder: Path) -> str:
    """Whether a training can be resumed when there is room again."""
    (run_folder.parent.parent / "ballast").unlink(missing_ok=True)
    done = run(["train", "--resume", run_folder], seconds=SECONDS)
    return "resumed with room" if done.code == 0 else "NOT RESUMED"


def _files(place: Path, before: set[str]) -> list[Path]:
    return [path for path in place.rglob("*") if path.is_file() and path.relative_to(place).parts[0] not in before]


def try_all(sources: Path, place: Path, how: str, only: tuple[str, ...]) -> list[dict[str, Any]]:
    """Runs each command in turn, in a folder that is full or not writable."""
    rows = []
    for i in range(len(writers(sources, place))):
        here = place / str(i)
        writer = writers(sources, here)[i]
        if only and writer.name not in only:
            continue
        here.mkdir()
        if writer.old:
            (here / writer.target).write_bytes(OLD)
        if how == "no permission":
            here.chmod(0o555)
        elif how == "full disk":
            fill(place, writer.free)
        prepare_child = functools.partial(in_child, how, here if writer.cache else None)
        rows.append({"how": how, **attempt(writer, here, prepare_child)})
        here.chmod(0o755)
        subprocess.run(["rm", "-rf", str(here), str(place / "ballast")], check=True)
    return rows


def in_child(how: str, cache: Path | None) -> None:
    """Prepares the process of the command alone."""
    if cache is not None:
        os.environ["XDG_CACHE_HOME"] = str(cache)
    if how == "no permission":
        without_privileges()
    elif how == "file size limit":
        limit_files()


def to_full_output() -> list[dict[str, Any]]:
    """Runs commands whose standard output is on a full disk: `zoo run ... > file`."""

    def redirect() -> None:
        os.dup2(os.open("/dev/full", os.O_WRONLY), 1)

    rows = []
    digits = MODEL.parent / "pictures"
    commands: list[list[str | Path]] = [
        ["--help"],
        ["list"],
        ["list", "--json"],
        ["run", MODEL, digits],
        ["run", MODEL, digits, "--csv"],
        ["evaluate", MODEL, digits, "--json"],
        ["inspect", MODEL, "--json"],
    ]
    for args in commands:
        ended = run(args, prepare=redirect)
        name = " ".join(str(arg) for arg in args if not isinstance(arg, Path))
        good = ended.outcome == "refused" and ended.err.count("\n") == 1
        word = "one line" if good else ended.outcome
        said = " ".join(ended.err.split())[:300]
        rows.append(
            {"how": "full standard output", "command": f"zoo {name}", "outcome": word, "left": "", "says": said}
        )
    return rows


def measure(count: int, rows: tuple[str, ...], keep: Path | None) -> dict[str, Any]:
    """Tries each command once, whatever `count` is; `rows` names commands, and `keep` is not used."""
    warm(heavy=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "sources").mkdir()
        prepare(folder / "sources")
        with tmpfs(folder / "disk") as mounted:
            found = try_all(folder / "sources", folder / "disk", "full disk" if mounted else "file size limit", rows)
        (folder / "closed").mkdir()
        found += try_all(folder / "sources", folder / "closed", "no permission", rows)
        found += to_full_output()
    faults = sum(row["outcome"] != "one line" or row["left"] in BAD for row in found)
    return {"tmpfs": mounted, "rows": found, "faults": faults}
