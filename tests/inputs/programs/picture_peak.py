"""Measures the peak memory of decoding, of each line `[FILE, THREADS, PIXELS]` in a fork of this process.

The lines are JSON, and the pixels, which may be left out, those of the budget. For each it prints a JSON list: the
bytes that were used, the largest estimate for one picture, and the number of decoded pictures.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any
from unittest.mock import patch

from PIL import Image

from zoo.inputs.pictures import images, picture_memory
from zoo.inputs.pictures.formats import PLUGINS, is_installed


def peak() -> int:
    """Returns the peak memory of this process so far, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def warm_up() -> None:
    """Loads all decoders, and everything else that the first decoding needs."""
    for kind in PLUGINS:
        is_installed(kind)
    small = io.BytesIO()
    Image.new("RGB", (300, 300)).save(small, "PNG")
    small.seek(0)
    images.load_image(small, 96, 96)


def measure(path: str, count: int, pixels: int | None = None) -> None:
    """Decodes the file in several threads at the same time."""
    needed: list[int] = []
    really = picture_memory.needed

    def noted(*given: Any) -> int:
        needed.append(really(*given))
        return needed[-1]

    if pixels is not None:
        images.BUDGET = picture_memory.budget(pixels)
    before = peak()
    threads = [threading.Thread(target=images.load_image, args=(path, 96, 96, 3)) for _ in range(count)]
    with patch.object(picture_memory, "needed", noted):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    sys.stdout.write(json.dumps([peak() - before, max(needed), len(needed)]) + "\n")
    sys.stdout.flush()


warm_up()
for line in sys.stdin:
    # The peak of a fork begins with what this process has then.
    child = os.fork()
    if child == 0:
        measure(*json.loads(line))
        os._exit(0)
    os.waitpid(child, 0)
