"""Files that are run in turn, round by round, so that what slows the machine for a while hits all alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.benchmark.profile import OpTime
from zoo.benchmark.workload import some_input
from zoo.errors import ModelFileError
from zoo.runner.classifier import Classifier
from zoo.runner.session import Session, load

RATE_ROUNDS = 5
RATE_SECONDS = 0.5
"""About how long the pictures of one round take each candidate."""

Progress = Callable[[str, int, int], None]
"""Told between measurements, never during one: what is done, the steps done, the steps in all."""


@dataclass
class Record:
    """What was found out about a candidate; it holds no memory of the runtime's."""

    path: Path
    size_bytes: int
    runtime: str
    threads: int
    batch: int
    no_jpeg: str | None
    """Why it cannot be given pictures."""
    seconds: list[float] = field(default_factory=list)
    """Time of the run in each round."""
    rates: list[float] = field(default_factory=list)
    """Pictures a second in each round."""
    pictures: int = 0
    """In each of those rounds."""
    ops: tuple[OpTime, ...] | None = None


class Candidate:
    """A file, loaded by a runtime with some threads."""

    def __init__(self, path: Path, runtime: str, threads: int, delegate: str | None, *, trusted: bool) -> None:
        """Loads it; see `zoo.runner.load`.

        Raises:
            ModelFileError: the runtime cannot load it.
            MissingDependencyError: the runtime or the delegate is not there.
            InputError: the model takes no numbers.
        """
        options: dict[str, Any] = {"runtime": runtime, "threads": threads, "delegate": delegate, "trusted": trusted}
        self.session, self.classifier, no_jpeg = _load(path, options)
        batch = (self.session.input.shape or (1,))[0]
        self.record = Record(path, path.stat().st_size, self.session.runtime, threads, batch, no_jpeg)
        self._values = some_input(self.session.input)

    def run(self) -> float:
        """Seconds of one run: the input is set, the model runs, the output is fetched."""
        started = time.perf_counter()
        self.session.run(self._values)
        return time.perf_counter() - started

    def classify(self, photo: Path, count: int) -> float:
        """Seconds from some pictures to their names; 0 where it takes no pictures.

        Raises:
            InputError: the picture cannot be read.
        """
        if not self.classifier:
            return 0.0
        started = time.perf_counter()
        for result in self.classifier.classify_many([photo] * count, top_k=1):
            if result.error:
                raise result.error
        return time.perf_counter() - started


def _load(path: Path, options: dict[str, Any]) -> tuple[Session, Classifier | None, str | None]:
    try:
        classifier = Classifier(path, **options)
    except ModelFileError as error:
        reason = str(error)
    else:
        if classifier.takes_pictures:
            return classifier.session, classifier, None
        return classifier.session, None, f"{path} does not take pictures"
    # Any other model has a latency too. If the file itself is at fault, this raises for the same reason.
    return load(path, **options), None, reason


def time_runs(candidates: Sequence[Candidate], runs: int, warmup: int, progress: Progress) -> None:
    """Times each candidate once a round."""
    for candidate in candidates:
        for _ in range(warmup):
            candidate.run()
    for done in range(runs):
        progress("runs", done, runs)
        # None always follows the same other.
        for candidate in candidates if done % 2 else reversed(candidates):
            if len(candidates) > 1:
                # Untimed: the others' weights have taken its place in the caches.
                candidate.run()
            candidate.record.seconds.append(candidate.run())


def time_pictures(candidates: Sequence[Candidate], photo: Path, progress: Progress) -> None:
    """Measures the rate of those that take pictures, in rounds as well.

    Raises:
        InputError: the picture cannot be read.
    """
    able = [candidate for candidate in candidates if candidate.classifier]
    for candidate in able:
        candidate.classify(photo, 1)
        # More than a few, so that the first, which nothing overlaps with, does not count for much.
        candidate.record.pictures = max(8, math.ceil(RATE_SECONDS / candidate.classify(photo, 1)))
    for done in range(RATE_ROUNDS):
        progress("pictures", done, RATE_ROUNDS)
        for candidate in able if done % 2 else reversed(able):
            candidate.classify(photo, 1)
            count = candidate.record.pictures
            candidate.record.rates.append(count / candidate.classify(photo, count))
