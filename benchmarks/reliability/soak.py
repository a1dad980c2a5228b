"""Sends good and bad requests to a `zoo serve` on this machine for some minutes.

python -m benchmarks.reliability.soak --seconds 120 --json
"""

from __future__ import annotations

import random
import socket
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.reliability.commands import report
from benchmarks.reliability.mutated_models import MODEL
from benchmarks.reliability.mutations import mutate
from benchmarks.reliability.odd_pictures import CONTENTS, encoded
from benchmarks.reliability.server import Server, serving

CLIENTS = 4
MOST = 200_000
"""Largest number of requests, on any machine."""
NO_HTTP = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 20
BROKEN_OFF = b"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n"


@dataclass
class Tally:
    """The clients' observations."""

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    """Times of the good requests that were answered with classes."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, status: int, seconds: float) -> None:
        """Adds an answer."""
        with self.lock:
            self.statuses[f"{kind} {status}"] += 1
            if kind == "good" and status == 200:
                self.seconds.append(seconds)

    @property
    def sent(self) -> int:
        """Number of requests so far."""
        return self.statuses.total()


def client(server: Server, tally: Tally, end: float, seed: int) -> None:
    """Sends good and bad requests, half of each, until the end."""
    rng = random.Random(seed)
    good = encoded("JPEG")
    odd = [content() for _, content in CONTENTS.values()]
    while time.monotonic() < end and tally.sent < MOST:
        start = time.monotonic()
        what = rng.random()
        if what < 0.5:
            kind, status = "good", server.post(good)
        elif what < 0.7:
            kind, status = "damaged", server.post(mutate(good, rng))
        elif what < 0.8:
            kind, status = "odd", server.post(rng.choice(odd))
        elif what < 0.85:
            kind, status = "no such page", server.post(good, "/" + "x" * rng.randrange(1, 2000))
        elif what < 0.9:
            kind, status = (
                "wrong option",
                server.post(good, f"/v1/classify?top_k={rng.choice(['0', '-1', 'x', '1e9', '%00'])}"),
            )
        else:
            kind = rng.choice(["no HTTP", "broken off"])
            status = raw(server, mutate(NO_HTTP, rng) if kind == "no HTTP" else BROKEN_OFF + good[:500])
        tally.add(kind, status, time.monotonic() - start)


def raw(server: Server, data: bytes) -> int:
    """Sends bytes and closes the connection; returns 0, whatever the server answers."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        try:
            connection.sendall(data)
            connection.settimeout(0.05)
            connection.recv(1000)
        except OSError:
            pass
    return 0


def soak(seconds: float, folder: Path) -> dict[str, Any]:
    """Runs several clients at the same time and watches the server's memory."""
    tally, memory = Tally(), []
    with serving(MODEL, folder, "--timeout", "5") as server:
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=client, args=(server, tally, end, seed)) for seed in range(CLIENTS)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            memory.append(server.resident())
            time.sleep(min(0.5, seconds / 20))
        last = server.post(encoded("JPEG"))
    log = server.errors.read_text()
    quarter = max(1, len(memory) // 4)
    p50, p99 = np.percentile(tally.seconds, [50, 99]) * 1e3
    return {
        "seconds": seconds,
        "requests": tally.sent,
        "statuses": dict(sorted(tally.statuses.items())),
        "milliseconds": {"p50": round(p50, 1), "p99": round(p99, 1), "max": round(max(tally.seconds) * 1e3, 1)},
        "memory_mb": {
            "second_quarter": round(float(np.median(memory[quarter : 2 * quarter])), 1),
            "last_quarter": round(float(np.median(memory[-quarter:])), 1),
            "peak": round(max(memory), 1),
        },
        "errors_500": sum(count for name, count in tally.statuses.items() if name.endswith(" 500")),
        "unanswered": sum(count for name, count in tally.statuses.items()
                          if name.endswith(" 0") and name.split()[0] not in {"no", "broken"}),
        "tracebacks": log.count("Traceback"),
        "last_answer": last,
        "exit_code": server.code,
    }  # fmt: skip


@click.command(help=__doc__)
@click.option("--seconds", type=click.FloatRange(min=1), default=120, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(seconds: float, as_json: bool) -> None:
    """Sends the requests, prints the results, and judges them."""
    with tempfile.TemporaryDirectory() as folder:
        found = soak(seconds, Path(folder))
    bad = found["errors_500"] + found["unanswered"] + found["tracebacks"] + (found["last_answer"] != 200)
    bad += found["exit_code"] != 0
    report(found, bad, as_json)


if __name__ == "__main__":
    main()
