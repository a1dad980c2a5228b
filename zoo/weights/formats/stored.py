"""Opens Keras files from untrusted sources: the one place where a file's parts are checked before they are used.

`files` reads what is opened here, and Keras is given a file only after this check.
"""

from __future__ import annotations

import contextlib
import json
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.errors import UnsafeFileError, WeightsError, first_line
from zoo.system.archives import ArchiveError, RefusedArchiveError, open_archive
from zoo.weights.formats import config as configs
from zoo.weights.formats import hdf5, keras2

_CONFIG, _WEIGHTS, _METADATA = "config.json", "model.weights.h5", "metadata.json"
_PARTS = {_CONFIG: configs.MAX_BYTES, _METADATA: 1 << 20, _WEIGHTS: sys.maxsize}
"""The parts of a `.keras` file, with the most bytes of each. Only layers that are refused have `assets`."""


@dataclass(frozen=True)
class Source:
    """An open file whose parts have passed the checks."""

    path: Path
    config: dict[str, Any] | None
    """The configuration of its model; None for a file that has weights only."""
    arrays: Any
    """An `h5py.File`."""
    values: int
    """How many values the arrays hold in all."""
    version: str = ""
    """The version of Keras that wrote it, as far as the file says."""
    old: bool = False
    """Whether Keras 2 wrote its model; the configuration is translated then, see `keras2`."""
    fault: str = ""
    """Why the configuration could not be translated; it is as Keras 2 wrote it then."""


@contextlib.contextmanager
def opened(path: Path, *, whole: bool = False) -> Iterator[Source]:
    """Opens a `.keras`, `.h5` or `.weights.h5` file if everything in it is harmless, without reading an array.

    Args:
        path: the path of the file.
        whole: whether a whole model is wanted, for the error message.

    Raises:
        UnsafeFileError: the file could run code, leads to other files, or claims more data than it holds.
        WeightsError: the file is damaged, or is not a Keras file.
    """
    with contextlib.ExitStack() as stack:
        whole = whole or path.suffix == ".keras"
        failed = f"cannot load {path} as a Keras model" if whole else f"cannot read weights from {path}"
        try:
            source = _open_archive(path, stack) if path.suffix == ".keras" else _open_hdf5(path, stack)
            source = _translated(source)
            if source.config is not None:
                configs.require_harmless(source.config, path)
        except RefusedArchiveError as error:
            raise UnsafeFileError(f"{path} is refused: {error}; ask for a file as Keras itself saves it") from error
        except WeightsError:
            raise
        # h5py raises errors of many types.
        except Exception as error:
            raise WeightsError(f"{failed}: {first_line(error)}") from error
        yield source


def require_room_for(source: Source) -> None:
    """Refuses a whole model that is larger than its file, before Keras makes room for it.

    Raises:
        UnsafeFileError: the model is larger.
    """
    import keras
    from keras.src.legacy.saving import saving_options, saving_utils

    config = dict(source.config or {}, compile_config=None)

    def build() -> Any:
        if source.path.suffix == ".keras":
            return keras.saving.deserialize_keras_object(config, safe_mode=True)
        with saving_options.keras_option_scope(use_legacy_config=True):
            return saving_utils.model_from_config(config)

    configs.require_room(build, source.values, source.path)


def _translated(source: Source) -> Source:
    """The file with the configuration of Keras 2 as Keras 3 reads it, where Keras 2 wrote it."""
    if source.config is None or not keras2.is_old(source.version, source.config):
        return source
    try:
        return replace(source, config=keras2.translate(source.config), old=True)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:  # it may be damaged in any way
        return replace(source, old=True, fault=first_line(error))


def _open_archive(path: Path, stack: contextlib.ExitStack) -> Source:
    file = stack.enter_context(path.open("rb"))
    archive = stack.enter_context(open_archive(file, _PARTS.get))
    try:
        text, weights = archive.read(_CONFIG), archive.read(_WEIGHTS)
        about = archive.read(_METADATA) if _METADATA in archive.namelist() else b""
    except KeyError as error:
        raise ArchiveError(f"it has no {_CONFIG} or no {_WEIGHTS}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ArchiveError(f"its parts are damaged: {error}") from error
    found = stack.enter_context(hdf5.opened(weights, path))
    return Source(path, configs.parse(text, path), found.file, found.values, _version(about))


def _open_hdf5(path: Path, stack: contextlib.ExitStack) -> Source:
    found = stack.enter_context(hdf5.opened(path, path))
    text = found.file.attrs.get("model_config")
    config = None if text is None else configs.parse(text, path)
    version = found.file.attrs.get("keras_version", "")
    return Source(
        path, config, found.file, found.values, version.decode() if isinstance(version, bytes) else str(version)
    )


def _version(metadata: bytes) -> str:
    try:
        about = json.loads(metadata)
    except ValueError:
        return ""
    return str(about.get("keras_version", "")) if isinstance(about, dict) else ""
