"""Clients that send good and bad requests to a server at the same time, and what they and its memory show."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.processes import resident
from benchmarks.reliability.server import Server

MOST = 500_000
"""Largest number of requests, on any machine."""
FLAT = 1.1
"""Memory at the end, as a multiple of that in the second quarter, up to which it counts as flat."""
LONG = 60
"""Seconds from which the memory is judged; before, caches and the allocator's pools still fill."""
SILENT = ("cut", "no HTTP")
"""Kinds of requests whose answer is not waited for."""
Kinds = dict[str, tuple[int, Callable[[random.Random], int]]]
"""For each kind of request: how often it is sent, and a function that sends it and returns the status."""


class Load:
    """Clients of one server, and the counts of what they were answered."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.statuses = Counter[tuple[str, int]]()
        self.errors: list[str] = []
        """Faults that clients have noticed."""
        self._seconds: list[float] = []
        self._memory: list[float] = []
        self._lock = threading.Lock()

    def run(self, clients: list[Kinds], seconds: float) -> None:
        """Sends requests of all clients until the time is over, and samples the server's memory."""
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=self._client, args=(kinds, end, i)) for i, kinds in enumerate(clients)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self._memory.append(resident(self.server.process.pid))
            time.sleep(min(0.5, seconds / 20))

    def _client(self, kinds: Kinds, end: float, seed: int) -> None:
        rng = random.Random(seed)
        names, weights = list(kinds), [weight for weight, _ in kinds.values()]
        while time.monotonic() < end and self.statuses.total() < MOST:
            (kind,) = rng.choices(names, weights)
            start = time.monotonic()
            try:
                status = kinds[kind][1](rng)
            except Exception as error:  # noqa: BLE001  # a client that ends would hide what it has seen
                self.errors.append(f"{kind}: {type(error).__name__}: {error}")
                continue
            with self._lock:
                self.statuses[kind, status] += 1
                if kind == "good" and status < 300:
                    self._seconds.append(time.monotonic() - start)

    def result(self, meant: tuple[int, ...] = ()) -> dict[str, Any]:
        """Returns counts, times and memory, after the server has stopped.

        Args:
            meant: statuses from 500 on that are right here.
        """
        statuses = [(kind, status, n) for (kind, status), n in sorted(self.statuses.items())]
        quarter = max(1, len(self._memory) // 4)
        second = float(np.median(self._memory[quarter : 2 * quarter] or [0.0]))
        last = float(np.median(self._memory[-quarter:] or [0.0]))
        p50, p99 = np.percentile(self._seconds or [0.0], [50, 99]) * 1e3
        long = len(self._memory) >= 2 * LONG
        counts = {
            "errors 5xx": sum(n for _, status, n in statuses if status >= 500 and status not in meant),
            "without an answer": sum(n for kind, status, n in statuses if not status and kind not in SILENT),
            "tracebacks in the log": self.server.errors.read_text().count("Traceback"),
            "faults that clients noticed": len(self.errors),
            "memory grew": int(long and last > FLAT * second),
            "exit code on SIGTERM": self.server.code or 0,
        }
        return {
            "requests": self.statuses.total(),
            "statuses": statuses,
            "milliseconds": {"p50": round(p50, 1), "p99": round(p99, 1)},
            "memory_mb": {"second_quarter": round(second, 1), "last_quarter": round(last, 1)},
            "counts": counts,
            "noticed": self.errors[:10],
            "faults": sum(abs(n) for n in counts.values()),
        }
