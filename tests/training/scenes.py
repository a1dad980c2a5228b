"""Pictures of bright shapes on noise, with their boxes in YOLO's format, which a small detector learns in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

NAMES = ("blue", "red")
SIZE = (96, 96)


def draw_scenes(root: Path, count: int = 24) -> Path:
    """Writes pictures with up to three squares each, of two colours, and a few without any."""
    random = np.random.default_rng(0)
    for split, number in (("train", count), ("valid", max(4, count // 3))):
        for part in ("images", "labels"):
            (root / split / part).mkdir(parents=True)
        for i in range(number):
            pixels: Any = random.integers(60, 120, (*SIZE, 3), np.uint8)
            lines = []
            for cell in random.permutation(4)[: i % 4]:
                side = int(random.integers(24, 44))
                left = int(cell % 2 * 48 + random.integers(0, 48 - side + 1))
                top = int(cell // 2 * 48 + random.integers(0, 48 - side + 1))
                which = int(random.integers(0, 2))
                pixels[top : top + side, left : left + side] = (20, 20, 250) if which == 0 else (250, 20, 20)
                box = ((left + side / 2) / 96, (top + side / 2) / 96, side / 96, side / 96)
                lines.append(" ".join([str(which), *(f"{one:.6f}" for one in box)]))
            Image.fromarray(pixels).save(root / split / "images" / f"{i}.png")
            (root / split / "labels" / f"{i}.txt").write_text("\n".join(lines))
    (root / "data.yaml").write_text(f"train: train/images\nval: valid/images\nnames: {list(NAMES)}\n")
    return root
