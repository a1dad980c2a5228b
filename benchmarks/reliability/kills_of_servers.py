"""Sends SIGKILL to downloads and servers at random moments; the rows are functions as in `kills`."""

from __future__ import annotations

import functools
import http.server
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from benchmarks.reliability.collector import CLASSES, Client
from benchmarks.reliability.commands import call
from benchmarks.reliability.server import Server, address, read, started
from benchmarks.reliability.sources import MODEL, PICTURE

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


def download(number: int, folder: Path) -> Iterator[str]:
    """Kills the download of published weights; the next one must continue it, and get the same bytes."""
    from zoo.weights.fetch.download import fetch

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for seed in range(number):
            path = folder / str(seed) / "weights.h5"
            work = functools.partial(fetch, f"http://127.0.0.1:{server.server_port}/weights.h5", path)
            yield "killed" * (call(work, kill_after=random.Random(seed).uniform(0, LONGEST)).code == -9)
            yield "half a file" * (path.exists() and path.read_bytes() != CONTENT)
            Handler.starts.clear()
            again = call(work)
            yield "same file" if again.code == 0 and path.read_bytes() == CONTENT else "not resumed"
            yield "of them continued in the middle" * any(Handler.starts)
        server.shutdown()


def serve(number: int, folder: Path) -> Iterator[str]:
    """Kills a server that is asked; the next one must answer the same."""
    picture, right = PICTURE.read_bytes(), b""
    for seed in range(number):
        with started(folder, MODEL) as server:
            status, answer = server.ask("POST", "/v1/classify", picture)
            right = right or answer.partition(b'"milliseconds"')[0]
            yield "same answer" if status == 200 and right and answer.startswith(right) else "other answer"
            kill_while(server, [functools.partial(server.post, picture)] * 2, random.Random(seed))
        yield "killed" * (server.code == -9)


def collect(number: int, folder: Path) -> Iterator[str]:
    """Kills a server that collects pictures; each that it answered 201 for must be there, and nothing in part."""
    things, stored = folder / "things", dict[tuple[str, str], bytes]()
    for seed in range(number):
        with started(folder, "--collect", things) as server:
            for name in CLASSES:
                server.post(b"", address("/v1/classes", name=name))
            counted = sum(one["count"] for one in read(server.ask("GET", "/v1/classes")[1])["classes"])
            yield "counted wrong" * (counted != len(list(things.glob("*/*.jpg"))))
            clients, rng = [Client(server, f"kill{seed}x{i}") for i in range(2)], random.Random(seed)
            kill_while(server, [functools.partial(client.add, rng) for client in clients], rng)
        yield "killed" * (server.code == -9)
        stored |= {place: content for client in clients for place, content in client.stored.items()}
    there = {(path.parent.name, path.name): path.read_bytes() for path in things.glob("*/*.jpg")}
    for place in there:
        yield "pictures kept"
        yield "picture damaged" * (not is_whole(things.joinpath(*place)))
    yield from ("answered 201 and lost" for place, content in stored.items() if there.get(place) != content)
    with started(folder, "--collect", things):
        yield from ("litter after the next start" for path in things.glob("*/.*") if path.is_dir())


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
