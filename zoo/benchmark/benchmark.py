"""Measures files side by side: latency, rate from JPEG, load time, cold start and memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo import bounds
from zoo.benchmark.coldstart import ColdStart, cold_start
from zoo.benchmark.combinations import Devices, combinations, devices, left_out
from zoo.benchmark.interleave import Candidate, Record, time_pictures, time_runs
from zoo.benchmark.profile import OpTime, profile, require_profiler
from zoo.benchmark.statistics import Spread, Times, ratio
from zoo.benchmark.workload import PHOTO_SIZE, save_photo
from zoo.errors import InputError
from zoo.files.places import without_folders
from zoo.files.writing import temporary
from zoo.machine.info import Machine, State, read_machine, read_state
from zoo.progress import SILENT, Progress
from zoo.runner.formats import form_of
from zoo.runner.loading import runtimes as known
from zoo.text import count_of

RUNS = 100
WARMUP = 5
COLD_STARTS = 3


@dataclass(frozen=True)
class Rate:
    """Pictures a second from JPEG file to prediction, with decoding in threads while the model runs."""

    per_second: Spread
    """Spread of the rate over the rounds."""
    pictures: int
    """Number of pictures in each round."""


@dataclass(frozen=True)
class Ratio:
    """Time of a run divided by that of another candidate; above 1 is slower."""

    to: int
    """Index of the other candidate in `Benchmark.measurements`."""
    time: Spread
    """Spread of the ratio over the rounds; both times are from the same round."""


@dataclass(frozen=True)
class Decoding:
    """The step from a detector's outputs for the photo to objects: threshold, boxes, and those that overlap."""

    threshold: float
    """The threshold in use."""
    objects: int
    """Number of objects in the photo with scores above it."""
    time: Times
    """Times at that threshold."""
    most: Times
    """Times at a threshold of 0, where there is most to do."""


@dataclass(frozen=True)
class Measurement:
    """All results for one candidate: a file on a runtime with a number of threads."""

    file: str
    size_bytes: int
    runtime: str
    runtime_version: str | None
    provider: str | None
    """What runs an `.onnx` file, see `zoo.runner.load`; None for the CPU, and for other files."""
    threads: int
    batch: int
    """Number of inputs in one run."""
    outputs: tuple[tuple[int, ...], ...]
    """Shapes of the outputs; the last number of a classifier's is that of its classes."""
    latency: Times
    """Times of one run: the input is set, the model runs, the output is fetched."""
    per_second: float
    """Inputs a second without pauses: `batch` divided by the mean latency."""
    decoding: Decoding | None
    """The step from outputs to objects, which `latency` does not include; None if the file has none."""
    ratio: Ratio | None
    """Ratio to the first file on the same runtime with as many threads; for a single file, and for a file of another
    format than the first, to the first candidate."""
    cold_start: ColdStart
    """The median of `COLD_STARTS` cold starts."""
    from_jpeg: Rate | None
    no_jpeg: str | None
    """Reason why there is no `from_jpeg`."""
    ops: tuple[OpTime, ...] | None
    """Times of the operations; None without a profile."""


@dataclass(frozen=True)
class Benchmark:
    """All measurements, with the machine and its state."""

    runs: int
    warmup: int
    photo: str
    """Description of the photo that `from_jpeg` decodes."""
    measurements: tuple[Measurement, ...]
    left_out: tuple[str, ...]
    """The runtimes that were asked for and cannot run a file, in words, one line for each."""
    machine: Machine
    before: State
    after: State

    @property
    def notes(self) -> list[str]:
        """Notes on what may have made these times longer or less stable."""
        found = list(self.left_out)
        cores = self.machine.usable_cores
        if set(self.before.governors) - {"performance"}:
            governors = ", ".join(self.before.governors)
            found.append(f"the clock follows the load (governor {governors}); times are steadier with 'performance'")
        if busy := self.before.busy(cores):
            found.append(busy)
        found += [f"the processor is held back: {what}" for what in self.after.throttling]
        if (self.after.throttle_count or 0) > (self.before.throttle_count or 0):
            found.append("heat slowed the processor during the measurement")
        most = max(measurement.threads for measurement in self.measurements)
        if most > cores:
            found.append(f"{most} threads share {count_of(cores, 'core')}")
        return found

    def as_dict(self) -> dict[str, Any]:
        """Returns all values as JSON can hold them; absolute paths lose their folders, as the JSON may be shared."""
        found = dataclasses.asdict(self) | {"photo": without_folders([self.photo])[0], "notes": self.notes}
        names = without_folders([measurement.file for measurement in self.measurements])
        for measurement, name in zip(found["measurements"], names, strict=True):
            if measurement["no_jpeg"]:
                measurement["no_jpeg"] = measurement["no_jpeg"].replace(measurement["file"], name)
            measurement["file"] = name
        return found


