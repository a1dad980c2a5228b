"""Counts and times in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

import bisect
import os
from collections import Counter

from zoo.machine.procfs import resident_pages

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper ends of the times' buckets, seconds: from small models on a PC to VGG-16 on a small board."""

Labels = dict[str, str]


class Histogram:
    """How many times were at most so long."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """Counts one."""
        self.counts[bisect.bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds

    def lines(self, name: str, labels: Labels) -> list[str]:
        """In text format: buckets add up."""
        found, total = [], 0
        for bound, count in zip((*BOUNDS, float("inf")), self.counts, strict=True):
            total += count
            end = "+Inf" if bound == float("inf") else f"{bound:g}"
            found.append(f"{name}_bucket{_labels(labels | {'le': end})} {total}")
        return [*found, f"{name}_sum{_labels(labels)} {self.sum:.9g}", f"{name}_count{_labels(labels)} {total}"]


class Metrics:
    """All of a server's. Changed by the event loop's thread only."""

    def __init__(self, model: Labels) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.stages: dict[str, Histogram] = {}
        self._model = model

    def count(self, path: str, status: int) -> None:
        """Counts an answer."""
        self.requests[path, status] += 1

    def time(self, stage: str, seconds: float) -> None:
        """Counts a time: of `receive`, `wait`, `decode`, `inference`."""
        self.stages.setdefault(stage, Histogram()).add(seconds)

    def render(self, *, held: int, places: int) -> str:
        """The text.

        Args:
            held: pictures under way.
            places: how many may be.
        """
        lines = [
            *_head("edgezoo_model_info", "gauge", "The file that is served."),
            f"edgezoo_model_info{_labels(self._model)} 1",
            *_head("edgezoo_requests_total", "counter", "Answers by path and status."),
        ]
        for (path, status), count in sorted(self.requests.items()):
            lines.append(f"edgezoo_requests_total{_labels({'path': path, 'status': str(status)})} {count}")
        lines += _head("edgezoo_stage_seconds", "histogram", "Where the time of a picture went.")
        for stage, histogram in self.stages.items():
            lines += histogram.lines("edgezoo_stage_seconds", {"stage": stage})
        lines += [
            *_head("edgezoo_pictures", "gauge", "Pictures under way."),
            f"edgezoo_pictures {held}",
            *_head("edgezoo_pictures_limit", "gauge", "How many may be; one more gets 429."),
            f"edgezoo_pictures_limit {places}",
        ]
        memory = resident_bytes()
        if memory is not None:
            lines += _head("process_resident_memory_bytes", "gauge", "Memory of the server.")
            lines.append(f"process_resident_memory_bytes {memory}")
        return "\n".join(lines) + "\n"


def resident_bytes() -> int | None:
    """The memory that this process holds now; None where the system does not show it."""
    pages = resident_pages()
    return None if pages is None else pages[0] * os.sysconf("SC_PAGE_SIZE")


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _labels(labels: Labels) -> str:
    def escaped(value: str) -> str:
        return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")

    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items()) + "}"
