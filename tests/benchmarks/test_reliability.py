"""The measurements of `benchmarks/reliability`, with the smallest counts, find no faults."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reliability import collector, fuzz, kills, load, tables
from benchmarks.reliability.__main__ import merged
from benchmarks.reliability.commands import call
from benchmarks.reliability.damaged_models import OUTCOMES
from benchmarks.reliability.mutations import mutate, mutate_values
from benchmarks.reliability.parsers import Parser
from zoo.errors import ZooError

ROOT = Path(__file__).resolve().parent.parent.parent
MODULE = ROOT / "tests" / "programs" / "run_module.py"


def step(name: str, *options: str, first: list[str] | None = None) -> dict[str, Any]:
    """Runs a measurement that finds no faults, and returns its result.

    Args:
        name: its name.
        options: more words of `benchmarks.reliability.step`.
        first: the beginning of the command: that of `warm` for a measurement that imports TensorFlow, or a Python.
    """
    how = [*(first or [sys.executable]), str(MODULE)]
    command = [*how, "benchmarks.reliability.step", name, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["faults"] == 0
    return found


@pytest.mark.long
def test_damaged_models(warm: list[str]) -> None:
    names = (
        *(f"{name}, checksum kept on litert" for name in ("classifier", "detector")),
        *(f"classifier, .onnx, checksum {how} on onnxruntime" for how in ("kept", "made anew")),
    )
    rows = [word for name in names for word in ("--row", name)]
    found = step("models", *rows, first=warm)
    assert [sum(row[name] for name in OUTCOMES) for row in found["rows"]] == [21, 11, 21, 21]
    for row in found["rows"]:
        assert row["refused"]
        # A damaged model that runs gives other answers, which the checksum of its card shows, unless it was made anew.
        assert bool(row["other answer"]) == ("anew" in row["file"]), row


@pytest.mark.long
def test_damaged_models_on_tflite_runtime(tflite_runtime_python: Path) -> None:
    row = "classifier, no checksum on tflite-runtime"
    found = step("models_tflite_runtime", "--row", row, first=[str(tflite_runtime_python)])
    assert {one["runtime"] for one in found["rows"]} == {"tflite-runtime"}
    assert found["rows"][0]["same answer"]


@pytest.mark.long
def test_other_damaged_files(warm: list[str]) -> None:
    assert len(step("inputs", first=warm)["rows"]) == 9


@pytest.mark.long
def test_pictures(warm: list[str]) -> None:
    found = step("pictures", first=warm)
    rows = {row["kind"]: row for row in found["rows"]}
    assert rows["sound JPEG"]["run"] == "named"
    assert rows["text"] == {
        "kind": "text", "run": "one line", "run folder": "one line, others named", "evaluate": "one line, others named",
        "data check": "listed as bad", "serve": "415",
    }  # fmt: skip
    assert rows["named pipe"]["run"] == rows["no permission"]["run"] == "one line"
    for row in found["damaged"]:
        assert row["named"] + row["refused"] == row["files"] == 6


@pytest.mark.long
def test_kills(warm: list[str]) -> None:
    names = ("export", "run --draw", "download", "serve --collect")
    found = step("kills", "--count", "2", *(word for name in names for word in ("--row", name)), first=warm)
    rows = {row["command"]: row for row in found["rows"]}
    assert sum(row["killed"] for row in rows.values()) >= 4
    assert rows["export"]["each file whole, old or none"] == 2
    assert rows["download"]["same file"] == 2
    assert rows["serve --collect"]["pictures kept"]


@pytest.mark.parametrize(
    ("content", "older", "said"),
    [(b"older", True, "old"), (b"new", True, "new"), (b"ne", True, "half a file"), (b"older", False, "half a file"),
     (None, False, "none"), (None, True, "half a file")],
)  # fmt: skip
def test_what_a_kill_has_left(content: bytes | None, older: bool, said: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "file.bin").write_bytes(content)
    assert kills.left_of(tmp_path / "file.bin", b"new", older=older) == said


@pytest.mark.long
def test_full_disk(warm: list[str]) -> None:
    names = ("build, SavedModel", "evaluate --confusion .png", "train, full after a checkpoint")
    found = step("disk", *(word for name in names for word in ("--row", name)), first=warm)
    rows = [row for row in found["rows"] if row["how"] != "full standard output"]
    filled_up = ["resumed with room"] * (rows[0]["how"] == "full disk")  # otherwise no disk of ours can be had
    assert [row["left"] for row in rows] == [
        "nothing", *filled_up, "old file intact", "nothing", "old file intact",
    ]  # fmt: skip


@pytest.mark.long
def test_stream() -> None:
    found = step("stream")
    assert (found["named"], found["errors"]) == (300, 0)
    assert 10 < found["memory_mb"]["at_the_end"] < 1000


@pytest.mark.long
def test_soak() -> None:
    found = step("soak")
    answers = {(kind, status) for kind, status, _ in found["statuses"]}
    assert {("good", 200), ("damaged", 400), ("page", 200)} <= answers


@pytest.mark.long
def test_the_collector_under_load() -> None:
    found = step("collector")
    assert ["good", 201] in [row[:2] for row in found["statuses"]]
    assert found["kept"]["pictures kept"]


def test_pictures_that_are_lost_or_changed_are_counted(tmp_path: Path) -> None:
    client = collector.Client(Any, "b")  # type: ignore[arg-type]  # it asks nobody
    client.stored = {("cup", "1.jpg"): b"1", ("cup", "2.jpg"): b"2", ("cup", "3.jpg"): b"3"}
    (tmp_path / "cup").mkdir()
    for name in ("1", "2", "4"):
        (tmp_path / "cup" / f"{name}.jpg").write_bytes(b"1")
    found = collector.compare(tmp_path, [client], dict.fromkeys(collector.CLASSES, 0) | {"cup": 2})
    assert list(found.values()) == [3, 1, 1, 1, 1, 0]


def test_a_load_counts_what_must_not_be(tmp_path: Path) -> None:
    class Stopped:
        errors, code = tmp_path / "log", 1

    (tmp_path / "log").write_text("Traceback (most recent call last)")
    found = load.Load(Stopped())  # type: ignore[arg-type]  # it is not asked
    found.statuses.update({("good", status): 1 for status in (200, 500, 0, 507)} | {("cut", 0): 1})
    found.errors.append("read: ValueError: other bytes")
    counts = found.result(meant=(507,))["counts"]
    assert counts.pop("faults that clients noticed") == 1
    assert list(counts.values()) == [1, 1, 1, 0, 1]


@pytest.mark.long
@pytest.mark.parametrize("parser", ["flatbuffer", "card", "onnx", "hdf5"])
def test_the_fuzzer_finds_nothing_in_a_few_inputs(parser: str, tmp_path: Path) -> None:
    """The process forks, and so must have no threads of TensorFlow."""
    program = (
        "import json, sys; from pathlib import Path; from benchmarks.reliability import fuzz; "
        "print(json.dumps(fuzz.fuzz(fuzz.PARSERS[sys.argv[1]], 'random', 60, Path(sys.argv[2]))))"
    )
    done = subprocess.run([sys.executable, "-c", program, parser, tmp_path], cwd=ROOT, capture_output=True, check=True)
    row = json.loads(done.stdout)
    assert row["executions"] == row["read"] + row["refused"] == 60
    assert row["read"]
    assert row["refused"]
    assert (row["findings"], row["kinds"]) == (0, [])


@pytest.mark.long
@pytest.mark.parametrize("blind", [False, True])
def test_atheris_sees_the_branches_of_a_parser(blind: bool, tmp_path: Path) -> None:
    """A module that is imported too early is fuzzed blindly, which is a fault."""
    pytest.importorskip("atheris", reason="atheris is not installed")
    program = (
        "import json, sys; from pathlib import Path; from benchmarks.reliability import fuzz; "
        f"fuzz.INSTRUMENTED = fuzz.INSTRUMENTED[{2 * blind}:]; "
        "print(json.dumps(fuzz.fuzz(fuzz.PARSERS['card'], 'atheris', 2, Path(sys.argv[1]))))"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], cwd=ROOT, capture_output=True, check=True)
    row = json.loads(done.stdout)
    assert row["executions"]
    assert (row["coverage"], row["kinds"]) == (None, [fuzz.BLIND]) if blind else row["coverage"] > 20


def test_a_finding_is_kept_once_and_a_zoo_error_is_no_finding(tmp_path: Path) -> None:
    def read(path: Path) -> None:
        data = path.read_bytes()
        if data == b"refused":
            raise ZooError("no")
        if data.startswith(b"bug"):
            raise KeyError(data)

    attempts = fuzz.Attempts(Parser("card", ".tflite", read, list), tmp_path / "log", tmp_path)
    for data in (b"fine", b"refused", b"bug 1", b"bug 2"):
        attempts.one(data)
    first, second, what, again = (tmp_path / "log").read_text().splitlines()
    assert (first, second) == ("read", "refused")
    assert what == again
    assert what.startswith("KeyError in read (test_reliability.py:")
    assert (tmp_path / f"card {what}.tflite").read_bytes() == b"bug 1"
    assert "KeyError" in (tmp_path / f"card {what}.txt").read_text()


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
    assert fuzz.how_it_ended(code, said) == kind


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


def noted() -> None:
    sys.stderr.write("zoo: error: no\nnote: this file's weights are random\n")
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
        (noted, "refused"),
        (chatter, "traceback"),
        (lambda: None, "done"),
    ],
)
def test_outcomes(work: Any, outcome: str) -> None:
    """A script that finds no faults must be able to find one."""
    assert call(work, seconds=2).outcome == outcome


@pytest.mark.slow
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


def test_rows_that_are_measured_again_take_the_place_of_the_old_ones() -> None:
    old = {"on": "1", "rows": [{"command": "a", "says": "no", "on": "1"}, {"command": "b", "tried": 2, "on": "1"}]}
    new = {"on": "2", "rows": [{"command": "a", "tried": 3, "on": "2"}, {"command": "c", "tried": 4, "on": "2"}]}
    found = merged(old, new)
    assert found["on"] == "2"
    assert [(row["command"], row["tried"], row["on"]) for row in found["rows"]] == [
        ("a", 3, "2"),
        ("b", 2, "1"),
        ("c", 4, "2"),
    ]


def test_the_page_says_what_was_found() -> None:
    """Every table of the page is made from the committed results."""
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    made = (
        "models", "inputs", "fuzz", "pictures", "damaged_pictures", "kills", "disk", "stream", "soak",
        "collector",
    )  # fmt: skip
    for name in made:
        assert getattr(tables, name)() in page
