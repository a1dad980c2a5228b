"""Compares all architectures for ImageNet, each in all its published variants: cost, size, speed, and the Edge TPU.

    python benchmarks/architectures.py                                  # all; what was measured before is kept
    python benchmarks/architectures.py --models mobilenet_v1,vgg16      # some, beside what was measured before
    python benchmarks/architectures.py --models vgg16 --default-only --again --json

The models are those of the registry that have ImageNet's 1000 classes by default, and their variants are the options
that accuracies are published for. Weights are random, because they do not influence times and sizes. Each net's float
and int8 file run in turn with those of the reference, MobileNetV2 1.0/224, on each runtime, with one thread; the ratio
is the median of the rounds' ratios of CPU time (above 1: slower than the reference), with the 10th and 90th percentile.
Wall time is kept as well. What the Edge TPU would run of the int8 file is said by Coral's rules, not by its compiler.

Each net is kept as soon as it is measured, in `~/.cache/edgezoo/benchmarks`, by machine and versions. An interrupted
run goes on where it was, and runs for some models add to each other; `--again` measures the chosen ones anew.
tflite-runtime needs a separate environment, which `make test` makes.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench import results
from bench.cells import number
from bench.processes import PACKAGES, Command, output
from bench.script import benchmark, runtimes, say
from bench.turns import in_turn, rounds_within, spread
from tables import markdown_table
from zoo import figures, models
from zoo.benchmark.statistics import ratio
from zoo.cli.types import word_list
from zoo.files.places import cache_home
from zoo.files.writing import atomic
from zoo.system.quiet import quiet, quiet_tensorflow
from zoo.text import short_number
from zoo.tflite.edgetpu import CACHE_BYTES, MOST_CACHE_BYTES

REFERENCE = "mobilenet_v2"
MODES = ("none", "int8")
IMAGENET_CLASSES = 1000
Row = dict[str, Any]
Net = tuple[str, dict[str, Any]]
"""A model's name and all its options."""


def nets(names: tuple[str, ...], *, default_only: bool = False) -> list[Net]:
    """Returns the nets of some models, each model's default one first."""
    found = [(name, values) for name in names for values in figures.variants(models.spec(name))]
    return [(name, values) for name, values in found if not default_only or values == models.spec(name).check({})]


def imagenet_models() -> tuple[str, ...]:
    """Returns the names of the registered models that have ImageNet's classes by default."""
    return tuple(
        name for name in models.list_models() if models.spec(name).check({}).get("num_classes") == IMAGENET_CLASSES
    )


def table(result: dict[str, Any]) -> str:
    """Shows all nets for ImageNet, a line each, with what is published of them."""
    columns = (
        "net", "parameters", "MACs", "size float", "int8", "top-1 float", "int8", "source", "LiteRT float", "int8",
        "tflite-runtime float", "int8", "Edge TPU",
    )  # fmt: skip
    rows, sources = [], {}
    for row in result["rows"]:
        spec = models.spec(row["model"])
        if spec.accuracies is not None:
            sources[spec.accuracies.url] = spec.accuracies.source
        place = f"[{list(sources).index(spec.accuracies.url) + 1}]({spec.accuracies.url})" if spec.accuracies else ""
        top1 = (figures.top1(spec, row["options"]), figures.int8_top1(spec, row["options"]))
        rows.append(
            (
                f"`{row['net']}`",
                short_number(row["params"]),
                short_number(row["macs"]),
                *(f"{row['bytes'][mode] / 1e6:.3g} MB" for mode in MODES),
                *("" if one is None else f"{one:.1f}%" for one in top1),
                place if top1[0] is not None else "",
                *(
                    _beside_reference(row["times"].get(runtime, {}).get(mode))
                    for runtime in ("litert", "tflite-runtime")
                    for mode in MODES
                ),
                _on_edge_tpu(row["edgetpu"]),
            )
        )
    named = "\n".join(f"{i}. [{source}]({url})" for i, (url, source) in enumerate(sources.items(), start=1))
    return f"{markdown_table(columns, rows)}\n\nSources of the accuracies:\n\n{named}"


def _beside_reference(found: dict[str, Any] | None) -> str:
    """Returns the ratio of CPU times to the reference's, and the time itself."""
    if found is None:
        return ""
    return f"{found['ratio']['median']:.2f}x, {number(found['cpu_ms']['median'])} ms"


def _on_edge_tpu(found: dict[str, Any]) -> str:
    """Returns the operations that the Edge TPU runs, and whether the weights fit on it."""
    size, mapped = found["weight_bytes"], f"{found['mapped']} of {found['operations']}"
    fits = "fits" if size <= CACHE_BYTES else "may fit" if size <= MOST_CACHE_BYTES else "does not fit"
    return f"{mapped}, {size / 2**20:.1f} MiB {fits}"


