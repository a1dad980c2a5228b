"""Measures the size of the image and of its parts."""

from __future__ import annotations

from pathlib import Path

from jetson_emulation.engine import Engine
from jetson_emulation.steps import require, say

LIMIT = 250e6
"""Size in bytes that the uncompressed image must not reach."""


def report(engine: Engine, name: str) -> None:
    """Prints the image's size, compressed and uncompressed, and that of each part.

    Raises:
        EmulationError: the image is too large.
    """
    with engine.files(name) as root:
        total = weigh(root)
        parts = {
            "Python and its library": [*root.glob("usr/lib/python3*"), *root.glob("usr/bin/python3*")],
            "numpy": packages(root, "numpy"),
            "Pillow": [*packages(root, "PIL"), *packages(root, "pillow")],
            "the runtime": [*packages(root, "ai_edge_litert"), *packages(root, "tflite_runtime")],
            "edgezoo": packages(root, "zoo"),
            "click, rich, tflite, flatbuffers": [
                p for n in ("click", "rich", "tflite", "flatb") for p in packages(root, n)
            ],
        }
        parts["the runtime"] = sorted(set(parts["the runtime"]))
        runtime = set(parts["the runtime"])
        sizes = {
            label: sum(weigh(path) for path in set(paths) - (runtime if label != "the runtime" else set()))
            for label, paths in parts.items()
        }
    sizes["C library and others"] = total - sum(sizes.values())
    say(f"  {total / 1e6:.0f} MB unpacked, {engine.compressed(name) / 1e6:.0f} MB compressed")
    for label, size in sorted(sizes.items(), key=lambda item: -item[1]):
        say(f"    {size / 1e6:6.1f} MB  {label}")
    require(total < LIMIT, f"the image has {total / 1e6:.0f} MB, the limit is {LIMIT / 1e6:.0f} MB")


def packages(root: Path, prefix: str) -> list[Path]:
    """Lists the files of a Python package: its folder, its libraries, its metadata."""
    return list(root.glob(f"opt/zoo/lib/python3*/site-packages/{prefix}*"))


def weigh(path: Path) -> int:
    """Returns the size in bytes of a file, or of all files below a folder, without links."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink())
