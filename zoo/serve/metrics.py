"""Counts and times in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

import bisect
import os
from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from zoo.machine.procfs import resident_pages
from zoo.serve.connections import Connections
from zoo.serve.limits import Gate
from zoo.text import shown

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper ends of the times' buckets, seconds: from small models on a PC to VGG-16 on a small board."""

Labels = dict[str, str]


class Times:
    """How many times were at most so long, and what they add up to, in seconds."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """Counts one."""
        self.counts[bisect.bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Upper end -> how many times were at most so long, with the shortest first."""
        ends = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
        return [(end, sum(self.counts[: i + 1])) for i, end in enumerate(ends)]


class Metrics(Collector):
    """All that one server counts. Only the thread of the event loop changes it.

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
        """Counts an answer; `path` is one of the server's own, or `other`, and never what a visitor wrote."""
        self.requests[path, status] += 1

    def time(self, stage: str, seconds: float) -> None:
        """Counts a time: of `receive`, `wait`, `decode`, `inference`."""
        self.stages.setdefault(stage, Times()).add(seconds)

    def render(self) -> bytes:
        """The text as it is now, in UTF-8; `CONTENT_TYPE` is its type."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """All values as they are now, for the library."""
        model = GaugeMetricFamily("edgezoo_model_info", "The file that is served.", labels=list(self._model))
        model.add_metric(list(self._model.values()), 1)
        yield model
        answers = CounterMetricFamily("edgezoo_requests", "Answers by path and status.", labels=["path", "status"])
        for (path, status), number in sorted(self.requests.items()):
            answers.add_metric([path, str(status)], number)
        yield answers
        times = HistogramMetricFamily("edgezoo_stage_seconds", "Where the time of a picture went.", labels=["stage"])
        for stage, found in self.stages.items():
            times.add_metric([stage], found.buckets(), found.sum)
        yield times
        yield GaugeMetricFamily("edgezoo_pictures", "Pictures under way.", self._gate.held)
        yield GaugeMetricFamily("edgezoo_pictures_limit", "How many may be; one more gets 429.", self._gate.places)
        yield from self._of_connections()
        memory = resident_bytes()
        if memory is not None:
            yield GaugeMetricFamily("process_resident_memory_bytes", "Memory of the server.", memory)

    def _of_connections(self) -> Iterator[Metric]:
        table = self._connections
        yield GaugeMetricFamily("edgezoo_connections", "Connections that are open.", len(table))
        yield GaugeMetricFamily("edgezoo_connections_limit", "How many may be.", table.most)
        ended = CounterMetricFamily(
            "edgezoo_connections_ended", "Connections that gave way to others, or found no room.", labels=["why"]
        )
        ended.add_metric(["gave way"], table.dropped)
        ended.add_metric(["no room"], table.refused)
        yield ended


def resident_bytes() -> int | None:
    """The memory that this process holds now; None where the system does not show it."""
    pages = resident_pages()
    return None if pages is None else pages[0] * os.sysconf("SC_PAGE_SIZE")


def _one_line_each(text: str) -> str:
    """Text with what is hidden in it escaped; the format has an escape of its own for the end of a line."""
    return "\n".join(map(shown, text.split("\n")))
