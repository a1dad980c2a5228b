"""Pictures are read to the same values by old and new versions of Pillow, installed side by side."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

PROGRAM = Path(__file__).parents[1] / "programs" / "picture_digests.py"
VERSIONS = ("10.4.0", "11.3.0", "12.3.0", "13.0.0")
"""Some of those that scale tall pictures in one order, and one that scales them in the other."""


def installed(version: str, folder: Path) -> Path:
    """Installs a Pillow into a folder of its own; skips the test where it cannot be had."""
    place = folder / version
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run(
        [*command, "--target", str(place), f"pillow=={version}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        pytest.skip(f"pillow {version} cannot be had: pip ended with {done.returncode}")
    return place


def draw(folder: Path) -> None:
    """Writes pictures of several formats, modes and shapes, one of them large enough to be decoded at a part."""
    rng = np.random.default_rng(6)
    folder.mkdir()

    def noise(width: int, height: int) -> Image.Image:
        rough = rng.integers(0, 256, (max(1, height // 4), max(1, width // 4), 3), np.uint8)
        return Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC)

    photo = noise(640, 480)
    turned = Image.Exif()
    turned[0x0112] = 6
    photo.save(folder / "large.jpg", quality=90)
    photo.save(folder / "turned.jpg", quality=90, exif=turned)
    photo.convert("L").save(folder / "gray.jpg", quality=90)
    noise(70, 50).save(folder / "small.jpg", quality=90)
    photo.save(folder / "photo.webp", quality=80)
    photo.quantize(32).save(folder / "palette.png")
    clear = noise(90, 60).convert("RGBA")
    clear.putalpha(Image.fromarray(rng.integers(0, 256, (60, 90), np.uint8)))
    clear.save(folder / "alpha.png")
    noise(60, 400).save(folder / "tall.png")
    noise(400, 60).save(folder / "wide.png")


@pytest.mark.long
def test_every_pillow_reads_pictures_to_the_same_values(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    draw(pictures)
    found: dict[str, dict[str, Any]] = {}
    for version in VERSIONS:
        place = installed(version, tmp_path)
        done = subprocess.run(
            [sys.executable, PROGRAM, place, pictures], check=True, capture_output=True, text=True, timeout=300
        )
        found[version] = json.loads(done.stdout)
        assert found[version]["version"] == version
    newest = found[VERSIONS[-1]]
    assert len(newest["pixels"]) == len(list(pictures.iterdir())) * 18
    for version, one in found.items():
        assert one["pixels"] == newest["pixels"], version
    # Pillow's own resize differs for the tall one, so that there was something to find.
    assert {version for version, one in found.items() if one["plain"] == newest["plain"]} == {VERSIONS[-1]}
