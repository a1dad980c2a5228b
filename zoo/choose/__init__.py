"""Chooses an architecture, its options and a quantization by their speed on a machine and their published accuracy.

    from zoo.choose import Limits, choose
    choice = choose(limits=Limits(max_ms=20, max_mb=4))
    print(choice.pick.variant.command)

The files are made with random weights, because neither their speed nor their size depends on the values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo import bounds, models
from zoo.accuracies import Accuracies
from zoo.choose.benchmark_report import read_board
from zoo.choose.cache import Cache
from zoo.choose.front import Candidate, Limits, Measured, pareto, pick
from zoo.choose.measuring import measure_all, write_files
from zoo.choose.pruning import Pruned, prune
from zoo.choose.variants import IMAGENET_CLASSES, Variant, accuracies, grid
from zoo.errors import InputError
from zoo.export.describe import versions
from zoo.files.places import base_name
from zoo.machine.info import read_machine, read_state
from zoo.progress import SILENT, Progress
from zoo.runner.loading import runtimes
from zoo.runner.loading.runtimes import Runtime
from zoo.text import count_of, plural

__all__ = ["Candidate", "Choice", "Limits", "Measured", "Variant", "choose", "grid", "prune", "write_files"]

RUNS = 50


@dataclass(frozen=True)
class Choice:
    """The measured combinations, and the choice among them."""

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
    notes: tuple[str, ...]
    """Notes for the user, one line each."""

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the architectures, the one with the fastest combination first."""
        return tuple(dict.fromkeys(candidate.variant.model for candidate in self.candidates))

    @property
    def sources(self) -> dict[str, Accuracies]:
        """The published accuracies, by the names of the architectures."""
        return {model: accuracies(model) for model in self.models}

    def as_dict(self) -> dict[str, Any]:
        """Returns all values as JSON can hold them."""
        return {
            "models": list(self.models),
            "limits": dataclasses.asdict(self.limits),
            "pick": {**self.pick.as_dict(), "command": self.pick.variant.command} if self.pick else None,
            "front": [candidate.as_dict() for candidate in self.front],
            "candidates": [candidate.as_dict() for candidate in self.candidates],
            "machine": self.machine,
            "runtime": self.runtime,
            "threads": self.threads,
            "top1": {
                model: {"source": known.source, "url": known.url, "quantized": known.quantized}
                for model, known in self.sources.items()
            },
            "notes": list(self.notes),
        }