def benchmark(
    files: str | Path | Sequence[str | Path],
    *,
    runs: int = RUNS,
    warmup: int = WARMUP,
    threads: int | Sequence[int] = (),
    runtimes: str | Sequence[str] = (),
    delegate: str | None = None,
    provider: str | None = None,
    photo: str | Path | None = None,
    with_profile: bool = False,
    progress: Progress = SILENT,
) -> Benchmark:
    """Measures files, each on each runtime with each number of threads.

    All files are loaded before the first measurement and stay loaded, so there must be enough memory for all of them.

    Args:
        files: `.tflite` or `.onnx` files; the others are compared with the first. The same file may be given twice to
            show how large random differences are.
        runs: the number of timed runs of each file.
        warmup: the number of untimed runs of each file before them.
        threads: see `zoo.runner.load`; by default the physical cores, at most 4. A number counts once.
        runtimes: see `zoo.runner.load`; by default the first that is installed. Each runs the files of its format, and
            counts once.
        delegate: see `zoo.runner.load`; all candidates with a `.tflite` file get it.
        provider: see `zoo.runner.load`; all candidates with an `.onnx` file get it.
        photo: the JPEG file for the rate from JPEG; by default the synthetic one of `zoo.benchmark.workload`.
        with_profile: whether to measure each operation, too.
        progress: is told each step, between measurements.

    Raises:
        InputError: there are no files, a number is out of range, the photo cannot be read or no file takes one, or a
            model takes no numbers.
        ModelFileError: a runtime cannot load a file.
        MissingDependencyError: a runtime is not installed, or has no profiler where one is asked for.
    """
    files, runtimes, threads = bounds.one_or_more(files), bounds.one_or_more(runtimes), bounds.one_or_more(threads)
    _check(files, runs, warmup, threads)
    if photo is not None:
        _require_file(Path(photo))
    paths = [Path(file) for file in files]
    chosen = combinations(paths, runtimes or ("auto",), threads or (known.default_threads(),))
    device = devices([path for path, _, _ in chosen], delegate, provider)
    before = read_state()
    with temporary() as folder:
        picture = Path(photo) if photo else folder / "photo.jpg"
        if not photo:
            save_photo(picture)
        # No variable keeps the candidates, so that their memory is freed for the new processes.
        records = _run_all(
            _load_all(chosen, device, progress, needs_picture=bool(photo)),
            picture,
            runs,
            warmup,
            with_profile,
            progress,
        )
    # The state is read now, when the machine is hottest.
    after = read_state()
    starts = _start_all(records, device, progress)
    return Benchmark(
        runs=runs,
        warmup=warmup,
        photo=str(photo) if photo else "synthetic, {}x{}".format(*PHOTO_SIZE),
        measurements=tuple(_measurement(records, i, start) for i, start in enumerate(starts)),
        left_out=left_out(paths, runtimes),
        machine=read_machine(),
        before=before,
        after=after,
    )


def _check(files: Sequence[str | Path], runs: int, warmup: int, threads: Sequence[int]) -> None:
    if not files:
        raise InputError("there is no file to measure; give at least one")
    for name, value, least in (("runs", runs, 1), ("warmup", warmup, 0)):
        bounds.whole(name, value, least)
    for value in threads:
        known.require_threads(value)


