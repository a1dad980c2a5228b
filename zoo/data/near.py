"""Finds held-out pictures that look almost like a training picture, as frames of one film do.

A picture's print is its `SIDE` x `SIDE` thumbnail in colour. Two pictures are almost alike if their prints, or the
print of one and the mirrored print of the other, correlate at `ALIKE` or more: a photo that was compressed again, made
brighter, turned by two degrees or cut by two per cent reaches that, two pictures of the same kind of thing do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from zoo.inputs.pictures.scaling import scaled

Array = npt.NDArray[Any]

SIDE = 12
"""Width and height of a print in pixels."""
ALIKE = 0.975
"""The least correlation of prints that counts as almost alike."""
FLAT = 4.0
"""Prints with a smaller standard deviation, of 255, show nothing that could be compared."""
MOST_PAIRS = 1 << 30
"""Pairs compared at most; of larger data, the held-out pictures are sampled. So many take some seconds."""
_BLOCK = 1 << 22
"""Pairs compared at a time."""


@dataclass(frozen=True)
class Near:
    """A held-out picture and the training picture that it looks like."""

    held_out: int
    """Index of the held-out picture."""
    training: int
    """Index of the training picture."""
    likeness: float
    """Correlation of the prints, up to 1."""


def print_of(pixels: Array) -> Array:
    """Returns the print of a picture: `(SIDE, SIDE, 3)`, uint8.

    Args:
        pixels: `(height, width, 1 or 3)`, uint8.
    """
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    return np.asarray(scaled(picture.convert("RGB"), (SIDE, SIDE), how=Image.Resampling.BOX))


def near_copies(training: Sequence[Array], held_out: Sequence[Array]) -> tuple[list[Near], int]:
    """Finds the held-out pictures with a training picture that is almost alike.

    Args:
        training: the prints of the training pictures.
        held_out: the prints of the held-out pictures.

    Returns:
        For each such picture its closest training picture, the closest pair first; and how many were compared.
    """
    if not training or not held_out:
        return [], 0
    step = -(-len(training) * len(held_out) // MOST_PAIRS)
    rows = np.arange(0, len(held_out), step)
    theirs = _unit(np.stack(training)).T
    asked = np.stack([held_out[int(row)] for row in rows])
    found = []
    size = max(1, _BLOCK // len(training))
    for begin in range(0, len(rows), size):
        part = asked[begin : begin + size]
        likeness = np.maximum(_unit(part) @ theirs, _unit(part[:, :, ::-1]) @ theirs)
        best = likeness.argmax(axis=1)
        for i, column in enumerate(best):
            if likeness[i, column] >= ALIKE:
                found.append(Near(int(rows[begin + i]), int(column), min(1.0, float(likeness[i, column]))))
    return sorted(found, key=lambda near: (-near.likeness, near.held_out)), len(rows)


def _unit(prints: Array) -> Array:
    """Returns prints as vectors of length 1 and mean 0, `(count, SIDE * SIDE * 3)` float32; of flat ones, zeros."""
    vectors = prints.reshape(len(prints), -1).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    flat = lengths < FLAT * np.sqrt(vectors.shape[1])
    unit: Array = np.where(flat, 0, vectors / np.maximum(lengths, 1e-6))
    return unit
