"""Runs one `zoo run` on many pictures, and samples its memory, which must not grow."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.processes import ZOO, resident
from benchmarks.reliability.sources import MODEL, PICTURE

FOLDER = 1000
"""Number of names of the picture in each folder."""
FLAT = 10.0
"""Growth in bytes per picture that counts as none; for 100,000 pictures it would be 1 MB."""
MANY = 20_000
"""Pictures from which the growth is judged; with fewer, a single page of the allocator would look like it."""


def make_links(folder: Path, number: int) -> None:
    """Makes names of one picture, which are all decoded and classified but need no space on the disk."""
    for i in range(number):
        place = folder / f"{i // FOLDER:06}"
        first = place / "0.png"  # one for each folder, because a file can have 65,000 names on many file systems
        if i % FOLDER:
            os.link(first, place / f"{i % FOLDER}.png")
        else:
            place.mkdir(parents=True)
            first.write_bytes(PICTURE.read_bytes())


def measure(count: int, rows: tuple[str, ...], keep: Path | None) -> dict[str, Any]:
    """Runs the command on `count` pictures, and samples its memory 200 times; `rows` and `keep` are not used."""
    samples: list[tuple[int, float]] = []
    named, step = -1, max(1, count // 200)  # the header is no picture
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pictures"
        make_links(folder, count)
        command = [sys.executable, "-c", ZOO, "run", str(MODEL), str(folder), "--csv", "--top-k", "1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stderr
            for _ in process.stdout:
                named += 1
                if named % step == 0:
                    samples.append((named, resident(process.pid)))
            errors = process.stderr.read().count("\n")
            code = process.wait()
    # The first fifth fills pools, caches and the allocator, and does not count.
    settled = np.array([sample for sample in samples if sample[0] >= count / 5 and sample[1] > 0])
    slope = float(np.polyfit(settled[:, 0], settled[:, 1] * 1e6, 1)[0])
    grew = count >= MANY and slope > FLAT
    return {
        "pictures": count,
        "named": named,
        "errors": errors,
        "memory_mb": {"after_a_fifth": round(settled[0, 1], 1), "at_the_end": round(settled[-1, 1], 1)},
        "bytes_a_picture": round(slope, 2),
        "faults": int((named != count) + (code != 0) + errors + grew),
    }
