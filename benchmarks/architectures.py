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
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from bench import results, script
from bench.processes import PEERS, output
from bench.turns import spread
from zoo import figures, models
from zoo.cli.output import megabytes, print_json, print_table, short_count
from zoo.cli.types import word_list
from zoo.files import atomic, cache_home
from zoo.system.quiet import quiet, quiet_tensorflow

REFERENCE = "mobilenet_v2"
MODES = ("none", "int8")
IMAGENET_CLASSES = 1000
TFLITE_RUNTIME_PYTHON = Path(__file__).resolve().parent.parent / ".venv-tflite-runtime/bin/python"
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


@click.command()
@click.option("--models", "names", type=word_list, metavar="NAMES", help="Some models.  [default: all]")
@click.option("--default-only", is_flag=True, help="Measure only the variant of each model's default options.")
@click.option("--rounds", type=click.IntRange(min=5), default=15, show_default=True, help="Of each net, at most.")
@click.option("--seconds", type=click.FloatRange(min=0), default=20, show_default=True, help="Of each net, at most.")
@click.option("--again", is_flag=True, help="Measure the chosen nets anew.")
@click.option("--tflite-runtime-python", type=click.Path(path_type=Path), default=TFLITE_RUNTIME_PYTHON)
@click.option("--json", "as_json", is_flag=True)
def main(
    names: tuple[str, ...] | None,
    default_only: bool,
    rounds: int,
    seconds: float,
    again: bool,
    tflite_runtime_python: Path,
    as_json: bool,
) -> None:
    """Measures what is missing, and prints all that is known of the models on this machine."""
    quiet_tensorflow()
    for name in names or ():
        if name not in imagenet_models():
            raise click.BadParameter(f"{name!r} is not one of {', '.join(imagenet_models())}", param_hint="--models")
    pythons = {"litert": Path(sys.executable), "tflite-runtime": tflite_runtime_python}
    if not tflite_runtime_python.exists():
        click.echo(f"without tflite-runtime: there is no {tflite_runtime_python}; make test makes it", err=True)
        del pythons["tflite-runtime"]
    chosen = nets(names or imagenet_models(), default_only=default_only)
    keeping = Keeping(rounds, list(pythons))
    missing = [net for net in chosen if again or keeping.get(net) is None]
    with tempfile.TemporaryDirectory() as place:
        reference: dict[str, Path] = {}
        for done, net in enumerate(missing):
            click.echo(f"{done} of {len(missing)}: {models.spec(net[0]).instance_name(net[1])}", err=True)
            with quiet():
                reference = reference or written((REFERENCE, models.spec(REFERENCE).check({})), Path(place))
                files = written(net, Path(place))
                row = described(net, files) | {"times": timed(files, reference, pythons, rounds, seconds)}
            keeping.put(net, row)
            for path in set(files.values()) - set(reference.values()):
                path.unlink()
    rows = [kept for net in nets(imagenet_models()) if (kept := keeping.get(net))]
    if as_json:
        print_json({"reference": REFERENCE, "rows": rows})
    else:
        print_table(COLUMNS, [shown(row) for row in rows])


COLUMNS = (
    "model",
    "params",
    "MACs",
    "float",
    "int8",
    "LiteRT float",
    "int8",
    "tflite-runtime float",
    "int8",
    "TPU ops",
)


def shown(row: Row) -> tuple[str, ...]:
    """Returns a row as text: the CPU times and their ratios to the reference's."""
    times = [row["times"].get(runtime, {}).get(mode) for runtime in ("litert", "tflite-runtime") for mode in MODES]
    return (
        row["net"],
        short_count(row["params"]),
        short_count(row["macs"]),
        *(megabytes(row["bytes"][mode]) for mode in MODES),
        *("" if one is None else f"{one['cpu_ms']['median']:.3g} ms, {one['ratio']['median']:.2f}x" for one in times),
        f"{row['edgetpu']['mapped']}/{row['edgetpu']['operations']}",
    )


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
            command = [python, "-I", PEERS / "time_files.py", runtime, str(rounds), str(seconds / 4), *both]
            times = output([str(word) for word in command])
            own, other = times[str(path)], times[str(reference[mode])]
            found.setdefault(runtime, {})[mode] = {
                "cpu_ms": spread(own["cpu"], 1e3),
                "wall_ms": spread(own["wall"], 1e3),
                "ratio": spread(list(_ratios(own["cpu"], other["cpu"]))),
                "rounds": len(own["cpu"]),
            }
    return found


def _ratios(own: list[float], other: list[float]) -> Iterator[float]:
    for one, beside in zip(own, other, strict=True):
        yield one / beside


if __name__ == "__main__":
    script.run(main)