def choose(
    model: str | Sequence[str] | None = None,
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
    """Measures combinations of architecture, options and quantization, and chooses among them.

    Measurements are kept for this machine, runtime and number of threads (`zoo.choose.cache`), so that the next call
    makes only those that are missing, also after an interrupt. Where several architectures are compared, combinations
    that cannot be chosen are not measured (`zoo.choose.pruning`).

    Args:
        model: a registered name that ImageNet accuracies are published for, or several; by default all there are.
        limits: the limits that the choice must keep.
        variants: combinations from `grid`, instead of `model`; by default the published combinations, in float and
            int8.
        board: a document of `zoo benchmark --json` to read instead of measuring here.
        runtime: see `zoo.runner.load`.
        threads: the number of CPU threads; by default the number of physical cores, at most 4.
        runs: the number of timed runs of each file.
        again: whether to repeat measurements made before.
        progress: is told each step, between measurements.

    Raises:
        UnknownModelError: no model has this name.
        OptionError: no accuracies are published for the model.
        InputError: the document cannot be used, or a number is out of range; or the limits rule out all combinations
            before any measurement.
        ExportError: no combination can be exported.
        MissingDependencyError: something must be measured, and TensorFlow or the runtime is not installed.
    """
    limits = limits or Limits()
    bounds.whole("runs", runs)
    variants = tuple(variants or grid(model))
    if board is not None:
        read = read_board(Path(board), variants, runtime=None if runtime == "auto" else runtime, threads=threads)
        unknown = (
            f"{count_of(len(read.unknown), 'other file')} in {base_name(board)} "
            f"{plural(len(read.unknown), 'is', 'are')} left out, e.g. "
        )
        notes = [unknown + read.unknown[0]] if read.unknown else []
        if not read.says_classes:
            notes.append(
                f"{base_name(board)} does not say how many classes its files have; sizes and times are right only if "
                f"they have {variants[0].values['num_classes']}. Measure them with this version to be sure"
            )
        return _chosen(limits, read.measured, (read.machine, read.runtime, read.threads), notes)
    pruned = prune(variants, limits, progress) if len({one.model for one in variants}) > 1 else None
    if pruned is not None:
        variants = pruned.variants
        if not variants:
            raise InputError(f"nothing is left to measure: {'; '.join(pruned.notes)}")
    return _measured_here(variants, limits, pruned, runtime, threads, runs, again=again, progress=progress)


def _measured_here(
    variants: tuple[Variant, ...],
    limits: Limits,
    pruned: Pruned | None,
    runtime: Runtime,
    threads: int | None,
    runs: int,
    *,
    again: bool,
    progress: Progress,
) -> Choice:
    """Measures on this machine what is not known of it yet, and chooses."""
    here, state = read_machine(), read_state()
    name, count = runtimes.find(runtime)[0], threads or runtimes.default_threads()
    cache = Cache(here, name, count, versions())
    unknown = len(variants) if again else sum(cache.get(variant, runs) is None for variant in variants)

    def hopeless(variant: Variant, found: Any) -> bool:
        return pruned is not None and pruned.is_hopeless(variant, found, limits.max_ms)

    done = measure_all(
        variants, cache, runtime=name, threads=count, runs=runs, again=again, progress=progress, hopeless=hopeless
    )
    notes = list(pruned.notes) if pruned else []
    if done.skipped:
        notes.append(
            f"{count_of(done.skipped, 'combination is', 'combinations are')} not measured: smaller "
            f"ones of their kind were too slow already"
        )
    if done.failed:
        variant, reason = next(iter(done.failed.items()))
        notes.append(f"{count_of(len(done.failed), 'combination')} cannot be exported, e.g. {variant.stem}: {reason}")
    if unknown and (busy := state.busy(here.usable_cores)):
        notes.append(busy)
    if unknown < len(variants):
        known = len(variants) - unknown
        notes.append(
            f"{known} of {len(variants)} {plural(known, 'was', 'were')} measured before: "
            f"{cache.folder.name} in the cache"
        )
    machine = ", ".join(filter(None, (here.board, here.cpu, count_of(here.usable_cores, "core"))))
    return _chosen(limits, done.measured, (machine, name, count), notes)


def _chosen(
    limits: Limits, measured: dict[Variant, Measured], where: tuple[str, str, int], notes: Sequence[str]
) -> Choice:
    """Chooses among what was measured, on a machine by a runtime with so many threads."""
    candidates = [Candidate(variant, times, variant.top1) for variant, times in measured.items()]
    candidates.sort(key=lambda one: (one.measured.median_ms, one.measured.size_bytes))
    front = pareto(candidates, limits.max_mb)
    return Choice(
        limits=limits,
        candidates=tuple(candidates),
        front=front,
        pick=pick(front, limits),
        machine=where[0],
        runtime=where[1],
        threads=where[2],
        notes=(*notes, *_notes(candidates)),
    )


def _notes(candidates: Sequence[Candidate]) -> list[str]:
    """Says what the accuracies are not: those of a mode, of a user's classes, or there at all."""
    notes = []
    unrated = [one.variant for one in candidates if one.top1 is None]
    if unrated:
        notes.append(
            f"{count_of(len(unrated), 'combination has', 'combinations have')} no published accuracy "
            f"and {plural(len(unrated), 'is', 'are')} not on the front, e.g. {unrated[0].stem}"
        )
    approximate = [one.variant for one in candidates if one.variant.quantize != "none" and one.top1 is not None]
    in_float = tuple(dict.fromkeys(one.model for one in approximate if one.int8_top1 is None))
    if in_float:
        notes.append(
            f"the accuracies of quantized files of {', '.join(in_float)} are those of the float weights: each loses "
            "something, which zoo evaluate measures on your data"
        )
    for model in dict.fromkeys(one.model for one in approximate):
        if said := accuracies(model).quantized:
            notes.append(f"{model}: {said}")
    for text, nets in _cautions(candidates).items():
        others = f" and {count_of(len(nets) - 1, 'other')}" if nets[1:] else ""
        notes.append(f"{nets[0]}{others}: {text}")
    if any(one.variant.values["num_classes"] != IMAGENET_CLASSES for one in candidates):
        notes.append("the accuracies are for ImageNet's 1000 classes: with yours, take them as an order only")
    return notes


def _cautions(candidates: Sequence[Candidate]) -> dict[str, list[str]]:
    """Returns what is to be known of some modes of some nets, each with the names of their files."""
    found: dict[str, list[str]] = {}
    for one in candidates:
        spec = models.spec(one.variant.model)
        for text in spec.cautions_for(spec.check(one.variant.values), [one.variant.quantize]):
            found.setdefault(text, []).append(one.variant.stem)
    return found
