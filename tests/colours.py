"""A small Keras detector with known weights, and pictures for it: it finds what is red, green or blue.

Each cell of a grid is an anchor. The scores of a cell are the sigmoids of how full it is of each colour; its box is a
little larger than the cell and beside it, so that a box that is decoded wrongly shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]

LABELS = ["red", "green", "blue", "none"]
SIDE, GRID = 64, 4
CELL = SIDE // GRID


def detector(classes: int = 3, *, swapped: bool = False, trained: bool = True) -> Any:
    """The model; a fourth class is never found, swapped outputs are scores and boxes, and one untrained is random."""
    import keras
    from keras import layers

    from zoo.models.detectors.anchored import Anchors

    pixels = keras.Input((SIDE, SIDE, 3), name="pixels")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(pixels)

    def head(name: str, kernel: Array, bias: Sequence[float]) -> Any:
        start = keras.initializers.Constant(-4.6) if name == "class" else "zeros"
        layer = layers.Conv2D(len(bias), CELL, CELL, bias_initializer=start, name=f"ssd_{name}")
        found = layers.Reshape((GRID * GRID, len(bias)), name=f"ssd_{name}_rows")(layer(x))
        if trained:
            layer.set_weights([kernel.astype(np.float32), np.array(bias, np.float32)])
        return found

    boxes = np.zeros((CELL, CELL, 3, 4))
    boxes[..., 0, 0] = 0.3 / CELL**2  # the more red, the lower
    scores = np.zeros((CELL, CELL, 3, classes))
    for colour in range(3):
        scores[..., colour, colour] = 6 / CELL**2
    boxes = Anchors([(GRID, GRID)], [[(1 / GRID, 1 / GRID)]], name="boxes")(head("box", boxes, [0.5, -0.5, 0.4, 0.4]))
    made = layers.Activation("sigmoid", name="scores")(head("class", scores, [0.0, 0.0, 0.0, -6.0][:classes]))
    return keras.Model(pixels, [made, boxes] if swapped else [boxes, made], name="colours")


def pictures(count: int = 24, seed: int = 0) -> Array:
    """`(count, 64, 64, 3)` float32: dark noise with some cells full of a colour, more or less bright."""
    rng = np.random.default_rng(seed)
    made = rng.integers(0, 60, (count, SIDE, SIDE, 3)).astype(np.float32)
    for picture in made:
        for cell in rng.choice(GRID * GRID, 4, replace=False):
            row, column = divmod(int(cell), GRID)
            part = picture[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
            part[..., rng.integers(3)] = rng.integers(170, 256, (CELL, CELL))
    return made


def truth(picture: Array) -> list[tuple[str, int, int]]:
    """The colour, row and column of each cell that is full of one."""
    cells = picture.reshape(GRID, CELL, GRID, CELL, 3).mean(axis=(1, 3))
    return [(LABELS[colour], row, column) for row, column, colour in np.argwhere(cells > 127).tolist()]


def save(folder: Path, count: int = 24) -> list[Path]:
    """Writes the pictures as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{i:02}.png" for i in range(count)]
    for path, pixels in zip(paths, pictures(count), strict=True):
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return paths
