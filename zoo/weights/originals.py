"""Matches the layers of another program's file with ours, by the names that the program gives its own layers.

Which names an architecture's layers have there is in its file in `zoo.models`, see `zoo.published.Original`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from zoo.errors import WeightsError
from zoo.published import Original
from zoo.weights.formats.files import Layer
from zoo.weights.formats.named import Array, Named


def match(named: Named, ours: Sequence[Layer], known: Sequence[Original], path: Path) -> tuple[Original, list[Layer]]:
    """Finds the program that wrote a file, and returns its layers in our order and with the axes of Keras.

    The head may be missing in the file.

    Args:
        named: the file's arrays.
        ours: the layers of our model that have weights, in order.
        known: the programs whose names of our architecture's layers are known.
        path: the file's path, for messages.

    Raises:
        WeightsError: the file is of another architecture, or of another size of it; the message names a layer.
    """
    rows = [(one, row) for one in known for row in one.layers if len(row) == len(ours)]
    if not rows:
        raise WeightsError(
            f"{path} does not say in which order its layers are, and their names are not known for this model; convert "
            "it to a .keras or .h5 file"
        )
    original, names = max(rows, key=lambda row: len(named.layers.intersection(row[1])))
    found = named.layers
    missing = [name for name in names[:-1] if name not in found]
    if missing:
        raise WeightsError(
            f"{path} does not fit: it has no layer {missing[0]!r}, which {original.program} gives this model"
        )
    strange = sorted(found - set(names))
    if strange:
        raise WeightsError(
            f"{path} does not fit: it has a layer {strange[0]!r}, which {original.program} does not give this model"
        )
    layers = [_layer(named, layer, name) for layer, name in zip(ours, names, strict=True) if name in found]
    return original, layers


def _layer(named: Named, ours: Layer, name: str) -> Layer:
    """Returns a layer of the file with arrays as Keras arranges them; those that it lacks are left out."""
    arrays = tuple(_arrays(named, ours, name))
    return Layer(name, ours.kind, tuple(array for _, array in arrays), tuple(own for own, _ in arrays))


def _arrays(named: Named, ours: Layer, name: str) -> Iterator[tuple[str, Array]]:
    for own, part, axes in named.program.kinds.get(ours.kind, ()):
        array = named.arrays.get(f"{name}{named.program.separator}{part}")
        if array is None:
            continue
        if axes is not None and array.ndim == len(axes):
            array = array.transpose(axes)
        yield own, np.ascontiguousarray(array, np.float32)
