"""The scripts of `benchmarks/reliability`, with the smallest counts, find no faults."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reliability import fuzz, tables
from benchmarks.reliability.commands import BAD, call
from benchmarks.reliability.mutations import mutate, mutate_values
from benchmarks.reliability.parsers import Attempts, Parser
from zoo.errors import ZooError

ROOT = Path(__file__).resolve().parent.parent.parent
MODULE = ROOT / "tests" / "programs" / "run_module.py"


def script(name: str, *options: str, first: list[str] | None = None) -> dict[str, Any]:
    """Runs a script and returns its JSON output.

    Args:
        name: the script's name.
        options: its options.
        first: the beginning of the command: that of `warm` for a script that imports TensorFlow, or that of Python.
    """
    how = [sys.executable, "-m"] if first is None else [*first, str(MODULE)]
    command = [*how, f"benchmarks.reliability.{name}", "--json", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def bad(counts: dict[str, Any]) -> dict[str, int]:
    return {name: counts[name] for name in BAD if counts[name]}


@pytest.mark.long
def test_mutated_models() -> None:
    found = script("mutated_models", "--count", "40", "--commands", "2")
    kept, made_anew = found["rows"][:2], found["rows"][2]
    assert not any(map(bad, kept))
    assert not bad(found["commands"])
    for row in (*kept, made_anew):
        assert sum(count for name, count in row.items() if name != "file") == 40
        assert row["refused"]
        assert row["same answer"]


@pytest.mark.long
def test_mutated_models_on_tflite_runtime(tflite_runtime_python: Path) -> None:
    options = ("--runtime", "tflite-runtime", "--python", str(tflite_runtime_python))
    found = script("mutated_models", "--count", "40", "--commands", "2", *options)
    assert found["runtime"] == "tflite-runtime"
    assert not any(map(bad, found["rows"][:2]))
    assert found["rows"][0]["same answer"]


@pytest.mark.long
def test_mutated_inputs(warm: list[str]) -> None:
    found = script("mutated_inputs", "--count", "1", first=warm)
    assert len(found["rows"]) == 9
    assert not any(map(bad, found["rows"]))


@pytest.mark.long
def test_bad_pictures(warm: list[str]) -> None:
    found = script("bad_pictures", "--count", "6", first=warm)
    rows = {row["kind"]: row for row in found["rows"]}
    assert not {word for row in found["rows"] for word in row.values()} & set(BAD)
    assert rows["sound JPEG"]["run"] == "named"
    assert rows["text"] == {
        "kind": "text", "run": "one line", "run folder": "one line, others named", "evaluate": "one line, others named",
        "data check": "listed as bad", "serve": "415",
    }  # fmt: skip
    assert rows["named pipe"]["run"] == rows["no permission"]["run"] == "one line"
    for row in found["damaged"]:
        assert row["named"] + row["refused"] == row["files"] == 6
    assert set(found["together"].values()) == {"done"}


@pytest.mark.long
def test_kills(warm: list[str]) -> None:
    (row,) = script("kills", "--count", "2", "--only", "export", first=warm)["rows"]
    assert row["killed"]
    assert row.get("old file", 0) + row.get("new file", 0) == 2
    assert row["litter after the next export"] == 0


@pytest.mark.long
def test_full_disk(warm: list[str]) -> None:
    found = script("full_disk", "--only", "build, SavedModel", "--only", "evaluate --confusion .png", first=warm)
    rows = [row for row in found["rows"] if row["how"] != "full standard output"]
    assert [row["left"] for row in rows] == ["nothing", "old file intact"] * 2
    assert {row["outcome"] for row in found["rows"]} == {"one line"}


@pytest.mark.long
def test_stream() -> None:
    found = script("stream", "--count", "300")
    assert (found["named"], found["errors"], found["exit_code"]) == (300, 0, 0)
    assert 10 < found["memory_mb"]["most"] < 1000


@pytest.mark.long
def test_soak() -> None:
    found = script("soak", "--seconds", "3")
    assert found["statuses"]["good 200"]
    assert found["statuses"]["damaged 400"]
    zero = ("errors_500", "unanswered", "tracebacks", "exit_code")
    assert [found[name] for name in zero] == [0, 0, 0, 0]


@pytest.mark.long
@pytest.mark.parametrize("parser", ["flatbuffer", "card", "onnx", "hdf5"])
def test_the_fuzzer_finds_nothing_in_a_few_inputs(parser: str, warm: list[str]) -> None:
    """Without atheris the inputs are the same every time."""
    (row,) = script("fuzz", "--engine", "random", "--count", "60", "--only", parser, first=warm)["rows"]
    assert row["executions"] == row["read"] + row["refused"] == 60
    assert row["read"]
    assert row["refused"]
    assert (row["findings"], row["kinds"]) == (0, [])


def test_a_finding_is_kept_once_and_a_zoo_error_is_no_finding(tmp_path: Path) -> None:
    def read(path: Path) -> None:
        data = path.read_bytes()
        if data == b"refused":
            raise ZooError("no")
        if data.startswith(b"bug"):
            raise KeyError(data)

    with Attempts(Parser("card", ".tflite", read, list), tmp_path) as attempts:
        for data in (b"fine", b"refused", b"bug 1", b"bug 2"):
            attempts.one(data)
    assert attempts.outcomes == {"read": 1, "refused": 1, "findings": 2}
    ((what, name),) = attempts.findings.items()
    assert what.startswith("KeyError in read (test_reliability.py:")
    assert (tmp_path / name).read_bytes() == b"bug 1"
    assert "KeyError" in (tmp_path / f"{name}.txt").read_text()


@pytest.mark.parametrize(
    ("code", "said", "kind"),
    [
        (0, "", ""),
        (None, "", "hung"),
        (70, "==1== ERROR: libFuzzer: timeout after 22 seconds", "timeout"),
        (71, "==1== ERROR: libFuzzer: out-of-memory (used: 1100Mb; limit: 1024Mb)", "out-of-memory"),
        (-11, "", "the process ended with exit code -11"),
    ],
)
def test_how_a_fuzzing_process_ended(code: int | None, said: str, kind: str) -> None:
    assert fuzz._ended(code, said) == kind


def crash() -> None:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGSEGV)


def fail() -> None:
    raise ValueError("a bug")


def wait() -> None:
    import time

    time.sleep(60)


def refuse() -> None:
    sys.stderr.write("zoo: error: no\n")
    raise SystemExit(1)


def chatter() -> None:
    sys.stderr.write("W0000 native chatter\nzoo: error: no\n")
    raise SystemExit(1)


@pytest.mark.long
@pytest.mark.parametrize(
    ("work", "outcome"),
    [
        (crash, "crashed"),
        (fail, "traceback"),
        (wait, "hung"),
        (refuse, "refused"),
        (chatter, "traceback"),
        (lambda: None, "done"),
    ],
)
def test_outcomes(work: Any, outcome: str) -> None:
    """A script that finds no faults must be able to find one."""
    assert call(work, seconds=2).outcome == outcome


def test_a_crash_on_purpose_writes_nothing(tmp_path: Path) -> None:
    """A crash in a fork prints no stack to the terminal, although pytest turns that on and a fork inherits it."""
    (tmp_path / "test_one.py").write_text(
        "from tests.benchmarks.test_reliability import call, crash\n"
        "def test_it():\n    assert call(crash).outcome == 'crashed'\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "faulthandler",
        str(tmp_path / "test_one.py"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert done.stderr == ""
    assert call(lambda: sys.stdout.write(str(resource.getrlimit(resource.RLIMIT_CORE)[0]))).out == "0"


def test_mutations_change_what_they_are_given() -> None:
    data = bytes(range(256)) * 60
    changed = [mutate(data, random.Random(seed)) for seed in range(300)]
    assert sum(one != data for one in changed) > 290
    assert len({len(one) for one in changed}) > 10
    document = {"a": 1, "b": {"c": [1, 2.5, "x"]}}
    assert sum(mutate_values(document, random.Random(seed)) != document for seed in range(100)) > 90
    assert document == {"a": 1, "b": {"c": [1, 2.5, "x"]}}


def test_the_page_says_what_was_found() -> None:
    """Every table of the page is made from the committed results."""
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    made = ("models", "inputs", "fuzz", "pictures", "damaged_pictures", "kills", "disk", "stream", "soak")
    for name in made:
        assert getattr(tables, name)() in page
