"""Gives memory back to the system that this process no longer uses; two allocators would keep it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os


def keep_no_pool() -> None:
    """Makes TensorFlow free tensors at once; this must be called before TensorFlow is imported.

    Its own allocator keeps what it once had in a pool, which makes training faster. For a process that builds and
    exports a large model the pool is a second and a third copy of the largest kernel.
    """
    os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")


def return_freed() -> None:
    """Collects garbage, and returns the memory of the C library's heap that is free, where the library can do that."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):  # musl and macOS have no malloc_trim
        ctypes.CDLL(None).malloc_trim(0)
