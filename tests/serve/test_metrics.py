from __future__ import annotations

from zoo.serve.connections import Connections
from zoo.serve.metrics import BOUNDS, Histogram, Metrics


def test_a_histogram() -> None:
    histogram = Histogram()
    for seconds in (0.0005, 0.001, 0.0011, 3, 100):
        histogram.add(seconds)
    lines = dict(line.rsplit(" ", 1) for line in histogram.lines("t", {"stage": "wait"}))
    assert lines['t_bucket{stage="wait",le="0.001"}'] == "2"
    assert lines['t_bucket{stage="wait",le="0.002"}'] == "3"
    assert lines['t_bucket{stage="wait",le="5"}'] == "4"
    assert lines['t_bucket{stage="wait",le="+Inf"}'] == "5"
    assert lines['t_count{stage="wait"}'] == "5"
    assert float(lines['t_sum{stage="wait"}']) == 103.0026
    assert len(lines) == len(BOUNDS) + 3


def test_names_that_need_escapes() -> None:
    text = Metrics({"file": 'a"b\\c\nd.tflite'}).render(held=0, places=1, connections=Connections(8, 4))
    assert r'edgezoo_model_info{file="a\"b\\c\nd.tflite"} 1' in text.splitlines()
    assert text.endswith("\n")
