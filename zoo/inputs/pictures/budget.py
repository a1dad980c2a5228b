"""A memory budget that threads share, so that the memory of all of them together is bounded."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator

from zoo.machine import memory

LARGE = 64 * 1024 * 1024
"""Size in bytes from which the free memory is checked; for smaller requests the check takes too long."""


class Budget:
    """A number of bytes for all threads together. A thread that needs more than is left waits for its turn.

    A request for more than the whole budget is granted when nothing else is held. So the threads never hold more than
    `total` bytes, or the bytes of one such request.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.held = 0
        """Number of bytes that threads hold now."""
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def hold(self, needed: int) -> Iterator[None]:
        """Waits until the bytes are available, and holds them during the block.

        Raises:
            MemoryError: this machine has too little free memory, or this process may not use it.
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
                # Requests are granted in turn: else a large picture would wait as long as small ones keep coming.
                while self._waiting[0] is not turn or (self.held and self.held + needed > self.total):
                    self._changed.wait()
                self.held += needed
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()
