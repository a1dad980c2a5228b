"""Sends good and bad requests to the page and the API of a `zoo serve` on this machine for some minutes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.reliability.load import Kinds, Load
from benchmarks.reliability.mutations import mutate
from benchmarks.reliability.odd_pictures import CONTENTS, encoded
from benchmarks.reliability.server import Server, head, started
from benchmarks.reliability.sources import MODEL

CLIENTS = 4
PATH = "/v1/classify"
PAGE = ("/", "/page.css", "/page.js", "/icon.svg", "/v1/model", "/metrics", "/healthz", "/openapi.json")
NO_HTTP = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 20
WRONG = ("0", "-1", "x", "1e9", "%00")


def kinds(server: Server) -> Kinds:
    """Returns the requests of a client; half of them are good pictures."""
    good, odd = encoded("JPEG"), [content() for _, content in CONTENTS.values()]
    return {
        "good": (100, lambda _: server.post(good)),
        "page": (20, lambda rng: server.ask("GET", rng.choice(PAGE))[0]),
        "slow": (2, lambda rng: server.slowly(good, PATH, rng.uniform(0.1, 2))),
        "stopped": (1, lambda _: server.slowly(good, PATH, 60)),
        "cut": (10, lambda rng: server.cut(head(PATH, 100_000) + good[: rng.randrange(len(good))])),
        "damaged": (30, lambda rng: server.post(mutate(good, rng))),
        "odd": (15, lambda rng: server.post(rng.choice(odd))),
        "no such page": (8, lambda rng: server.post(good, "/" + "x" * rng.randrange(1, 2000))),
        "wrong option": (8, lambda rng: server.post(good, f"{PATH}?top_k={rng.choice(WRONG)}")),
        "no HTTP": (6, lambda rng: server.cut(mutate(NO_HTTP, rng))),
    }


def measure(count: int, rows: tuple[str, ...], keep: Path | None) -> dict[str, Any]:
    """Runs four clients for `count` seconds, and asks once more at the end; `rows` and `keep` are not used."""
    with tempfile.TemporaryDirectory() as folder:
        with started(Path(folder), MODEL, "--timeout", "5") as server:
            load = Load(server)
            load.run([kinds(server)] * CLIENTS, count)
            last = server.post(encoded("JPEG"))
        found = load.result()
    return {"seconds": count, **found, "last_answer": last, "faults": found["faults"] + (last != 200)}