def _require_file(photo: Path) -> None:
    """Finds out before anything is loaded whether the user's photo is there.

    Raises:
        InputError: it is not, or cannot be read.
    """
    try:
        with photo.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"cannot read photo {photo}: {error.strerror or error}") from error


def _load_all(
    chosen: Sequence[tuple[Path, str, int]], device: Devices, progress: Progress, *, needs_picture: bool
) -> list[Candidate]:
    candidates: list[Candidate] = []
    for done, (path, runtime, threads) in enumerate(chosen):
        progress.step("loading", done, len(chosen))
        # A file that a runtime has loaded once needs no second trial for another number of threads.
        trusted = (path, runtime) in [order[:2] for order in chosen[:done]]
        options: dict[str, Any] = {"delegate": None} | device[form_of(path)]
        candidates.append(Candidate(path, runtime, threads, **options, trusted=trusted))
    if needs_picture and not any(candidate.predictor for candidate in candidates):
        raise InputError(f"no photo is needed: {candidates[0].record.no_jpeg}; leave --photo out")
    return candidates


def _run_all(
    candidates: Sequence[Candidate], photo: Path, runs: int, warmup: int, with_profile: bool, progress: Progress
) -> list[Record]:
    """Takes all measurements of this process."""
    # Errors in the options are found before the first run.
    if with_profile:
        for candidate in candidates:
            require_profiler(candidate.session)
    for candidate in candidates:
        if candidate.predictor:
            candidate.predictor.read(photo)
    time_runs(candidates, runs, warmup, progress)
    time_pictures(candidates, photo, progress)
    for candidate in candidates:
        candidate.decode(photo, runs)
    if with_profile:
        for done, candidate in enumerate(candidates):
            progress.step("profile", done, len(candidates))
            record = candidate.record
            record.ops = profile(candidate.session, record.threads, provider=record.provider)
    return [candidate.record for candidate in candidates]


def _start_all(records: Sequence[Record], device: Devices, progress: Progress) -> list[ColdStart]:
    """Returns the median of each candidate's cold starts, which are measured in rounds, too."""
    starts: list[list[ColdStart]] = [[] for _ in records]
    for done in range(COLD_STARTS):
        progress.step("cold starts", done, COLD_STARTS)
        for record, own in zip(records, starts, strict=True):
            order: dict[str, Any] = {"threads": record.threads, **device[form_of(record.path)]}
            own.append(cold_start(record.path, runtime=record.runtime, **order))
    return [sorted(own, key=lambda start: start.total_ms)[len(own) // 2] for own in starts]


def _measurement(records: Sequence[Record], index: int, start: ColdStart) -> Measurement:
    record = records[index]
    latency = Times.of(record.seconds)
    to = _reference(records, index)
    return Measurement(
        file=str(record.path),
        size_bytes=record.size_bytes,
        runtime=record.runtime,
        runtime_version=known.version(record.runtime),
        provider=record.provider,
        threads=record.threads,
        batch=record.batch,
        outputs=record.outputs,
        latency=latency,
        per_second=1e3 * record.batch / latency.mean_ms,
        decoding=_decoding(record),
        ratio=None if to == index else Ratio(to, ratio(record.seconds, records[to].seconds)),
        cold_start=start,
        from_jpeg=Rate(Spread.of(record.rates), record.pictures) if record.rates else None,
        no_jpeg=record.no_jpeg,
        ops=record.ops,
    )


def _decoding(record: Record) -> Decoding | None:
    if not record.decoding:
        return None
    (threshold, usual), *_ = record.decoding.items()
    return Decoding(threshold, usual.objects, Times.of(usual.seconds), Times.of(record.decoding[0.0].seconds))


def _reference(records: Sequence[Record], index: int) -> int:
    """Returns the index of the first file on the same runtime with as many threads.

    It is 0 if there is only one file, and where that runtime does not run files of the first one's format.
    """
    own = records[index]
    first = records[0].path
    if all(record.path == first for record in records):
        return 0
    same = (
        i
        for i, record in enumerate(records)
        if (record.path, record.runtime, record.threads) == (first, own.runtime, own.threads)
    )
    return next(same, 0)
