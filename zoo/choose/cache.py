"""Keeps measurements, so that each is made only once on a machine: one small file for each combination."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from zoo import registry
from zoo.choose.front import Measured
from zoo.choose.variants import Variant
from zoo.files.places import cache_home
from zoo.files.writing import atomic
from zoo.machine.info import Machine
from zoo.runner.loading import runtimes
from zoo.specs import in_words

_SPEED = (
    "architecture",
    "bits",
    "board",
    "cpu",
    "cpu_features",
    "usable_cores",
    "physical_cores",
    "cpu_limit",
    "max_mhz",
)
"""The facts about a machine that decide its speed; the last one shows its power mode."""


class Cache:
    """The measurements made on one machine with one runtime, number of threads and exporter."""

    def __init__(self, machine: Machine, runtime: str, threads: int, made_with: dict[str, str]) -> None:
        """Finds the folder, without writing anything yet.

        Args:
            machine: this machine.
            runtime: the name of the runtime.
            threads: the number of its CPU threads.
            made_with: the versions of the packages that write the files, see `zoo.export.describe.versions`.
        """
        version = runtimes.version(runtime)
        self.facts: dict[str, Any] = {
            "machine": {name: getattr(machine, name) for name in _SPEED},
            "runtime": runtime,
            "runtime_version": version,
            "threads": threads,
            "made_with": {name: made_with.get(name) for name in ("edgezoo", "tensorflow", "tensorflow-cpu", "keras")},
        }
        digest = hashlib.sha256(json.dumps(self.facts, sort_keys=True).encode()).hexdigest()[:12]
        self.folder = cache_home() / "choose" / f"{runtime}-{version}-{threads}-threads-{digest}"

    def get(self, variant: Variant, runs: int) -> Measured | None:
        """Returns a measurement; None if there is none that fits.

        It does not fit if it has too few runs, if its file is damaged, or if the file that registers the model has
        changed since.
        """
        try:
            document = json.loads(self._path(variant).read_text(encoding="utf-8"))
            if document["source"] != _digest(variant.model):
                return None
            measured = Measured(**{field.name: document[field.name] for field in dataclasses.fields(Measured)})
            return measured if measured.runs >= runs else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, variant: Variant, measured: Measured) -> None:
        """Keeps a measurement, whole or not at all.

        Raises:
            OutputError: the folder cannot be written to.
        """
        about = self.folder / "machine.json"
        if not about.exists():
            with atomic(about) as scratch:
                scratch.write_text(json.dumps(self.facts, indent=1), encoding="utf-8")
        document = {
            **variant.values,
            "model": variant.model,
            "quantize": variant.quantize,
            "source": _digest(variant.model),
            **dataclasses.asdict(measured),
        }
        with atomic(self._path(variant)) as scratch:
            scratch.write_text(json.dumps(document, indent=1), encoding="utf-8")

    def _path(self, variant: Variant) -> Path:
        options = "_".join(f"{name}-{in_words(value)}" for name, value in variant.options)
        return self.folder / f"{variant.model}_{options}_{variant.quantize}.json"


def _digest(model: str) -> str:
    """Returns the beginning of the hash of the file that registers a model; empty if there is none."""
    source = registry.source_of(model)
    return hashlib.sha256(source.read_bytes()).hexdigest()[:12] if source and source.is_file() else ""
