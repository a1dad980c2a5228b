"""Sends SIGKILL to downloads and servers at random moments."""

from __future__ import annotations

import functools
import http.server
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from benchmarks.reliability.collector import CLASSES, Client
from benchmarks.reliability.commands import call
from benchmarks.reliability.mutated_models import MODEL, PICTURE
from benchmarks.reliability.server import Server, address, read, serving

BAD = ("other answer", "answered 201 and lost", "picture damaged", "counted wrong", "litter after the next start")
"""What must not be found after a kill."""
LONGEST = 1.0
"""Seconds after which a server is killed at the latest; a download takes as long."""
CONTENT = random.Random(0).randbytes(1 << 22)
CHUNK = 1 << 16


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends `CONTENT`, or its end from where the client has stopped, in `LONGEST` seconds for the whole."""

    starts: list[int] = []  # noqa: RUF012  # the server makes an object of this class for each request

    def do_GET(self) -> None:  # the library's name
        """Answers a request for all or for the end."""
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.starts.append(start)
        self.send_response(206 if start else 200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        try:
            for at in range(start, len(CONTENT), CHUNK):
                self.wfile.write(CONTENT[at : at + CHUNK])
                time.sleep(LONGEST * CHUNK / len(CONTENT))
        except ConnectionError:
            pass  # the client was killed

    def log_message(self, *_: object) -> None:
        """Writes nothing to the terminal."""


def download(number: int, folder: Path) -> Counter[str]:
    """Kills the download of published weights; the next one must continue it, and get the same bytes."""
    from zoo.weights.fetch.download import fetch

    found = Counter[str]()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/weights.h5"
    for seed in range(number):
        path = folder / str(seed) / "weights.h5"
        work = functools.partial(fetch, url, path)
        found["killed"] += call(work, kill_after=random.Random(seed).uniform(0, LONGEST)).code == -9
        if path.exists() and path.read_bytes() != CONTENT:
            found["half a file"] += 1
        Handler.starts.clear()
        again = call(work)
        whole = again.code == 0 and path.read_bytes() == CONTENT
        found["same file" if whole else "not resumed"] += 1
        found["of them continued in the middle"] += any(Handler.starts)
    server.shutdown()
    server.server_close()
    return found


def serve(number: int, folder: Path) -> Counter[str]:
    """Kills a server that is asked; the next one must answer the same."""
    found, picture, right = Counter[str](), PICTURE.read_bytes(), b""
    for seed in range(number):
        with serving(folder, MODEL) as server:
            status, answer = server.ask("POST", "/v1/classify", picture)
            right = right or answer.partition(b'"milliseconds"')[0]
            found["same answer" if status == 200 and right and answer.startswith(right) else "other answer"] += 1
            kill_while(server, [functools.partial(server.post, picture)] * 2, random.Random(seed))
        found["killed"] += server.code == -9
    return found


def collect(number: int, folder: Path) -> Counter[str]:
    """Kills a server that collects pictures; each that it answered 201 for must be there, and nothing in part."""
    found, things = Counter[str](), folder / "things"
    stored: dict[tuple[str, str], bytes] = {}
    for seed in range(number):
        with serving(folder, "--collect", things) as server:
            for name in CLASSES:
                server.post(b"", address("/v1/classes", name=name))
            listed = read(server.ask("GET", "/v1/classes")[1])["classes"]
            there = {(path.parent.name, path.name): path for path in things.glob("*/*.jpg")}
            found["counted wrong"] += sum(one["count"] for one in listed) != len(there)
            clients, rng = [Client(server, f"kill{seed}x{i}") for i in range(2)], random.Random(seed)
            kill_while(server, [functools.partial(client.add, rng) for client in clients], rng)
        found["killed"] += server.code == -9
        stored |= {place: content for client in clients for place, content in client.stored.items()}
    there = {(path.parent.name, path.name): path for path in things.glob("*/*.jpg")}
    found["pictures kept"] = len(there)
    found["answered 201 and lost"] = sum(
        place not in there or there[place].read_bytes() != content for place, content in stored.items()
    )
    found["picture damaged"] = sum(not is_whole(path) for path in there.values())
    with serving(folder, "--collect", things):
        found["litter after the next start"] = sum(path.is_dir() for path in things.glob("*/.*"))
    return found


def kill_while(server: Server, clients: list[Callable[[], int]], rng: random.Random) -> None:
    """Kills a server at a random moment while clients ask until they get no answer."""

    def ask(once: Callable[[], int]) -> None:
        while once():
            pass

    threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    time.sleep(rng.uniform(0, LONGEST))
    server.process.kill()
    for thread in threads:
        thread.join()


def is_whole(path: Path) -> bool:
    """Whether a picture can be decoded to its end."""
    try:
        with Image.open(path) as image:
            image.load()
    except OSError:
        return False
    return True
