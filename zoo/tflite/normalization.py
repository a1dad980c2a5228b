"""Reads the normalization of pixels that a float model expects, from the TFLite metadata of files by other tools.

Files of this package take raw pixels. Many others, such as Teachable Machine's, expect scaled ones and state that in
the public metadata schema (`metadata_schema.fbs`, identifier M001). Numbers below are slots of its tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zoo.errors import ModelFileError
from zoo.tflite.flatbuffer import Reader
from zoo.tflite.modelfile import MAX_ENTRIES, ModelFile

if TYPE_CHECKING:
    import numpy.typing as npt

ENTRY = "TFLITE_METADATA"
"""Name of the metadata entry that holds the normalization."""
IDENTIFIER = b"M001"
"""File identifier of the flatbuffer in that entry."""
_NORMALIZATION_OPTIONS = 1


class Normalization(NamedTuple):
    """A normalization of pixels, (pixel - mean) / std, with one value for all channels or one for each."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def from_range(cls, low: float, high: float) -> Normalization:
        """Returns the normalization that maps 0..255 to `low`..`high`."""
        scale = (high - low) / 255
        return cls((-low / scale,), (1 / scale,))

    @property
    def is_identity(self) -> bool:
        """Whether raw pixels stay as they are."""
        return set(self.mean) == {0.0} and set(self.std) == {1.0}

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Converts pixels `(..., channels)`, 0..255, to the values that the model takes."""
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return (pixels.astype(np.float32) - mean) / std


def stated(file: ModelFile) -> Normalization | None:
    """Returns the normalization of the first input in a file's metadata; None if there is no valid one.

    Raises:
        ModelFileError: the metadata is damaged.
    """
    blob = file.metadata.get(ENTRY)
    if not blob:
        return None
    try:
        root = Reader(blob).root(IDENTIFIER)
        for subgraph in root.tables(3, "graphs", MAX_ENTRIES):
            for tensor in subgraph.tables(2, "tensors", MAX_ENTRIES):
                for unit in tensor.tables(4, "process units", MAX_ENTRIES):
                    options = unit.table(1) if unit.number(0, "B") == _NORMALIZATION_OPTIONS else None
                    if options is not None:
                        mean, std = (options.array(slot, "<f4", "means and stds", MAX_ENTRIES) for slot in (0, 1))
                        return _checked(mean, std)
                return None
    except ModelFileError as error:
        raise ModelFileError(f"{file.path} has damaged metadata: {error}") from error
    return None


def _checked(mean: npt.NDArray[np.float32], std: npt.NDArray[np.float32]) -> Normalization | None:
    if not len(mean) or not len(std) or not np.isfinite([*mean, *std]).all() or not std.all():
        return None
    return Normalization(tuple(map(float, mean)), tuple(map(float, std)))
