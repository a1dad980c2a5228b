"""Makes damaged copies of files: of any bytes, of parts of archives, and of values in JSON and TOML."""

from __future__ import annotations

import copy
import io
import random
import zipfile
from typing import Any

WORDS = (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\0\0\0\x80")
VALUES: tuple[Any, ...] = (
    None, "", "x" * 2000, "\u202e\x00", -1, 0, 2**70, 1e308, float("nan"), float("inf"), True, [], {}, [[]], {"a": {}},
    [1, "a", None],
)  # fmt: skip


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Makes a damaged copy: bytes, words or ranges are overwritten or removed, offsets moved, or the end is cut off."""
    changed = bytearray(data)
    kind = rng.choice(["bytes", "front", "words", "cut", "fill", "back", "offsets", "gap"])
    if kind == "cut":
        return bytes(changed[: rng.randrange(len(changed))])
    if kind in {"fill", "gap"}:
        start = rng.randrange(len(changed))
        end = min(len(changed), start + rng.randrange(1, 400))
        changed[start:end] = b"" if kind == "gap" else bytes([rng.choice([0, 255])]) * (end - start)
        return bytes(changed)
    # A model's tables are at both ends of the file, with the weights between them.
    reach = {"front": 4000, "back": len(changed)}.get(kind, len(changed))
    reach = min(reach, len(changed))
    for _ in range(rng.choice([1, 3, 30])):
        at = rng.randrange(max(0, reach - 4000) if kind == "back" else 0, max(1, reach - 4))
        if kind == "words":
            changed[at : at + 4] = rng.choice(WORDS)
        elif kind == "offsets":
            at -= at % 4
            moved = int.from_bytes(changed[at : at + 4], "little") + rng.choice([-64, -4, -1, 1, 4, 64, 4096])
            changed[at : at + 4] = (moved % 2**32).to_bytes(4, "little")
        else:
            changed[at] = rng.randrange(256)
    return bytes(changed)


def mutate_archive(data: bytes, rng: random.Random, within: tuple[str, ...]) -> bytes:
    """Damages one of the parts `within` a zip archive, or the archive itself."""
    if rng.random() < 0.2:
        return mutate(data, rng)
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(result, "w") as new:
        victim = rng.choice(within)
        for name in old.namelist():
            part = old.read(name)
            if name == victim:
                if rng.random() < 0.1:
                    continue
                part = mutate_text(part, rng) if name.endswith(".json") else mutate(part, rng)
            new.writestr(name, part)
    return result.getvalue()


def mutate_text(data: bytes, rng: random.Random) -> bytes:
    """Damages JSON: in half of all cases its values, otherwise its bytes."""
    import json

    if rng.random() < 0.5:
        return mutate(data, rng)
    return json.dumps(mutate_values(json.loads(data), rng)).encode()


def mutate_values(document: Any, rng: random.Random, values: tuple[Any, ...] = VALUES) -> Any:
    """Copies nested tables and lists, with one to three values replaced, removed or renamed."""
    document = copy.deepcopy(document)
    for _ in range(rng.choice([1, 1, 3])):
        places = list(_places(document))
        if not places:
            break
        holder, key = rng.choice(places)
        what = rng.random()
        if what < 0.2:
            del holder[key]
        elif what < 0.3 and isinstance(holder, dict):
            holder[f"{key}_"] = holder.pop(key)
        elif what < 0.45 and isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
            holder[key] = rng.choice([-holder[key], holder[key] * 1000, holder[key] + 1, float(holder[key])])
        else:
            holder[key] = copy.deepcopy(rng.choice(values))
    return document


def _places(value: Any) -> Any:
    """Lists all pairs (container, key) below a value."""
    keys: Any = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from _places(value[key])
