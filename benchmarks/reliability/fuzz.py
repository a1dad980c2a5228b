"""Fuzzes our parsers of untrusted files: flatbuffers, labels and cards, ONNX, HDF5.

make fuzz
python -m benchmarks.reliability.step fuzz --count 600 --row flatbuffer --keep findings

atheris (libFuzzer) looks for inputs that reach new code; if it is not installed, the files are damaged at random.
For any bytes a parser must return a result or raise a `ZooError`, in limited time and memory; all else is a finding.
"""

from __future__ import annotations

import importlib.util
import random
import re
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reliability.commands import call
from benchmarks.reliability.mutations import mutate
from benchmarks.reliability.parsers import PARSERS, Parser
from benchmarks.reliability.sources import ROOT
from zoo.errors import ZooError

LIMIT = 20
"""Most seconds for one input, which takes milliseconds on an idle machine."""
RANDOM = 30
"""Inputs for each second that is given, without atheris."""
STARTING = 180
"""Seconds for imports, besides the time for fuzzing."""
INSTRUMENTED = ("zoo.tflite", "zoo.onnx", "zoo.weights.formats")
"""The packages whose branches guide atheris."""
BLIND = "no branch is seen"
"""The fault of a run of atheris that was guided by nothing, and found no more than chance."""


@dataclass(frozen=True)
class Attempts:
    """Gives inputs to a parser, and writes a line for each into a file, because a crash may end the process."""

    parser: Parser
    log: Path
    keep: Path
    """A folder for one input of each kind of finding."""

    def one(self, data: bytes) -> None:
        """Tries an input: a result and a `ZooError` are right, and all else is a finding."""
        whole, path, word = self.parser.file(data), self.log.with_suffix(self.parser.suffix), "read"
        path.write_bytes(whole)
        try:
            self.parser.read(path)
        except ZooError:
            word = "refused"
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what is looked for
            frames = traceback.extract_tb(error.__traceback__)
            at = ([frame for frame in frames if Path(frame.filename).is_relative_to(ROOT)] or frames)[-1]
            word = f"{type(error).__name__} in {at.name} ({Path(at.filename).name}:{at.lineno})"
            kept = self.keep / f"{self.parser.name} {word}{self.parser.suffix}"
            if not kept.exists():
                kept.write_bytes(whole)
                text = "".join(traceback.format_exception(error))
                kept.with_suffix(".txt").write_text(text, encoding="utf-8", errors="backslashreplace")
        with self.log.open("a") as log:
            log.write(f"{word}\n")

    def at_random(self, seeds: Sequence[bytes], seed: int, count: int) -> None:
        """Tries the sound files, and damaged copies of them, `count` inputs in all."""
        most = self.parser.megabytes << 20
        self.one(seeds[0])  # it imports what the parser needs
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        for data in seeds[1:]:
            self.one(data)
        for i in range(count - len(seeds)):
            # A text seed, unlike a number, is the same on every Python and platform.
            rng = random.Random(f"{self.parser.name} {seed} {i}")
            data = rng.choice(seeds)
            # The first byte of a card's seed says what the others are.
            kept = 1 if self.parser.name == "card" else 0
            self.one(data[:kept] + mutate(data[kept:], rng))

    def guided(self, seeds: Sequence[bytes], seed: int, seconds: int) -> None:
        """Has libFuzzer make inputs for some seconds, and ends the process."""
        import atheris

        folder = self.log.parent / "seeds"
        folder.mkdir(exist_ok=True)
        for i, data in enumerate(seeds):
            (folder / str(i)).write_bytes(data)
        # What was imported before, for a seed or by this script, would not tell which of its lines are reached.
        for name in [name for name in sys.modules if name.startswith(INSTRUMENTED)]:
            del sys.modules[name]
        with atheris.instrument_imports(include=list(INSTRUMENTED)):
            self.one(seeds[0])
        options = {
            "max_total_time": seconds,
            "rss_limit_mb": self.parser.megabytes,
            "timeout": LIMIT,
            "seed": seed,
            "max_len": 200_000,
            "artifact_prefix": f"{self.keep}/{self.parser.name}-",
        }
        atheris.Setup([sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(folder)], self.one)
        atheris.Fuzz()


def fuzz(parser: Parser, engine: str, amount: int, keep: Path) -> dict[str, Any]:
    """Fuzzes one parser. A crash, or an input that takes too long, ends the process, and a new one continues.

    Args:
        parser: the parser.
        engine: `atheris`, or `random`.
        amount: the number of seconds for `atheris`, or of inputs for `random`.
        keep: a folder for inputs that cause findings.

    Returns:
        The row of the table; `kinds` has each kind of finding once, and `coverage` the edges that were reached.
    """
    began, kinds, coverage, counts = time.monotonic(), set[str](), list[int](), Counter[str]()
    with tempfile.TemporaryDirectory() as place:
        attempts = Attempts(parser, Path(place) / "log", keep)
        end, left, seed, ended = began + amount, amount, 1, ""

        def work() -> None:
            seeds = parser.seeds()
            (attempts.guided if engine == "atheris" else attempts.at_random)(seeds, seed, left)

        # An engine that cannot even begin would fail again and again.
        while seed == 1 or (ended and left > 0 and engine == "atheris" and counts):
            done = call(work, seconds=STARTING + 2 * LIMIT + left)
            counts = Counter(attempts.log.read_text().splitlines() if attempts.log.exists() else ())
            coverage += map(int, re.findall(r"\bcov: (\d+)", done.err))
            ended = how_it_ended(None if done.hung else done.code, done.err)
            if ended:
                kinds.add(ended)
                (keep / f"{parser.name}-{seed}.log").write_text(done.err, encoding="utf-8")
            seed, left = seed + 1, round(end - time.monotonic())
    right = {word: counts.pop(word, 0) for word in ("read", "refused")}
    findings = sum(counts.values())
    if engine == "atheris" and not coverage:
        kinds.add(BLIND)
    return {
        "parser": parser.name,
        "engine": engine,
        "seconds": round(time.monotonic() - began),
        "executions": sum(right.values()) + findings,
        "coverage": max(coverage, default=None),
        **right,
        "findings": findings,
        "kinds": sorted(kinds | set(counts)),
    }


def how_it_ended(code: int | None, said: str) -> str:
    """Says what is wrong with the end of a process, whose code is None if the time was up; empty if nothing is."""
    if code == 0:
        return ""
    fault = re.search(r"ERROR: libFuzzer: ([\w-]+)", said)
    return "hung" if code is None else fault[1] if fault else f"the process ended with exit code {code}"


def measure(count: int, rows: tuple[str, ...], keep: Path | None) -> dict[str, Any]:
    """Fuzzes each parser for `count` seconds; `rows` names parsers, and `keep` is for inputs that cause findings.

    Without atheris the inputs are the same every time, `RANDOM` for each second.
    """
    engine = "atheris" if importlib.util.find_spec("atheris") else "random"
    amount = count if engine == "atheris" else count * RANDOM
    with tempfile.TemporaryDirectory() as scratch:
        chosen = [parser for name, parser in PARSERS.items() if not rows or name in rows]
        found = [fuzz(parser, engine, amount, keep or Path(scratch)) for parser in chosen]
    return {"rows": found, "faults": sum(len(row["kinds"]) + (not row["executions"]) for row in found)}
