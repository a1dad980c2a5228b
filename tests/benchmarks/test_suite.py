"""All benchmarks run one after the other: a failure is named, the others still run, and each result is kept at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import results, suite
from bench.suite import Benchmark

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPTS = ROOT / "benchmarks"


def script(folder: Path, name: str, code: str) -> Benchmark:
    (folder / f"{name}.py").write_text(f"import json, sys\n{code}\n")
    return Benchmark(name, f"{name}.py", "--full", "--quick")


def run(benchmarks: list[Benchmark], folder: Path, *, quick: bool = False) -> tuple[list[str], list[str]]:
    said: list[str] = []
    failed = suite.run_all(benchmarks, folder / "b.json", quick=quick, say=said.append, folder=folder)
    return failed, said


def kept(folder: Path) -> Any:
    return {name: entry["result"] for name, entry in results.read(folder / "b.json")["benchmarks"].items()}


def test_a_script_that_fails_is_named_and_the_others_run(tmp_path: Path) -> None:
    good = script(tmp_path, "good", "print('chatter'); print(json.dumps({'asked': sys.argv[1:]}))")
    bad = script(tmp_path, "bad", "print(json.dumps({'half': 1})); sys.exit('no such thing')")
    mute = script(tmp_path, "mute", "")
    failed, said = run([bad, mute, good], tmp_path)
    assert failed == ["bad", "mute"]
    assert "  no such thing" in said
    assert kept(tmp_path) == {"good": {"asked": ["--full", "--json"]}}
    entry = results.read(tmp_path / "b.json")["benchmarks"]["good"]
    assert (entry["command"], entry["quick"]) == ("python benchmarks/good.py --full", False)


def test_old_results_stay_if_a_script_fails_or_is_not_run(tmp_path: Path) -> None:
    one = script(tmp_path, "one", "print(json.dumps({'n': 1}))")
    two = script(tmp_path, "two", "print(json.dumps({'n': 2}))")
    run([one, two], tmp_path)
    one = script(tmp_path, "one", "print(json.dumps({'n': 10}))")
    two = script(tmp_path, "two", "sys.exit(1)")
    failed, _ = run([one, two], tmp_path, quick=True)
    assert failed == ["two"]
    assert kept(tmp_path) == {"one": {"n": 10}, "two": {"n": 2}}
    assert results.read(tmp_path / "b.json")["benchmarks"]["one"]["quick"]


def test_results_of_a_script_that_complains_are_kept(tmp_path: Path) -> None:
    code = "print(json.dumps({'n': 1})); print('problem: slow', file=sys.stderr); sys.exit(1)"
    failed, said = run([script(tmp_path, "picky", code)], tmp_path)
    assert failed == ["picky"]
    assert "  slow" in said
    assert results.read(tmp_path / "b.json")["benchmarks"]["picky"]["problems"] == ["slow"]


@pytest.mark.parametrize("one", suite.SUITE, ids=suite.NAMES)
def test_every_script_has_the_options_it_is_given(one: Benchmark) -> None:
    assert (SCRIPTS / one.script).exists()
    done = subprocess.run([sys.executable, SCRIPTS / one.script, "--help"], capture_output=True, text=True, check=True)
    for option in (f"{one.full} {one.quick} --json").split():
        if option.startswith("--"):
            assert f"{option}" in done.stdout.split(), f"{one.script} has no {option}"


def test_an_unknown_name_is_one_line() -> None:
    command = [sys.executable, str(SCRIPTS / "all.py"), "--only", "speed"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "speed" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_a_user_can_cause_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text("[]")
    command = [sys.executable, str(SCRIPTS / "all.py"), "--only", "scaling", "--out", str(tmp_path / "b.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("all.py: error: ")
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "b.json").read_text() == "[]"


@pytest.mark.long
def test_a_quick_run_of_the_light_ones(tmp_path: Path) -> None:
    """Real files are timed, but the figures are not checked, because they need an idle machine."""
    names = "export_latency,scaling"
    command = [sys.executable, str(SCRIPTS / "all.py"), "--quick", "--only", names, "--out", str(tmp_path / "b.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = kept(tmp_path)
    assert set(found) == set(names.split(","))
    assert {row["mode"] for row in found["export_latency"]["rows"]} == {"none", "int8"}
    assert all(row["invoke"]["ours"] > 0 for row in found["export_latency"]["rows"])
    memory = [row["peak_mb"] for row in found["scaling"]["memory"]]
    # Fifty pictures of 640x480 decoded at once would be 46 MB more.
    assert max(memory) < min(memory) + 20
    assert (tmp_path / "scaling.png").exists()
    assert json.loads((tmp_path / "b.json").read_text())["format"] == results.FORMAT
