"""Memory that threads share, so that what all of them hold together is bounded."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator

from zoo.machine import memory

LARGE = 64 * 1024 * 1024
"""Bytes from which on it is looked up how much memory is free; below, that takes longer than it is worth."""


class Budget:
    """So many bytes for all threads together; who needs more than is left waits, in the order of asking.

    One that needs more than all of it has it alone, so that at any time no more is held than `total` bytes, or what one
    holder needs.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.held = 0
        """Bytes."""
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def hold(self, needed: int) -> Iterator[None]:
        """Holds bytes for the length of the block, and waits for them first.

        Raises:
            MemoryError: this machine does not have as many free, or this process may not use them.
        """
        self._take(needed)
        try:
            if needed > LARGE and needed > (free := memory.available()):
                raise MemoryError(f"decoding takes up to {needed / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free")
            yield
        finally:
            with self._changed:
                self.held -= needed
                self._changed.notify_all()

    def _take(self, needed: int) -> None:
        turn = object()
        with self._changed:
            self._waiting.append(turn)
            try:
                # In turn: else a large picture would wait for as long as small ones come.
                while self._waiting[0] is not turn or (self.held and self.held + needed > self.total):
                    self._changed.wait()
                self.held += needed
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()
