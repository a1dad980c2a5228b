"""The form of docs/benchmarks.json, and the tables that are made from it."""

from __future__ import annotations

import copy
import importlib
import json
from pathlib import Path
from typing import Any

import export_memory
import modes
import pytest
import train_input
from scaling import draw

from bench import report, results
from zoo.errors import InputError

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = tuple(importlib.import_module("all").SUITE)


@pytest.fixture
def entry() -> Any:
    return results.entry("python benchmarks/x.py", False, 12.34, 0.5, {"rows": []})


def spread(median: float) -> dict[str, float]:
    return {"median": median, "p10": median / 2, "p90": 2 * median}


def test_what_is_kept_names_no_machine(entry: Any) -> None:
    assert set(entry["machine"]) == {"cpu", "features", "cores", "memory_gb", "system", "kernel", "python"}
    assert set(entry["machine"]["kernel"]) <= set("0123456789.")
    assert entry["versions"]["edgezoo"]
    assert entry["seconds"] == 12.3


def test_a_file_of_results_is_written_and_read_back(tmp_path: Path, entry: Any) -> None:
    path = tmp_path / "b.json"
    assert results.read(path) == {}
    results.write({"x": {**entry, "result": {"rows": [{"ms": 1.23456789}]}}}, path)
    assert results.read(path) == {"x": {**entry, "result": {"rows": [{"ms": 1.23457}]}}}


def test_damage_is_one_line(tmp_path: Path, entry: Any) -> None:
    path = tmp_path / "b.json"
    path.write_text('{"format": 1, ')
    with pytest.raises(InputError, match="is not JSON"):
        results.read(path)
    path.write_text('{"format": 0, "benchmarks": {}}')
    with pytest.raises(InputError, match="format 1"):
        results.read(path)
    del entry["date"]
    path.write_text(json.dumps({"format": 1, "benchmarks": {"x": entry}}))
    with pytest.raises(InputError, match="x: fields missing or unknown: date"):
        results.read(path)
    entry["date"] = "2026-01-01"
    entry["machine"]["node"] = "name"
    with pytest.raises(InputError, match="node"):
        results.write({"x": entry}, path)


def test_the_committed_file_has_all_benchmarks_and_each_renders() -> None:
    assert set(results.read()) == set(NAMES)
    for name in NAMES:
        text = report.section(name)
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert len(rows) > 3, name
        assert "nan" not in text, name
    assert report.machines()


def test_every_table_stands_in_one_page() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    assert {name: pages.count(f'section("{name}")') for name in NAMES} == dict.fromkeys(NAMES, 1)


def test_what_is_unknown_says_how_to_measure_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="all.py --only modes"):
        report.section("modes", tmp_path / "none.json")


def test_the_footer(entry: Any) -> None:
    entry["date"] = "2026-01-02"
    assert report.footer(entry) == "`python benchmarks/x.py`, 2026-01-02, 12 s, load 0.5 before."
    entry |= {"quick": True, "problems": ["slow"], "seconds": 300.0, "load": None}
    text = "`python benchmarks/x.py`, 2026-01-02, 5 minutes (too few rounds to mean much: a quick run); slow."
    assert report.footer(entry) == text


def test_two_machines_are_kept_apart(tmp_path: Path, entry: Any) -> None:
    path = tmp_path / "b.json"
    other = copy.deepcopy(entry)
    results.write({"x": entry, "y": other}, path)
    assert report.machines(path).startswith("All on one machine: ")
    other["machine"]["cores"] = 99
    results.write({"x": entry, "y": other}, path)
    assert [line[:5] for line in report.machines(path).splitlines()] == ["- x: ", "- y: "]


def test_modes() -> None:
    row = {
        "model": "lenet", "mode": "int8", "bytes": 500_000, "float_bytes": 2_000_000, "accuracy": 0.975, "count": 944,
        "agreement": 0.991, "ms": spread(0.5), "time": spread(0.25),
    }  # fmt: skip
    lines = modes.table({"rows": [row]}).splitlines()
    assert lines[2] == "| lenet | `int8` | 0.50 MB | 0.25 | 97.5% of 944 | 99.1% | 0.5 ms | 0.25x (0.12 to 0.50) |"


def test_memory_has_a_row_for_each_mode() -> None:
    rows = [{"mode": "none", "way": way, "peak_gb": gb, "seconds": 3.2} for way, gb in (("ours", 1.0), ("plain", 2.5))]
    lines = export_memory.table({"model": "lenet", "rows": rows}).splitlines()
    assert lines[0].endswith("| plain converter: peak memory | plain converter: time |")
    assert lines[2:] == ["| `none` | 1.0 GB | 3 s | 2.5 GB | 3 s |"]


def test_input_pipelines_are_compared_round_by_round() -> None:
    def one(first: float, later: float) -> dict[str, list[float]]:
        return {"wall": [first, later, later, later], "cpu": [2 * first, later, later, later]}

    rounds = [{"keras": one(4, 2), "ours": one(2, 0.1)}]
    text = train_input.table({"pictures": 4, "bytes_each": 1e6, "size": 224, "rounds": rounds})
    assert "| first epoch | 1000 ms | 500 ms | 2.00x (2.00 to 2.00) | 2000 ms | 1000 ms |" in text
    assert "| later epochs | 500 ms | 25 ms | 20.00x" in text


@pytest.mark.slow
def test_the_picture(tmp_path: Path) -> None:
    latency = [
        {"alpha": 0.5, "input_size": 96, "mode": mode, "macs": macs, "ms": spread(macs / 1e7)}
        for mode in ("none", "int8")
        for macs in (10_000_000, 30_000_000)
    ]
    counts = [{"count": n, "per_second": spread(100), "peak_mb": 60.0} for n in (1, 10)]
    threads = [{"threads": n, "per_second": spread(n)} for n in (1, 2)]
    found = {"latency": latency, "exponents": {"none": 0.9, "int8": None}, "threads": threads}
    draw({**found, "pictures": counts, "memory": counts}, tmp_path / "s.svg")
    text = (tmp_path / "s.svg").read_text()
    assert text.count("<path") > 20
    draw({**found, "pictures": counts, "memory": counts}, tmp_path / "s.png")
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
