"""Reads the checkpoint of a TensorFlow 1 program from an archive, such as those of EfficientNet-Lite.

An archive is looked through part by part: only the two files of the checkpoint are taken, under names of our own, and
its other parts are never written anywhere. The sizes of all arrays are compared with the file's before one is read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.errors import UnsafeFileError, WeightsError, first_line
from zoo.files.writing import temporary
from zoo.registry import needs_tensorflow
from zoo.system.archives import ArchiveError, RefusedArchiveError
from zoo.weights.fetch import tar
from zoo.weights.formats.named import TENSORFLOW_1, Named

SUFFIXES = (".tar.gz", ".tgz")
AVERAGE = "/ExponentialMovingAverage"
"""The end of the name of a variable's moving average, which was kept in the training and is what was evaluated."""
MOST = {"index": 64 << 20, "data-00000-of-00001": 1 << 30}
"""The most bytes of the two files of a checkpoint, by their suffixes."""


def is_archive(path: Path) -> bool:
    """Whether a path is that of an archive, by its name."""
    return path.name.endswith(SUFFIXES)


def read(path: Path) -> Named:
    """Reads the checkpoint in an archive; where a variable has a moving average, that is taken.

    Raises:
        UnsafeFileError: the archive looks like an attack, or its checkpoint claims more data than it holds.
        WeightsError: the file is missing or damaged, or holds no checkpoint.
        MissingDependencyError: TensorFlow is not installed.
    """
    try:
        with temporary() as folder:
            sizes = tar.take(path, MOST, folder / "checkpoint")
            if set(sizes) != set(MOST):
                raise WeightsError(
                    f"{path} holds no checkpoint of TensorFlow 1: one file that ends in .index, and one in "
                    ".data-00000-of-00001"
                )
            return _read(path, folder / "checkpoint", sizes["data-00000-of-00001"])
    except RefusedArchiveError as error:
        raise UnsafeFileError(f"{path} is refused: {error}") from error
    except (OSError, ArchiveError) as error:
        raise WeightsError(f"cannot read weights from {path}: {first_line(error)}") from error


def _read(path: Path, prefix: Path, held: int) -> Named:
    """Reads the checkpoint whose files begin with a prefix and hold so many bytes of data."""
    with needs_tensorflow():
        import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes: Mapping[str, list[int]] = reader.get_variable_to_shape_map()
        types = reader.get_variable_to_dtype_map()
        names = [name for name in shapes if name.rpartition("/")[2] in TENSORFLOW_1.parts and types[name].is_floating]
        claimed = sum(math.prod(shapes[name]) * types[name].size for name in names)
        if claimed > held:
            raise UnsafeFileError(f"{path} is refused: its variables claim {claimed} bytes, and it holds {held}")
        arrays = {name: _tensor(reader, name, shapes) for name in names}
    except WeightsError:
        raise
    # TensorFlow raises errors of many types, and none of a common one.
    except Exception as error:
        reason = first_line(error).replace(str(prefix), "its checkpoint")
        raise WeightsError(f"cannot read weights from {path}: {reason}") from error
    if not arrays:
        raise WeightsError(f"{path} holds no weights that TensorFlow 1 wrote")
    return Named(TENSORFLOW_1, arrays)


def _tensor(reader: Any, name: str, shapes: Mapping[str, list[int]]) -> Any:
    """Returns a variable's moving average, or the variable where there is none of its shape."""
    average = name + AVERAGE
    return reader.get_tensor(average if shapes.get(average) == shapes[name] else name)
