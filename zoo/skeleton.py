"""Graphs without their weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from zoo.registry import needs_tensorflow

_WAITING = "uninitialized_variables"


@contextlib.contextmanager
def unallocated() -> Iterator[list[Any]]:
    """Models built inside have shapes and no values: VGG-16 takes milliseconds, not gigabytes.

    Yields:
        The variables made so far, those of a model that cannot be built to its end among them.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
    """
    with needs_tensorflow():
        import keras
        from keras.src.backend.common import global_state

    made: list[Any] = []
    global_state.set_global_attribute(_WAITING, made)
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield made
    finally:
        # Keras keeps such variables in a list (there is no public way to it) and would allocate them later.
        global_state.set_global_attribute(_WAITING, [])
