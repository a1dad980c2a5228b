"""Runs files in turn, round by round, so that temporary slowdowns of the machine affect all of them equally."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.benchmark.profile import OpTime
from zoo.benchmark.workload import some_input
from zoo.errors import ModelFileError
from zoo.progress import SILENT, Progress
from zoo.runner.loading.session import Session, load
from zoo.runner.predictor import Predictor
from zoo.tasks.task import StoredReader

RATE_ROUNDS = 5
RATE_SECONDS = 0.5
"""Approximate time of one round's pictures for each candidate, in seconds."""


@dataclass
class Record:
    """The measurements of a candidate, without any memory of the runtime."""

    path: Path
    size_bytes: int
    runtime: str
    threads: int
    batch: int
    outputs: tuple[tuple[int, ...], ...]
    """Shapes of the outputs."""
    no_jpeg: str | None
    """Reason why the candidate takes no pictures."""
    provider: str | None = None
    """What runs it, see `zoo.runner.load`."""
    seconds: list[float] = field(default_factory=list)
    """Time of the run in each round."""
    rates: list[float] = field(default_factory=list)
    """Pictures a second in each round."""
    pictures: int = 0
    """Number of pictures in each of these rounds."""
    decoding: dict[float, Decoded] = field(default_factory=dict)
    """What was found in the photo and how long that took by the threshold; empty if outputs are no coded boxes."""
    ops: tuple[OpTime, ...] | None = None


@dataclass
class Decoded:
    """The decoding of a detector's outputs for the photo, at one threshold."""

    objects: int
    """Number of objects that were found."""
    seconds: list[float] = field(default_factory=list)
    """Time of each decoding, from the outputs as the file stores them to objects."""


class Candidate:
    """A file that a runtime has loaded with a number of threads."""

    def __init__(
        self,
        path: Path,
        runtime: str,
        threads: int,
        delegate: str | None,
        provider: str | None = None,
        *,
        trusted: bool,
    ) -> None:
        """Loads the file; see `zoo.runner.load`.

        Raises:
            ModelFileError: the runtime cannot load the file.
            MissingDependencyError: the runtime or the delegate is not installed.
            InputError: the model takes no numbers.
        """
        device = {"delegate": delegate, "provider": provider}
        options: dict[str, Any] = {"runtime": runtime, "threads": threads, **device, "trusted": trusted}
        self.session, self.predictor, no_jpeg = _load(path, options)
        batch = (self.session.input.shape or (1,))[0]
        outputs = tuple(output.shape for output in self.session.outputs)
        size = path.stat().st_size
        self.record = Record(path, size, self.session.runtime, threads, batch, outputs, no_jpeg, provider)
        self._values = some_input(self.session.input)

    def run(self) -> float:
        """Returns the seconds of one run: the input is set, the model runs, the output is fetched."""
        started = time.perf_counter()
        self.session.run(self._values)
        return time.perf_counter() - started

    def predict(self, photo: Path, count: int) -> float:
        """Returns the seconds that predictions for some pictures take; 0 if the model takes no pictures.

        Raises:
            InputError: the picture cannot be read.
        """
        if not self.predictor:
            return 0.0
        started = time.perf_counter()
        for result in self.predictor.predict_many([photo] * count, limit=1):
            if result.error:
                raise result.error
        return time.perf_counter() - started

    def decode(self, photo: Path, runs: int) -> None:
        """Times the step from outputs to objects, if the file's task has one; the model itself runs once, untimed.

        It is timed at the threshold in use, and at 0, where there is most to do.

        Raises:
            InputError: the picture cannot be read.
            AnswerError: the file gives no answer to it.
        """
        predictor = self.predictor
        if predictor is None or not isinstance(predictor.task, StoredReader):
            return
        sample = predictor.read(photo)
        outputs = predictor.stored_outputs(sample.values)
        for threshold in (predictor.task.threshold, 0.0):
            task = predictor.task.narrowed(predictor.labels, threshold=threshold)
            decoded = Decoded(len(task.decode_stored(outputs, predictor.labels, sample.fit, None)))
            for _ in range(runs):
                started = time.perf_counter()
                task.decode_stored(outputs, predictor.labels, sample.fit, None)
                decoded.seconds.append(time.perf_counter() - started)
            self.record.decoding[threshold] = decoded


def _load(path: Path, options: dict[str, Any]) -> tuple[Session, Predictor[Any] | None, str | None]:
    try:
        predictor: Predictor[Any] = Predictor(path, **options)
    except ModelFileError as error:
        reason = str(error)
    else:
        if predictor.takes_pictures:
            return predictor.session, predictor, None
        return predictor.session, None, f"{path} does not take pictures"
    # Models of other kinds have a latency, too. If the file itself is wrong, this raises the same error.
    return load(path, **options), None, reason


def time_runs(candidates: Sequence[Candidate], runs: int, warmup: int, progress: Progress = SILENT) -> None:
    """Times each candidate once in each round."""
    for candidate in candidates:
        for _ in range(warmup):
            candidate.run()
    for done in range(runs):
        progress.step("runs", done, runs)
        # The order changes, so that no candidate always runs after the same one.
        for candidate in candidates if done % 2 else reversed(candidates):
            if len(candidates) > 1:
                # This run is not timed, because the other candidates' weights have replaced its own in the CPU caches.
                candidate.run()
            candidate.record.seconds.append(candidate.run())


def time_pictures(candidates: Sequence[Candidate], photo: Path, progress: Progress = SILENT) -> None:
    """Measures the rate of the candidates that take pictures, in rounds, too.

    Raises:
        InputError: the picture cannot be read.
    """
    able = [candidate for candidate in candidates if candidate.predictor]
    for candidate in able:
        candidate.predict(photo, 1)
        # There are enough pictures that the first one, which overlaps with no other, matters little.
        candidate.record.pictures = max(8, math.ceil(RATE_SECONDS / candidate.predict(photo, 1)))
    for done in range(RATE_ROUNDS):
        progress.step("pictures", done, RATE_ROUNDS)
        for candidate in able if done % 2 else reversed(able):
            candidate.predict(photo, 1)
            count = candidate.record.pictures
            candidate.record.rates.append(count / candidate.predict(photo, count))
