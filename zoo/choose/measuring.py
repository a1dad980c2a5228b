"""Builds the files of combinations and times them, group by group."""

from __future__ import annotations

import gc
import itertools
import tempfile
from collections.abc import Sequence
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
from zoo.export import to_tflite
from zoo.export.calibration import MIN_SAMPLES, synthetic
from zoo.export.options import ExportOptions
from zoo.files import require_writable
from zoo.progress import SILENT, Progress

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
) -> dict[Variant, Measured]:
    """Measures the combinations that are not in the cache, or all of them with `again`.

    Raises:
        MissingDependencyError: something must be measured, and TensorFlow or the runtime is not installed.
        OutputError: the cache cannot be written to.
        ModelFileError: the runtime cannot load a file.
    """
    found = {} if again else {variant: measured for variant in variants if (measured := cache.get(variant, runs))}
    missing = [variant for variant in variants if variant not in found]
    if missing:
        require_writable(cache.folder)
    for start in range(0, len(missing), GROUP):
        group = missing[start : start + GROUP]
        part = _Part(progress, f"{len(found)} of {len(variants)} measured")
        with tempfile.TemporaryDirectory(prefix="zoo-choose-") as folder:
            paths = write_files(group, Path(folder), part)
            candidates = [Candidate(path, runtime, threads, None, trusted=True) for path in paths]
            time_runs(candidates, runs, WARMUP, part)
        for variant, candidate in zip(group, candidates, strict=True):
            times = Times.of(candidate.record.seconds)
            found[variant] = Measured(candidate.record.size_bytes, times.median_ms, times.p90_ms, times.runs)
            cache.put(variant, found[variant])
    return found


@dataclass(frozen=True)
class _Part:
    """A `Progress` that tells the steps of a part of the combinations, with how many were measured before it."""

    progress: Progress
    before: str

    def step(self, text: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        self.progress.step(f"{self.before}; {text}", done, total, unit)


def write_files(variants: Sequence[Variant], folder: Path, progress: Progress = SILENT) -> list[Path]:
    """Writes the files of combinations; those that are there are left alone.

    The weights are random and int8 files are calibrated on a few synthetic pictures, because times and sizes do not
    depend on values. For the same reason nothing is compared with Keras.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
        ExportError: the converter fails.
        OutputError: a file cannot be written.
    """
    paths: list[Path] = []
    unchecked = ExportOptions(verify_file=False)
    for options, same in itertools.groupby(variants, key=lambda variant: (variant.model, variant.options)):
        network: Any = None
        for variant in same:
            path = folder / f"{variant.stem}.tflite"
            progress.step(f"exporting {path.name}", len(paths), len(variants))
            if not path.exists():
                if network is None:
                    network = models.build(options[0], **dict(options[1]))
                asked = unchecked.change(quantize=variant.quantize)
                samples = _samples(network.input_shape[1:]) if asked.mode.calibrated else None
                to_tflite(network, path, asked, calibration=samples)
            paths.append(path)
        if network is not None:
            _forget()
    return paths


def _samples(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return synthetic(shape, MIN_SAMPLES).inputs


def _forget() -> None:
    """Frees the memory that Keras keeps for the models built so far."""
    import keras

    keras.backend.clear_session(free_memory=False)
    gc.collect()
