"""What Prometheus is told, read back with the parser that its own Python library has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from zoo.serve.http.connections import Connections
from zoo.serve.http.limits import Gate
from zoo.serve.metrics import BOUNDS, Labels, Metrics

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def metrics(model: Labels | None = None) -> Metrics:
    return Metrics(model or {"file": "m.tflite"}, Gate(3), Connections(8, 4))


def samples(text: bytes) -> Samples:
    """Each series' value; a series that stands there twice is a failure."""
    found: Samples = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            series = (sample.name, frozenset(sample.labels.items()))
            assert series not in found
            found[series] = sample.value
    return found


def value(text: bytes, name: str, **labels: str) -> float:
    return samples(text)[name, frozenset(labels.items())]


def test_a_histogram() -> None:
    counted = metrics()
    for seconds in (0.0005, 0.001, 0.0011, 3, 100):
        counted.time("wait", seconds)
    text = counted.render()
    for end, count in {"0.001": 2, "0.002": 3, "1": 3, "2": 3, "5": 4, "10": 4, "+Inf": 5}.items():
        assert value(text, "edgezoo_stage_seconds_bucket", stage="wait", le=end) == count
    assert value(text, "edgezoo_stage_seconds_count", stage="wait") == 5
    assert value(text, "edgezoo_stage_seconds_sum", stage="wait") == pytest.approx(103.0026)
    assert sum(name == "edgezoo_stage_seconds_bucket" for name, _ in samples(text)) == len(BOUNDS) + 1


def test_the_series_their_kinds_and_their_help() -> None:
    counted = metrics()
    counted.count("/v1/classify", 200)
    counted.time("decode", 0.1)
    lines = counted.render().decode().splitlines()
    kinds = {line.split()[2]: line.split()[3] for line in lines if line.startswith("# TYPE ")}
    assert kinds == {
        "edgezoo_model_info": "gauge",
        "edgezoo_requests_total": "counter",
        "edgezoo_stage_seconds": "histogram",
        "edgezoo_pictures": "gauge",
        "edgezoo_pictures_limit": "gauge",
        "edgezoo_connections": "gauge",
        "edgezoo_connections_limit": "gauge",
        "edgezoo_connections_ended_total": "counter",
        "process_resident_memory_bytes": "gauge",
    }
    helped = [line.split(maxsplit=3) for line in lines if line.startswith("# HELP ")]
    assert [words[2] for words in helped] == list(kinds)
    assert all(len(words) == 4 for words in helped)


def test_what_is_under_way_is_that_of_the_moment() -> None:
    gate, connections = Gate(3), Connections(8, 4)
    counted = Metrics({"file": "m.tflite"}, gate, connections)
    assert value(counted.render(), "edgezoo_pictures") == 0
    gate.held = 2
    connections.dropped, connections.refused = 5, 7
    text = counted.render()
    assert (value(text, "edgezoo_pictures"), value(text, "edgezoo_pictures_limit")) == (2, 3)
    assert (value(text, "edgezoo_connections"), value(text, "edgezoo_connections_limit")) == (0, 8)
    assert value(text, "edgezoo_connections_ended_total", why="gave way") == 5
    assert value(text, "edgezoo_connections_ended_total", why="no room") == 7


def test_names_that_need_escapes() -> None:
    text = metrics({"file": 'a"b\\c\nd.tflite'}).render()
    assert rb'edgezoo_model_info{file="a\"b\\c\nd.tflite"} 1.0' in text.splitlines()
    assert value(text, "edgezoo_model_info", file='a"b\\c\nd.tflite') == 1
    assert text.endswith(b"\n")


def test_names_that_are_no_text() -> None:
    text = metrics({"file": "\udcff\x1b\u202e.tflite"}).render()
    assert value(text, "edgezoo_model_info", file=r"\udcff\x1b\u202e.tflite") == 1


def test_two_servers_in_one_process_count_apart() -> None:
    before = set(REGISTRY._names_to_collectors)
    first, second = metrics({"file": "a.tflite"}), metrics({"file": "b.tflite"})
    first.count("/", 200)
    first.time("wait", 1)
    assert value(first.render(), "edgezoo_requests_total", path="/", status="200") == 1
    assert {name for name, _ in samples(second.render())}.isdisjoint({"edgezoo_requests_total"})
    assert value(second.render(), "edgezoo_model_info", file="b.tflite") == 1
    assert set(REGISTRY._names_to_collectors) == before


@pytest.mark.slow
def test_the_librarys_switches_change_nothing(tmp_path: Path) -> None:
    """With this variable its own counters are shared among processes, by files in a folder."""
    program = Path(__file__).with_name("programs") / "count_one.py"

    def rendered(folder: Path) -> set[str]:
        variables = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
        done = subprocess.run([sys.executable, program], env=variables, capture_output=True, text=True, check=True)
        return {line for line in done.stdout.splitlines() if not line.startswith("process_")}

    there = rendered(tmp_path)
    assert 'edgezoo_requests_total{path="/",status="200"} 1.0' in there
    assert not [line for line in there if "_created" in line]
    assert rendered(tmp_path) == rendered(tmp_path / "missing") == there
    assert list(tmp_path.iterdir()) == []