@benchmark(table)
@click.option("--models", "names", type=word_list, metavar="NAMES", help="Some models.  [default: all]")
@click.option("--default-only", is_flag=True, help="Measure only the variant of each model's default options.")
@click.option("--rounds", type=click.IntRange(min=5), default=15, show_default=True, help="Of each net, at most.")
@click.option("--seconds", type=click.FloatRange(min=0), default=20, show_default=True, help="Of each net, at most.")
@click.option("--again", is_flag=True, help="Measure the chosen nets anew.")
def main(names: tuple[str, ...] | None, default_only: bool, rounds: int, seconds: float, again: bool) -> Row:
    """Measures what is missing, and returns all that is known of the models on this machine."""
    quiet_tensorflow()
    for name in names or ():
        if name not in imagenet_models():
            raise click.BadParameter(f"{name!r} is not one of {', '.join(imagenet_models())}", param_hint="--models")
    pythons = runtimes()
    chosen = nets(names or imagenet_models(), default_only=default_only)
    keeping = Keeping(rounds, list(pythons))
    missing = [net for net in chosen if again or keeping.get(net) is None]
    with tempfile.TemporaryDirectory() as place:
        reference: dict[str, Path] = {}
        for done, net in enumerate(missing):
            say(f"{done} of {len(missing)}: {models.spec(net[0]).instance_name(net[1])}")
            with quiet():
                reference = reference or written((REFERENCE, models.spec(REFERENCE).check({})), Path(place))
                files = written(net, Path(place))
                row = described(net, files) | {"times": timed(files, reference, pythons, rounds, seconds)}
            keeping.put(net, row)
            for path in set(files.values()) - set(reference.values()):
                path.unlink()
    return {"reference": REFERENCE, "rows": [kept for net in nets(imagenet_models()) if (kept := keeping.get(net))]}


class Keeping:
    """Keeps each net's row in a file of its own, by the machine, the versions, the rounds and the runtimes."""

    def __init__(self, rounds: int, runtimes: list[str]) -> None:
        """Finds the folder, without writing anything yet."""
        facts = [results.this_machine(), results.versions(), rounds, runtimes]
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
        self.folder = cache_home() / "benchmarks" / f"architectures-{digest}"

    def get(self, net: Net) -> Row | None:
        """Returns a row; None if the net is not measured, or its file is damaged."""
        try:
            row: Row = json.loads(self._path(net).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return row if row.get("options") == json.loads(json.dumps(net[1])) else None

    def put(self, net: Net, row: Row) -> None:
        """Writes a row, whole or not at all."""
        with atomic(self._path(net)) as scratch:
            scratch.write_text(json.dumps(row), encoding="utf-8")

    def _path(self, net: Net) -> Path:
        return self.folder / f"{models.spec(net[0]).instance_name(net[1])}.json"


def written(net: Net, folder: Path) -> dict[str, Path]:
    """Exports a net in both modes."""
    from zoo.choose import Variant, write_files

    options = tuple(net[1].items())
    variants = [Variant(net[0], options, "none"), Variant(net[0], options, "int8")]
    return {variant.quantize: path for variant, path in write_files(variants, folder).items()}


def described(net: Net, files: dict[str, Path]) -> Row:
    """Returns what is known of a net without running it."""
    from zoo.summary.table import outline
    from zoo.tflite import edgetpu, modelfile

    name, options = net
    summary, tpu = outline(name, **options), edgetpu.report(modelfile.read(files["int8"]))
    return {
        "model": name,
        "net": models.spec(name).instance_name(options),
        "options": options,
        "input_shape": summary.input_shape,
        "params": summary.params,
        "macs": summary.macs,
        "bytes": {mode: path.stat().st_size for mode, path in files.items()},
        "edgetpu": {
            "operations": len(tpu.placements),
            "mapped": sum(one.on_tpu for one in tpu.placements),
            "mapped_macs": tpu.mapped_macs,
            "weight_bytes": tpu.weight_bytes,
            "fits": tpu.fits_cache,
        },
    }


def timed(
    files: dict[str, Path], reference: dict[str, Path], pythons: dict[str, Path], rounds: int, seconds: float
) -> dict[str, dict[str, Any]]:
    """Times a net's files and the reference's in turn; returns, for each runtime and mode, times and ratio."""
    found: dict[str, dict[str, Any]] = {}
    for runtime, python in pythons.items():
        for mode, path in files.items():
            both = list(dict.fromkeys((reference[mode], path)))
            command: Command = [python, __file__, "--time", runtime, str(rounds), str(seconds / 4), *both]
            times = output(command)
            own, other = times[str(path)], times[str(reference[mode])]
            beside = ratio(own[0], other[0])
            found.setdefault(runtime, {})[mode] = {
                "cpu_ms": spread(own[0], 1e3),
                "wall_ms": spread(own[1], 1e3),
                "ratio": {"median": beside.median, "p10": beside.p10, "p90": beside.p90},
                "rounds": len(own[0]),
            }
    return found


def _time(runtime: str, rounds: int, seconds: float, paths: list[str]) -> dict[str, list[list[float]]]:
    """Times files in turn, with one thread, in the environment of a runtime.

    Returns:
        For each file, the CPU times and the wall times of all rounds, in seconds. The CPU time of one thread is what
        the work costs, even where other processes take turns on the core.
    """
    works = {path: _both_times(_loaded(runtime, path)) for path in paths}
    times = in_turn(works, rounds_within(works, seconds, rounds))
    return {path: [list(kind) for kind in zip(*found, strict=True)] for path, found in times.items()}


def _loaded(runtime: str, path: str) -> Any:
    """Returns an interpreter whose input is set to random values."""
    interpreter = importlib.import_module(f"{PACKAGES[runtime]}.interpreter").Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    values = np.random.default_rng(0).integers(0, 256, entry["shape"])
    interpreter.set_tensor(entry["index"], values.astype(entry["dtype"]))
    return interpreter


def _both_times(interpreter: Any) -> Callable[[], tuple[float, float]]:
    """Returns a function that gives the CPU seconds and the seconds of one run."""

    def run() -> tuple[float, float]:
        interpreter.invoke()  # the other files' weights have replaced the file's own in the caches
        cpu, wall = time.thread_time(), time.perf_counter()
        interpreter.invoke()
        return time.thread_time() - cpu, time.perf_counter() - wall

    return run


if __name__ == "__main__":
    if "--time" in sys.argv:
        print(json.dumps(_time(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5:])))
    else:
        main()
