"""All benchmarks run one after the other: a failure is named, the others still run, and each result is kept at once."""

from __future__ import annotations

import importlib
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from bench import results
from bench.script import benchmark
from zoo.errors import InputError

suite = importlib.import_module("all")
SCRIPTS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Runs programs as benchmarks, and returns the names of those that failed."""

    def run(*, quick: bool = False, **programs: str) -> list[str]:
        path = tmp_path / "b.json"
        entries, failed = results.read(path), []
        for name, code in programs.items():
            monkeypatch.setitem(suite.SUITE, name, ("--full", "--quick"))
            (tmp_path / f"{name}.py").write_text(f"import json, sys\n{code}\n")
            if not suite.ran(name, entries, path, quick=quick, folder=tmp_path):
                failed.append(name)
        return failed

    return run


def kept(folder: Path) -> Any:
    return {name: entry["result"] for name, entry in results.read(folder / "b.json").items()}


def test_a_script_that_fails_is_named_and_the_others_run(
    run: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = "print('chatter'); print(json.dumps({'asked': sys.argv[1:]}))"
    bad = "print(json.dumps({'half': 1})); sys.exit('no such thing')"
    assert run(bad=bad, mute="", good=good) == ["bad", "mute"]
    assert "  no such thing\n" in capsys.readouterr().err
    assert kept(tmp_path) == {"good": {"asked": ["--full", "--json"]}}
    entry = results.read(tmp_path / "b.json")["good"]
    assert (entry["command"], entry["quick"]) == ("python benchmarks/good.py --full", False)


def test_old_results_stay_if_a_script_fails_or_is_not_run(run: Callable[..., list[str]], tmp_path: Path) -> None:
    run(one="print(json.dumps({'n': 1}))", two="print(json.dumps({'n': 2}))")
    assert run(quick=True, one="print(json.dumps({'n': 10}))", two="sys.exit(1)") == ["two"]
    assert kept(tmp_path) == {"one": {"n": 10}, "two": {"n": 2}}
    assert results.read(tmp_path / "b.json")["one"]["quick"]


def test_results_of_a_script_that_complains_are_kept(run: Callable[..., list[str]], tmp_path: Path) -> None:
    assert run(picky="print(json.dumps({'n': 1, 'problems': ['slow']})); sys.exit(1)") == ["picky"]
    assert results.read(tmp_path / "b.json")["picky"]["problems"] == ["slow"]


def test_a_command_prints_a_table_or_json_and_its_problems() -> None:
    @benchmark(lambda result: f"| {result['n']} |")
    @click.option("--n", default=1)
    def main(n: int) -> dict[str, Any]:
        if n < 0:
            raise InputError(f"{n} is too few")
        return {"n": n, "problems": ["too many"] * (n > 1)}

    for words, code, out, err in (
        ([], 0, "| 1 |\n", ""),
        (["--n", "2"], 1, "| 2 |\n", "problem: too many\n"),
    ):
        done = CliRunner().invoke(main, words)
        assert (done.exit_code, done.stdout, done.stderr) == (code, out, err)
    failed = CliRunner().invoke(main, ["--n", "-1"])
    assert failed.exit_code == 1
    assert failed.output.endswith(": error: -1 is too few\n")
    assert json.loads(CliRunner().invoke(main, ["--json"]).stdout) == {"n": 1, "problems": []}


@pytest.mark.parametrize("name", suite.SUITE)
def test_every_script_has_the_options_it_is_given(name: str) -> None:
    main = importlib.import_module(name).main
    for options in suite.SUITE[name]:
        main.make_context(name, [*shlex.split(options), "--json"])


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
