"""Gives unusual and damaged pictures to each command that reads pictures."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.reliability.commands import BAD, Ended, run, warm, without_privileges
from benchmarks.reliability.mutations import mutate
from benchmarks.reliability.odd_pictures import CLOSED, CONTENTS, KINDS, encoded
from benchmarks.reliability.server import started
from benchmarks.reliability.sources import MODEL, Sources, make_data

SECONDS = 60
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM")


def try_kind(kind: str, folder: Path) -> dict[str, str]:
    """Runs each command on one unusual picture, and returns how it ended."""
    (odd,) = make_data(folder, {kind: KINDS[kind]}, copies=2)
    how: dict[str, Any] = {"seconds": SECONDS, "prepare": without_privileges}
    named = run(["run", MODEL, odd], **how)
    listed = run(["run", MODEL, folder, "--json"], **how)
    judged = run(["evaluate", MODEL, folder, "--json"], **how)
    checked = run(["data", "check", folder, "--size", "28", "--channels", "1", "--json"], **how)
    return {
        "kind": kind,
        "run": _word(named),
        "run folder": _word(listed, others=listed.out.count("predictions") >= 20),
        "evaluate": _word(judged, others='"confusion"' in judged.out),
        "data check": _checked(checked),
    }


def _word(ended: Ended, others: bool = False) -> str:
    """Judges a command's end; `others` says whether the pictures beside the bad one were classified."""
    if ended.outcome in {"done", *BAD}:
        return {"done": "named"}.get(ended.outcome, ended.outcome)
    return "one line" if not others else "one line, others named"


def _checked(ended: Ended) -> str:
    if ended.outcome != "done":
        return "one line" if ended.outcome == "refused" else ended.outcome
    return "listed as bad" if json.loads(ended.out)["bad"] else "used"


def try_all_at_once(folder: Path) -> dict[str, str]:
    """Runs training and calibration on a folder with all kinds of pictures.

    Only a folder that may not be opened is not among them: it is refused, because nobody knows what it holds.
    """
    data = folder / "all"
    make_data(data, {kind: make for kind, make in KINDS.items() if kind != CLOSED}, copies=12)
    exported = ("export", Sources(folder).keras, "--quantize", "int8", "--calibration", data, "--out", folder / "out")
    return {
        "train": run(["train", "lenet", data, "--epochs", "1", "--out", folder / "run"], seconds=300).outcome,
        "export --calibration": run(exported, seconds=300).outcome,
    }


def try_serve(folder: Path) -> dict[str, int]:
    """Returns the status of the answer of `zoo serve` to each kind; 0 means that there was none."""
    with started(folder, MODEL) as server:
        return {kind: server.post(content()) for kind, (_, content) in CONTENTS.items()}


def try_damaged(kind: str, number: int, folder: Path) -> dict[str, Any]:
    """Gives a folder with `number` damaged files of a format to one `zoo run`."""
    folder.mkdir()
    data = encoded(kind)
    for seed in range(number):
        (folder / f"{seed:06}.{kind.lower()[:4]}").write_bytes(mutate(data, random.Random(seed)))
    ended = run(["run", MODEL, folder, "--json"], seconds=600)
    named, refused = ended.out.count("\n"), sum(line.startswith("zoo: error: ") for line in ended.err.splitlines())
    bad = number - named - refused + (ended.outcome in BAD)
    return {"format": kind, "files": number, "named": named, "refused": refused, "bad": bad}


def measure(count: int, rows: tuple[str, ...], keep: Path | None) -> dict[str, Any]:
    """Tries each kind, and `count` damaged files of each format; `rows` names kinds, and `keep` is not used."""
    warm(heavy=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        found = [try_kind(kind, folder / str(i)) for i, kind in enumerate(rows or KINDS)]
        damaged = [try_damaged(kind, count, folder / kind) for kind in FORMATS]
        together = try_all_at_once(folder)
        statuses = try_serve(folder)
    for row in found:
        row["serve"] = str(statuses.get(row["kind"], ""))
    faults = sum(word in BAD for row in found for word in row.values())
    faults += sum(row["bad"] for row in damaged)
    faults += sum(not 200 <= status < 500 for status in statuses.values())
    faults += sum(word != "done" for word in together.values())
    return {"rows": found, "damaged": damaged, "together": together, "faults": faults}
