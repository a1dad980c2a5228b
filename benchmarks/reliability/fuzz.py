"""Fuzzes our parsers of untrusted files: flatbuffers, labels and cards, ONNX, HDF5.

make fuzz
python -m benchmarks.reliability.step fuzz --count 600 --row flatbuffer --keep findings

atheris (libFuzzer) looks for inputs that reach new code; if it is not installed, the files are damaged at random.
For any bytes a parser must return a result or raise a `ZooError`, in limited time and memory; all else is a finding.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.reliability.parsers import ROOT, Parser, parsers

LIMIT = 20
"""Most seconds for one input, which takes milliseconds on an idle machine."""
RANDOM = 30
"""Inputs for each second that is given, without atheris."""
STARTING = 180
"""Seconds for imports and seeds, besides the time for fuzzing."""


@dataclass
class Row:
    """The results for one parser."""

    parser: str
    engine: str
    seconds: int = 0
    executions: int = 0
    coverage: int | None = None
    """Number of edges in instrumented code that were reached; None with the engine `random`."""
    read: int = 0
    refused: int = 0
    findings: int = 0
    """Number of inputs that raised another error than a `ZooError`."""
    kinds: list[str] = field(default_factory=list)
    """Each kind of finding once, including ends of the whole process."""


def fuzz(parser: Parser, engine: str, seed: int, amount: int, keep: Path) -> Row:
    """Fuzzes one parser. A crash, or an input that takes too long, ends the process, and a new one continues.

    Args:
        parser: the name of the parser.
        engine: `atheris`, or `random`.
        seed: the random seed.
        amount: the number of seconds for `atheris`, or of inputs for `random`.
        keep: a folder for inputs that cause findings.
    """
    began = time.monotonic()
    row, kinds = Row(parser.name, engine), dict[str, None]()
    with tempfile.TemporaryDirectory() as place:
        seeds = Path(place) / "seeds"
        seeds.mkdir()
        for i, data in enumerate(parser.seeds()):
            (seeds / str(i)).write_bytes(data)
        end = time.monotonic() + amount
        left = amount
        while left > 0:
            ended = _once(row, kinds, seeds, (engine, parser.name, seed, left), keep)
            # An engine that cannot even begin would fail again and again.
            if not ended or engine == "random" or not row.executions:
                break
            seed, left = seed + 1, round(end - time.monotonic())
    row.kinds = sorted(kinds)
    row.seconds = round(time.monotonic() - began)
    return row


def _once(row: Row, kinds: dict[str, None], seeds: Path, how: tuple[str, str, int, int], keep: Path) -> str:
    """Runs one process to its end and adds its results; says what ended it too early, or returns an empty text."""
    engine, name, seed, amount = how
    state = seeds.with_name("state.json")
    state.unlink(missing_ok=True)
    words = [engine, name, seeds, state, keep, seed, amount, LIMIT]
    limit = STARTING + (amount + 2 * LIMIT if engine == "atheris" else amount)
    code, said = _run([sys.executable, "-m", "benchmarks.reliability.fuzz_worker", *map(str, words)], limit)
    known = json.loads(state.read_text(encoding="utf-8")) if state.exists() else {"outcomes": {}, "findings": {}}
    counts = known["outcomes"]
    row.read += counts.get("read", 0)
    row.refused += counts.get("refused", 0)
    row.findings += counts.get("findings", 0)
    # libFuzzer may need a little longer.
    executed = re.search(r"stat::number_of_executed_units:\s+(\d+)", said)
    row.executions += int(executed[1]) if executed else sum(counts.values())
    covered = [int(number) for number in re.findall(r"\bcov: (\d+)", said)]
    row.coverage = max([*covered, row.coverage or 0]) or None
    kinds.update(dict.fromkeys(known["findings"]))
    if ended := _ended(code, said):
        kinds[ended] = None
        (keep / f"{name}-{seed}.log").write_text(said, encoding="utf-8")
    return ended


def _run(command: list[str], seconds: float) -> tuple[int | None, str]:
    """Returns the exit code, or None if the time was up, and the end of the output."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        return None, (error.stdout or b"").decode(errors="replace")[-100_000:]
    return done.returncode, done.stdout.decode(errors="replace")[-100_000:]


def _ended(code: int | None, said: str) -> str:
    """Says what is wrong with the end of the process; empty if nothing is."""
    if code == 0:
        return ""
    if code is None:
        return "hung"
    fault = re.search(r"ERROR: libFuzzer: ([\w-]+)", said)
    return fault[1] if fault else f"the process ended with exit code {code}"


def measure(count: int, rows: tuple[str, ...], keep: Path | None) -> dict[str, Any]:
    """Fuzzes each parser for `count` seconds; `rows` names parsers, and `keep` is for inputs that cause findings.

    Without atheris the inputs are the same every time, `RANDOM` for each second.
    """
    engine = "atheris" if importlib.util.find_spec("atheris") else "random"
    amount = count if engine == "atheris" else count * RANDOM
    with tempfile.TemporaryDirectory() as scratch:
        chosen = [parser for name, parser in parsers().items() if not rows or name in rows]
        found = [fuzz(parser, engine, 1, amount, keep or Path(scratch)) for parser in chosen]
    faults = sum(len(row.kinds) + (not row.executions) for row in found)
    return {"rows": [asdict(row) for row in found], "faults": faults}
