"""Faults that are made on purpose, and what is known of the tests that have to notice them."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import mutant_code
import mutants

ROOT = Path(__file__).resolve().parents[2]


def lines(source: str) -> list[str]:
    return [one.now for one in mutant_code.mutants(source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", ["(a <= b)"]),
        ("a <= b", ["(a < b)"]),
        ("a > b", ["(a >= b)"]),
        ("a >= b", ["(a > b)"]),
        ("a == b", ["(a != b)"]),
        ("a is None", ["(a is not None)"]),
        ("a not in b", ["(a in b)"]),
        ("a < b < c", ["(a <= b < c)", "(a < b <= c)"]),
        ("a and b", ["(a or b)"]),
        ("a or b", ["(a and b)"]),
        ("not a", ["(a)"]),
        ("a + b", ["(a - b)"]),
        ("a - b", ["(a + b)"]),
        ("f(3, 0.5)", ["f(4, 0.5)", "f(3, 1.5)"]),
        ("a[-1]", ["a[-2]"]),
        ("'é' + x", ["('é' - x)"]),
        ("f(a +\n  b)", ["f((a - b))"]),
    ],
)
def test_each_fault_changes_one_place_of_a_line(source: str, expected: list[str]) -> None:
    assert lines(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "'a < 3'", "True", "None", "a * b", "x: Literal[3] = y", "def f(x: Literal[3]) -> Literal[4]: pass",
        "f'{a + 3}'", "if TYPE_CHECKING:\n    import a as b\n    c = 3",
    ],
)  # fmt: skip
def test_texts_annotations_and_what_is_for_checkers_stay(source: str) -> None:
    assert lines(source) == []


def test_a_mutant_is_the_whole_module_but_for_one_line() -> None:
    source = "# é\nif a < b:\n    c = 'ü' + d(1)\n"
    found = mutant_code.mutants(source)
    assert [one.line for one in found] == [2, 3, 3]
    for one in found:
        changed = [new for old, new in zip(source.splitlines(), one.source.splitlines(), strict=True) if old != new]
        assert [" ".join(line.split()) for line in changed] == [one.now]
        assert one.was in source
        compile(one.source, "mutant", "exec")


def test_whoever_imports_the_module_gets_the_mutant_and_its_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "example_of_mutants"
    package.mkdir()
    (package / "__init__.py").write_text("from example_of_mutants.sums import add\n")
    (package / "sums.py").write_text("def add(a, b):\n    return a + b\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    name = "example_of_mutants.sums"
    assert importlib.import_module("example_of_mutants").add(5, 3) == 8
    (mutant,) = mutant_code.mutants((package / "sums.py").read_text())
    mutant_code.install(name, package / "sums.py", mutant.source)
    mutated = importlib.import_module("example_of_mutants").add
    assert mutated(5, 3) == 2
    # By the source, too, from which TensorFlow compiles what it traces.
    assert "(a - b)" in inspect.getsource(mutated)
    assert importlib.import_module(name).__file__ == str(package / "sums.py")
    assert (package / "sums.py").read_text() == "def add(a, b):\n    return a + b\n"
    for loaded in ("example_of_mutants", name):
        del sys.modules[loaded]


def test_a_sample_is_always_the_same_and_holds_no_mutant_twice() -> None:
    core = mutants.cores()[0]
    drawn, every = core.sample(1, 8)
    assert (drawn, every) == core.sample(1, 8)
    assert len({one.source for one in drawn}) == 8 < every
    assert drawn != core.sample(2, 8)[0]
    assert len(core.sample(1, 10**6)[0]) == every


def test_a_fresh_sample_holds_nothing_that_another_seed_draws() -> None:
    core = mutants.cores()[0]
    seen = {one.source for seed in (1, 2) for one in core.sample(seed, 8)[0]}
    fresh, every = core.sample(3, 8, without=(1, 2))
    assert len(fresh) == 8
    assert not seen & {one.source for one in fresh}
    # What is left of a small module is less than was asked for.
    rest, _ = core.sample(3, every, without=(1,))
    assert rest == []
    few, _ = core.sample(3, every - 4, without=(1,))
    assert len(few) == 4


def test_the_figures_of_both_samples_stand_with_their_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "RESULTS", tmp_path / "mutants.json")
    row = {"module": "a", "mutants": 30, "tried": 6, "same": 0, "failed": 4, "stopped": 1, "lived": [{}]}
    mutants._keep(rows=[row, row])
    mutants._keep(fresh={"seed": 3, "without": [1], "rows": [{"module": "a", "tried": 1200, "noticed": 1199}]})
    assert mutants.figures() == (
        "Of the fixed sample 10 of 12 were noticed, 83% (`python tools/mutants.py`); of the fresh one, from 1 modules, "
        "1,199 of 1,200, 99% (`python tools/mutants.py --fresh`).\n"
    )


def test_the_fresh_sample_was_drawn_without_what_was_looked_at() -> None:
    fresh = mutants.results()["fresh"]
    assert (fresh["seed"], fresh["without"]) == (mutants.FRESH, [mutants.SEED, *mutants.SEEN])
    measured = [row["module"] for row in fresh["rows"]]
    assert measured == [core.name for core in mutants.cores() if core.name in measured and not core.read]


def test_what_is_listed_as_the_same_is_a_mutant_of_its_module() -> None:
    for core in mutants.cores():
        every = {one.now for one in mutant_code.mutants(core.path.read_text(encoding="utf-8"))}
        assert set(core.same) <= every, core.name
        assert all(reason.endswith(".") for reason in core.same.values()), core.name


def test_nine_in_ten_mutants_of_the_listed_modules_were_noticed() -> None:
    rows = mutants.results()["rows"]
    assert [row["module"] for row in rows] == [core.name for core in mutants.cores()]
    assert sum(map(mutants.noticed, rows)) >= 0.9 * sum(row["tried"] for row in rows)
    for row in rows:
        assert mutants.noticed(row) + len(row["lived"]) == row["tried"], row["module"]


@pytest.mark.long
def test_a_module_is_tried_and_the_checkout_stays_as_it_is() -> None:
    command = [sys.executable, str(ROOT / "tools" / "mutants.py"), "--show", "zoo.benchmark.statistics", "--each", "3"]
    path, before = ROOT / "zoo" / "benchmark" / "statistics.py", mutants.RESULTS.read_bytes()
    source = path.read_bytes()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "3 of 3 mutants were noticed"), done.stderr
    assert (path.read_bytes(), mutants.RESULTS.read_bytes()) == (source, before)
    wrong = subprocess.run([*command[:3], "zoo.no_such"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "zoo.no_such: not among the modules of" in wrong.stderr
