"""Keeps a process of the tests from growing, and from looking again and again through what it keeps to its end."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MOST_MEMORY = 1_500_000_000
"""Bytes that a process of the tests may keep from one file to the next."""

MANY_MODULES = 500
"""The number of newly imported modules from which on they are set aside at once; TensorFlow has more."""

COLLECT_AFTER = 50_000
"""The number of new objects after which the garbage collector looks for cycles; a model of Keras has many."""

_aside = {"modules": 0}
"""How many modules were imported when `_set_aside` was called last."""


def _resident() -> int:
    """Returns the bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _set_aside() -> None:
    """Frees what nothing refers to, and has the garbage collector never again look at what is left.

    The thousands of tests and the modules of TensorFlow are 700,000 objects. The collector takes half a second for
    them, and the export of a model calls it once.
    """
    gc.collect()
    gc.freeze()
    _aside["modules"] = len(sys.modules)


def _set_aside_what_was_imported() -> None:
    if len(sys.modules) > _aside["modules"] + MANY_MODULES:
        _set_aside()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Finds the tests without a look for garbage: nearly all that is made then stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.set_threshold(COLLECT_AFTER)
        _set_aside()


@pytest.fixture(autouse=True)
def _set_modules_aside() -> Iterator[None]:
    """Sets large libraries aside when a test has imported them."""
    yield
    _set_aside_what_was_imported()


@pytest.fixture(scope="module", autouse=True)
def _free_memory() -> Iterator[None]:
    """Forgets the names that a file's tests gave to layers, and gives back what they left in the heap if it is much.

    Without this a process that runs half of the suite grows to 5 GB, beside the children that export large models.
    """
    yield
    if "tensorflow" in sys.modules:
        import keras

        keras.backend.clear_session(free_memory=False)
        _set_aside()
        if _resident() > MOST_MEMORY:
            with contextlib.suppress(OSError, AttributeError):
                ctypes.CDLL("libc.so.6").malloc_trim(0)
