"""Fills a folder through `zoo serve --collect` from several clients, and checks each picture that is left."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.reliability.load import Kinds, Load
from benchmarks.reliability.mutations import mutate
from benchmarks.reliability.odd_pictures import CONTENTS, encoded
from benchmarks.reliability.server import Server, address, head, read, started

CLIENTS = 4
CLASSES = ("cup", "salt, pepper", "\u0442\u043e\u0447\u043a\u0430")
MOST = 300
"""The most pictures that the folder takes; when it is full, clients are answered 507."""


def picture(rng: random.Random) -> bytes:
    """Makes a JPEG file that no other client sends."""
    pixels = np.frombuffer(rng.randbytes(32 * 24 * 3), np.uint8).reshape(24, 32, 3)
    return encoded("JPEG", Image.fromarray(pixels))


class Client:
    """A client with a burst of its own, which remembers what was stored for it."""

    def __init__(self, server: Server, burst: str) -> None:
        self.server, self.burst = server, burst
        self.stored: dict[tuple[str, str], bytes] = {}
        """The bytes of each picture that is there, by class and file."""

    def kinds(self) -> Kinds:
        """Returns the requests of this client; half of them are good pictures."""
        gone = address("/v1/pictures", **{"class": CLASSES[0], "file": f"burst-{self.burst}-9999.jpg"})
        odd = [content() for kind, (_, content) in CONTENTS.items() if "JPEG" not in kind and "EXIF" not in kind]
        return {
            "good": (100, self.add),
            "read": (20, lambda rng: self.again("GET", rng)),
            "deleted": (60, lambda rng: self.again("DELETE", rng)),
            "deleted twice": (10, lambda _: self.server.ask("DELETE", gone)[0]),
            "list": (10, lambda _: self.server.ask("GET", "/v1/classes")[0]),
            "page": (10, lambda rng: self.server.ask("GET", rng.choice(["/", "/collect.js", "/healthz"]))[0]),
            "slow": (2, lambda rng: self.add(rng, slow=True)),
            "stopped": (1, lambda rng: self.server.slowly(picture(rng), self.path(rng), 60)),
            "cut": (10, self.cut),
            "half a picture": (20, lambda rng: self.server.post(picture(rng)[:-300], self.path(rng))),
            "no JPEG": (10, lambda rng: self.server.post(rng.choice(odd), self.path(rng))),
            "no such class": (5, lambda rng: self.server.post(picture(rng), self.path(rng, name="../cup"))),
            "wrong burst": (5, lambda rng: self.server.post(picture(rng), self.path(rng, burst="../../x"))),
            "class again": (5, lambda rng: self.server.post(b"", address("/v1/classes", name=rng.choice(CLASSES)))),
            "no HTTP": (5, lambda rng: self.server.cut(mutate(head(self.path(rng), 10), rng))),
        }

    def path(self, rng: random.Random, name: str = "", burst: str = "") -> str:
        """Returns the address of a picture; of a class that is there and this client's burst, if none is given."""
        return address("/v1/pictures", **{"class": name or rng.choice(CLASSES), "burst": burst or self.burst})

    def add(self, rng: random.Random, *, slow: bool = False) -> int:
        """Sends a good picture; remembers it if it was stored."""
        name, content = rng.choice(CLASSES), picture(rng)
        if slow:  # its file's name is not read, so that it has a burst of its own
            burst = f"{self.burst}{rng.randrange(10**6):06}"
            status = self.server.slowly(content, self.path(rng, name, burst), 1)
            if status == 201:
                self.stored[name, f"burst-{burst}-0001.jpg"] = content
            return status
        status, answer = self.server.ask("POST", self.path(rng, name), content)
        if status == 201:
            self.stored[name, read(answer)["file"]] = content
        return status

    def again(self, method: str, rng: random.Random) -> int:
        """Reads or deletes one of the stored pictures.

        Raises:
            ValueError: it is another than was stored.
        """
        if not self.stored:
            return self.add(rng)
        name, file = rng.choice(list(self.stored))
        status, content = self.server.ask(method, address("/v1/pictures", **{"class": name, "file": file}))
        if status == 200:
            right = self.stored.pop((name, file)) if method == "DELETE" else self.stored[name, file]
            if method == "GET" and content != right:
                raise ValueError(f"{name}/{file} has other bytes than were sent")
        return status

    def cut(self, rng: random.Random) -> int:
        """Breaks an upload off before its end, so that it must not be stored."""
        content = picture(rng)
        return self.server.cut(head(self.path(rng), len(content)) + content[: rng.randrange(len(content))])


def compare(folder: Path, clients: list[Client], listed: dict[str, int]) -> dict[str, int]:
    """Compares the folder with what the clients were told; all counts but the first must be 0.

    Args:
        folder: the folder of the pictures.
        clients: the clients.
        listed: the number of pictures of each class, as the server says.
    """
    right = {place: content for client in clients for place, content in client.stored.items()}
    there = {(path.parent.name, path.name): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    counted = {name: sum(place[0] == name for place in there) for name in CLASSES}
    return {
        "pictures kept": len(there),
        "answered 201 and lost": len(right.keys() - there.keys()),
        "there without a 201": len(there.keys() - right.keys()),
        "other bytes than were sent": sum(there[place] != right[place] for place in right.keys() & there.keys()),
        "counted wrong": sum(listed.get(name) != number for name, number in counted.items()),
        "too many": max(0, len(there) - MOST),
    }


def measure(count: int, rows: tuple[str, ...], keep: Path | None) -> dict[str, Any]:
    """Runs four clients for `count` seconds, and compares at the end; `rows` and `keep` are not used."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "things"
        with started(Path(place), "--collect", folder, "--max-pictures", str(MOST), "--timeout", "5") as server:
            for name in CLASSES:
                server.post(b"", address("/v1/classes", name=name))
            clients = [Client(server, f"client{number}") for number in range(CLIENTS)]
            load = Load(server)
            load.run([client.kinds() for client in clients], count)
            status, answer = server.ask("GET", "/v1/classes")
        listed = {one["name"]: one["count"] for one in read(answer)["classes"]} if status == 200 else {}
        kept = compare(folder, clients, listed)
        found = load.result(meant=(507,))
    return {"seconds": count, **found, "kept": kept, "faults": found["faults"] + sum(list(kept.values())[1:])}
