"""Runs one `zoo run` on many pictures, and samples its memory, which must not grow.

python -m benchmarks.reliability.stream --count 100000 --json
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.reliability.commands import report
from benchmarks.reliability.mutated_models import MODEL, PICTURE
from benchmarks.reliability.server import SERVE as ZOO

FOLDER = 1000
"""Number of hard links to the picture in each folder."""
FLAT = 10.0
"""Growth in bytes per picture that counts as none; for 100,000 pictures it would be 1 MB."""


def make_links(folder: Path, number: int) -> None:
    """Makes `count` names of one picture, which are all decoded and classified but need no space on the disk."""
    for start in range(0, number, FOLDER):
        place = folder / f"{start:09}"
        place.mkdir()
        for i in range(start, min(start + FOLDER, number)):
            os.link(folder.parent / "original", place / f"{i:09}.png")


def watch(folder: Path, number: int) -> dict[str, Any]:
    """Runs the command and samples its memory, by the number of pictures that it has classified."""
    command = [sys.executable, "-c", ZOO, "run", str(MODEL), str(folder), "--csv", "--top-k", "1"]
    samples: list[tuple[int, float]] = []
    named, step, start = -1, max(1, number // 200), time.monotonic()  # the header
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        for _ in process.stdout:
            named += 1
            if named % step == 0:
                samples.append((named, resident(process.pid)))
        errors = process.stderr.read()
        code = process.wait()
    # The first fifth fills pools, caches and the allocator, and does not count.
    settled = np.array([sample for sample in samples if sample[0] >= number / 5 and sample[1] > 0])
    slope = float(np.polyfit(settled[:, 0], settled[:, 1], 1)[0]) if len(settled) > 2 else 0.0
    return {
        "pictures": number,
        "named": named,
        "exit_code": code,
        "errors": errors.count("\n"),
        "seconds": round(time.monotonic() - start, 1),
        "memory_mb": {
            "after_a_fifth": round(settled[0, 1] / 1e6, 1),
            "at_the_end": round(settled[-1, 1] / 1e6, 1),
            "most": round(max(value for _, value in samples) / 1e6, 1),
        },
        "bytes_a_picture": round(slope, 2),
    }


def resident(pid: int) -> float:
    """Returns the bytes of memory that a process holds now; 0 if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


@click.command(help=__doc__)
@click.option("--count", "number", type=click.IntRange(min=50), default=100_000, show_default=True, help="Pictures.")
@click.option("--json", "as_json", is_flag=True)
def main(number: int, as_json: bool) -> None:
    """Runs the command, prints the results, and judges them."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pictures"
        folder.mkdir()
        (folder.parent / "original").write_bytes(PICTURE.read_bytes())
        make_links(folder, number)
        found = watch(folder, number)
    bad = (found["named"] != number) + bool(found["exit_code"]) + found["errors"]
    # With few pictures a single page of the allocator would look like growth.
    bad += number >= 20_000 and found["bytes_a_picture"] > FLAT
    report(found, bad, as_json)


if __name__ == "__main__":
    main()
