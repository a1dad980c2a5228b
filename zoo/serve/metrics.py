"""Writes counts and times in the text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

import bisect
import os
from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from zoo.machine.procfs import resident_pages
from zoo.serve.http.connections import Connections
from zoo.serve.http.limits import Gate
from zoo.text import shown

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper ends of the histogram's buckets, in seconds: from small models on a PC to VGG-16 on a small board."""

Labels = dict[str, str]


class Times:
    """A histogram of times in seconds, and their sum."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """Counts one time."""
        self.counts[bisect.bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Returns for each bucket its upper end and the number of times up to it, the shortest first."""
        ends = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
        return [(end, sum(self.counts[: i + 1])) for i, end in enumerate(ends)]


class Metrics(Collector):
    """All counts and times of one server. Only the thread of the event loop changes them.

    The library's own `Counter` and `Histogram` are not used: environment variables and switches of the whole process
    let them share their values with others, and add series. Here the counts belong to this object alone, and the
    library checks and writes them.
    """

    def __init__(self, model: Labels, gate: Gate, connections: Connections) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.stages: dict[str, Times] = {}
        self._model = {name: _one_line_each(value) for name, value in model.items()}
        self._gate = gate
        self._connections = connections
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def count(self, path: str, status: int) -> None:
        """Counts an answer; `path` is one of the server's own paths or `other`, and never a text of a visitor."""
        self.requests[path, status] += 1

    def time(self, stage: str, seconds: float) -> None:
        """Counts the time of a stage: `receive`, `wait`, `decode` or `inference`."""
        self.stages.setdefault(stage, Times()).add(seconds)

    def render(self) -> bytes:
        """Returns the current text in UTF-8; `CONTENT_TYPE` is its type."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yields all current values, for the library."""
        model = GaugeMetricFamily("edgezoo_model_info", "The file that is served.", labels=list(self._model))
        model.add_metric(list(self._model.values()), 1)
        yield model
        answers = CounterMetricFamily(
            "edgezoo_requests", "Number of answers by path and status.", labels=["path", "status"]
        )
        for (path, status), number in sorted(self.requests.items()):
            answers.add_metric([path, str(status)], number)
        yield answers
        times = HistogramMetricFamily("edgezoo_stage_seconds", "Times of the stages of a picture.", labels=["stage"])
        for stage, found in self.stages.items():
            times.add_metric([stage], found.buckets(), found.sum)
        yield times
        yield GaugeMetricFamily("edgezoo_pictures", "Pictures that are being received or answered.", self._gate.held)
        yield GaugeMetricFamily(
            "edgezoo_pictures_limit", "Limit of these pictures; a further one gets 429.", self._gate.places
        )
        yield from self._of_connections()
        memory = resident_bytes()
        if memory is not None:
            yield GaugeMetricFamily("process_resident_memory_bytes", "Memory of the server, in bytes.", memory)

    def _of_connections(self) -> Iterator[Metric]:
        table = self._connections
        yield GaugeMetricFamily("edgezoo_connections", "Open connections.", len(table))
        yield GaugeMetricFamily("edgezoo_connections_limit", "Limit of open connections.", table.most)
        ended = CounterMetricFamily(
            "edgezoo_connections_ended", "Connections that were closed for others, or refused.", labels=["why"]
        )
        ended.add_metric(["gave way"], table.dropped)
        ended.add_metric(["no room"], table.refused)
        yield ended


def resident_bytes() -> int | None:
    """Returns the memory that this process uses now, in bytes; None if the system does not show it."""
    pages = resident_pages()
    return None if pages is None else pages[0] * os.sysconf("SC_PAGE_SIZE")


def _one_line_each(text: str) -> str:
    """Returns text with hidden characters escaped, except ends of lines, which the format itself escapes."""
    return "\n".join(map(shown, text.split("\n")))
