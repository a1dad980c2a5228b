"""Builds the files of combinations and times them, group by group."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo import models
from zoo.benchmark.interleave import Candidate, time_runs
from zoo.benchmark.statistics import Times
from zoo.choose.cache import Cache
from zoo.choose.front import Measured
from zoo.choose.variants import Variant
from zoo.errors import ExportError, InputError
from zoo.export import to_tflite
from zoo.export.checking.calibration import MIN_SAMPLES, synthetic
from zoo.export.options import ExportOptions
from zoo.files.writing import require_writable, temporary
from zoo.progress import SILENT, Progress
from zoo.text import count_of
from zoo.tflite.modelfile import read

GROUP = 8
"""Number of combinations that are timed together, in rounds; an interrupted run loses at most those of one group."""
WARMUP = 3


def measure_all(
    variants: Sequence[Variant],
    cache: Cache,
    *,
    runtime: str,
    threads: int,
    runs: int,
    again: bool,
    progress: Progress,
    hopeless: Callable[[Variant, Mapping[Variant, Measured]], bool] = lambda variant, found: False,
) -> All:
    """Measures the combinations that are not in the cache, or all of them with `again`.

    Args:
        variants: the combinations.
        cache: holds the measurements that were made before, and takes the new ones.
        runtime: the name of the runtime.
        threads: the number of CPU threads.
        runs: the number of timed runs of each file.
        again: whether to repeat measurements made before.
        progress: is told each step, between measurements.
        hopeless: says of a combination, by what is measured so far, whether it need not be measured.

    Raises:
        MissingDependencyError: something must be measured, and TensorFlow or the runtime is not installed.
        OutputError: the cache cannot be written to.
        ModelFileError: the runtime cannot load a file.
        ExportError: no file can be exported.
    """
    found = {} if again else {variant: measured for variant in variants if (measured := cache.get(variant, runs))}
    missing = [variant for variant in variants if variant not in found]
    if missing:
        require_writable(cache.folder)
    failures: dict[Variant, ExportError] = {}
    skipped = 0
    for start in range(0, len(missing), GROUP):
        group = [variant for variant in missing[start : start + GROUP] if not hopeless(variant, found)]
        skipped += len(missing[start : start + GROUP]) - len(group)
        part = _Part(progress, f"{len(found)} of {len(variants)} measured")
        with temporary() as folder:
            paths = write_files(group, folder, part, failures)
            candidates = {
                variant: Candidate(path, runtime, threads, None, trusted=True) for variant, path in paths.items()
            }
            time_runs(list(candidates.values()), runs, WARMUP, part)
        for variant, candidate in candidates.items():
            times = Times.of(candidate.record.seconds)
            found[variant] = Measured(candidate.record.size_bytes, times.median_ms, times.p90_ms, times.runs)
            cache.put(variant, found[variant])
    if failures and not found:
        raise next(iter(failures.values()))
    return All(found, {variant: str(error) for variant, error in failures.items()}, skipped)


@dataclass(frozen=True)
class All:
    """All measurements, and what has none."""

    measured: dict[Variant, Measured]
    failed: dict[Variant, str]
    """The combinations that cannot be exported, each with the reason."""
    skipped: int
    """The number of combinations that were too slow for certain."""


@dataclass(frozen=True)
class _Part:
    """A `Progress` that tells the steps of a part of the combinations, with how many were measured before it."""

    progress: Progress
    before: str

    def step(self, text: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        self.progress.step(f"{self.before}; {text}", done, total, unit)


def write_files(
    variants: Sequence[Variant],
    folder: Path,
    progress: Progress = SILENT,
    failures: dict[Variant, ExportError] | None = None,
) -> dict[Variant, Path]:
    """Writes the files of combinations; those that are there are left alone.

    The weights are random and int8 files are calibrated on a few synthetic pictures, because times and sizes do not
    depend on values. For the same reason nothing is compared with Keras.

    Args:
        variants: the combinations.
        folder: the folder of the files.
        progress: is told each file.
        failures: takes the combinations that the converter refuses; without it they raise.

    Returns:
        The paths of the files.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
        ExportError: the converter fails, and there are no `failures`.
        InputError: a file that is there has another number of classes, which its name does not tell.
        ModelFileError: a file that is there is damaged.
        OutputError: a file cannot be written.
    """
    paths: dict[Variant, Path] = {}
    unchecked = ExportOptions(verify_file=False)
    for options, same in itertools.groupby(variants, key=lambda variant: (variant.model, variant.options)):
        network: Any = None
        for variant in same:
            path = folder / f"{variant.stem}.tflite"
            progress.step(f"exporting {path.name}", len(paths), len(variants))
            try:
                if path.exists():
                    _require_classes(path, variant)
                else:
                    if network is None:
                        network = models.build(options[0], **dict(options[1]))
                    asked = unchecked.change(quantize=variant.quantize)
                    samples = _samples(network.input_shape[1:]) if asked.mode.calibrated else None
                    to_tflite(network, path, asked, calibration=samples)
                paths[variant] = path
            except ExportError as error:
                if failures is None:
                    raise
                failures[variant] = error
        if network is not None:
            _forget()
    return paths


def _require_classes(path: Path, variant: Variant) -> None:
    """Finds out whether a file that is there has the classes of a combination.

    Raises:
        InputError: it has not.
        ModelFileError: it is damaged.
    """
    graph = read(path).main
    found = [graph.tensors[index].shape[-1] for index in graph.outputs if graph.tensors[index].shape]
    asked = variant.values["num_classes"]
    if found != [asked]:
        raise InputError(
            f"{path} is there and does not have {count_of(asked, 'class', 'classes')}; give another folder"
        )


def _samples(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return synthetic(shape, MIN_SAMPLES).inputs


def _forget() -> None:
    """Frees the memory that Keras keeps for the models built so far."""
    import keras

    keras.backend.clear_session(free_memory=False)
    gc.collect()
