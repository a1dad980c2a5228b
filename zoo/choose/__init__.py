"""Chooses a width, an input size and a quantization by their speed on a machine and their published accuracy.

    from zoo.choose import Limits, choose
    choice = choose("mobilenet_v2", Limits(max_ms=20, max_mb=4))
    print(choice.pick.variant.command)

The files are made with random weights, because neither their speed nor their size depends on the values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.choose.benchmark_report import read_board
from zoo.choose.cache import Cache
from zoo.choose.front import Candidate, Limits, Measured, pareto, pick
from zoo.choose.measuring import measure_all, write_files
from zoo.choose.variants import Variant, accuracies, grid
from zoo.errors import InputError
from zoo.export.describe import versions
from zoo.files import base_name
from zoo.machine.info import read_machine, read_state
from zoo.progress import SILENT, Progress
from zoo.published import Accuracies
from zoo.runner import runtimes
from zoo.runner.runtimes import Runtime

__all__ = ["Candidate", "Choice", "Limits", "Measured", "Variant", "choose", "grid", "write_files"]

RUNS = 50


@dataclass(frozen=True)
class Choice:
    """The measured combinations, and the choice among them."""

    model: str
    limits: Limits
    candidates: tuple[Candidate, ...]
    """All measured combinations, fastest first."""
    front: tuple[Candidate, ...]
    """The Pareto front, see `zoo.choose.front.pareto`."""
    pick: Candidate | None
    """The chosen combination, see `zoo.choose.front.pick`."""
    machine: str
    runtime: str
    threads: int
    source: Accuracies
    """The published accuracies."""
    notes: tuple[str, ...]
    """Notes for the user, one line each."""

    def as_dict(self) -> dict[str, Any]:
        """Returns all values as JSON can hold them."""
        return {
            "model": self.model,
            "limits": dataclasses.asdict(self.limits),
            "pick": {**self.pick.as_dict(), "command": self.pick.variant.command} if self.pick else None,
            "front": [candidate.as_dict() for candidate in self.front],
            "candidates": [candidate.as_dict() for candidate in self.candidates],
            "machine": self.machine,
            "runtime": self.runtime,
            "threads": self.threads,
            "top1": {"source": self.source.source, "url": self.source.url},
            "notes": list(self.notes),
        }


def choose(
    model: str,
    limits: Limits | None = None,
    *,
    variants: Sequence[Variant] | None = None,
    board: str | Path | None = None,
    runtime: Runtime = "auto",
    threads: int | None = None,
    runs: int = RUNS,
    again: bool = False,
    progress: Progress = SILENT,
) -> Choice:
    """Measures combinations of width, input size and quantization, and chooses among them.

    Measurements are kept for this machine, runtime and number of threads (`zoo.choose.cache`), so that the next call
    makes only those that are missing, also after an interrupt.

    Args:
        model: a registered name that ImageNet accuracies are published for.
        limits: the limits that the choice must keep.
        variants: combinations from `grid`; by default the published combinations, in float and int8.
        board: a document of `zoo benchmark --json` to read instead of measuring here.
        runtime: see `zoo.runner.load`.
        threads: the number of CPU threads; by default the number of physical cores, at most 4.
        runs: the number of timed runs of each file.
        again: whether to repeat measurements made before.
        progress: is told each step, between measurements.

    Raises:
        UnknownModelError: no model has this name.
        OptionError: no accuracies are published for the model.
        InputError: the document cannot be used, or a number is out of range.
        MissingDependencyError: something must be measured, and TensorFlow or the runtime is not installed.
    """
    limits = limits or Limits()
    if runs < 1:
        raise InputError(f"runs={runs} is not allowed; give 1 or more")
    variants = variants or grid(model)
    source = accuracies(model)
    notes = []
    if board is not None:
        read = read_board(Path(board), variants, runtime=None if runtime == "auto" else runtime, threads=threads)
        measured, machine, name, count = read.measured, read.machine, read.runtime, read.threads
        if read.unknown:
            notes.append(f"{len(read.unknown)} other files in {base_name(board)} are left out, e.g. {read.unknown[0]}")
    else:
        here, state = read_machine(), read_state()
        name, count = runtimes.find(runtime)[0], threads or runtimes.default_threads()
        machine = ", ".join(filter(None, (here.board, here.cpu, f"{here.usable_cores} cores")))
        cache = Cache(here, name, count, versions())
        unknown = len(variants) if again else sum(cache.get(variant, runs) is None for variant in variants)
        measured = measure_all(variants, cache, runtime=name, threads=count, runs=runs, again=again, progress=progress)
        if unknown and (busy := state.busy(here.usable_cores)):
            notes.append(busy)
        if unknown < len(variants):
            known = len(variants) - unknown
            notes.append(f"{known} of {len(variants)} were measured before: {cache.folder.name} in the cache")
    candidates = [Candidate(variant, times, variant.top1) for variant, times in measured.items()]
    candidates.sort(key=lambda one: (one.measured.median_ms, one.measured.size_bytes))
    front = pareto(candidates, limits.max_mb)
    return Choice(
        model=model,
        limits=limits,
        candidates=tuple(candidates),
        front=front,
        pick=pick(front, limits),
        machine=machine,
        runtime=name,
        threads=count,
        source=source,
        notes=(*notes, *_notes(candidates, source)),
    )


def _notes(candidates: Sequence[Candidate], source: Accuracies) -> list[str]:
    notes = []
    unrated = [one.variant for one in candidates if one.top1 is None]
    if unrated:
        notes.append(
            f"{len(unrated)} combinations have no published accuracy and are not on the front, e.g. {unrated[0].stem}"
        )
    if any(one.variant.quantize != "none" for one in candidates) and source.quantized:
        notes.append(f"the accuracies are those of the float weights; {source.quantized}")
    if any(one.variant.values["num_classes"] != 1000 for one in candidates):
        notes.append("the accuracies are for ImageNet's 1000 classes: with yours, take them as an order only")
    return notes
