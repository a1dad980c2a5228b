"""Measures how cost grows with a model's work, with threads and with pictures.

    python benchmarks/scaling.py [--plot docs/scaling.png] [--json]

- **latency against MACs**: MobileNetV2 over widths and input sizes, float32 and int8, one thread, all files in turn.
  The exponent is that of a fitted power law; 1 means that time is proportional to MACs.
- **throughput against threads**: pictures per second of `classify_many`, from JPEG files to labels, with 1 thread up to
  the number of cores. Decoding has its own threads, which use the cores that the interpreter leaves free.
- **throughput against pictures**: the same for folders of growing size; the time includes making the `Classifier`.
- **memory against pictures**: the peak memory of `zoo run FOLDER --csv`, in a separate process.

Weights are random, because time and memory do not depend on them. The pictures are 640x480.
"""

from __future__ import annotations

import functools
import itertools
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench import script
from bench.pictures import SMALL, save_crops
from bench.processes import peak_resident
from bench.scaling_plot import draw
from bench.turns import in_turn, spread, timed
from zoo.benchmark.interleave import Candidate, time_runs
from zoo.choose.measuring import write_files
from zoo.choose.variants import Variant, grid
from zoo.cli.output import print_json, print_table
from zoo.cli.types import float_list, int_list
from zoo.machine.info import read_machine
from zoo.runner import Classifier
from zoo.summary.table import outline
from zoo.system.quiet import quiet, quiet_tensorflow

ALPHAS = "0.35,0.75,1.4"
SIZES = "96,160,224"
COUNTS = "1,10,100,1000"
THREAD_PICTURES = 200
ZOO = "from zoo.cli.main import main; main()"
Row = dict[str, Any]


@click.command()
@click.option("--alphas", type=float_list, metavar="NUMBERS", default=ALPHAS, show_default=True, help="Widths.")
@click.option("--sizes", type=int_list, metavar="NUMBERS", default=SIZES, show_default=True, help="Of the input.")
@click.option("--counts", type=int_list, metavar="NUMBERS", default=COUNTS, show_default=True, help="Of pictures.")
@click.option("--runs", type=click.IntRange(min=3), default=40, show_default=True, help="Timed runs of each file.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Of all else.")
@click.option("--plot", type=click.Path(path_type=Path), help="A .png or .svg file to draw it to.")
@click.option("--json", "as_json", is_flag=True)
def main(
    alphas: tuple[float, ...],
    sizes: tuple[int, ...],
    counts: tuple[int, ...],
    runs: int,
    rounds: int,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Exports the files, measures, and prints the results."""
    quiet_tensorflow()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        variants = grid("mobilenet_v2", alpha=alphas, input_size=sizes, quantize=("none", "int8"), whole=True)
        click.echo(f"exporting {len(variants)} files", err=True)
        with quiet():
            paths = list(write_files(variants, folder / "files").values())
        click.echo("timing", err=True)
        latency = latencies(variants, paths, runs)
        # A model of medium size in int8 is fast enough to show what the rest costs.
        file = paths[variants.index(next(one for one in variants[len(variants) // 2 :] if one.quantize == "int8"))]
        found = {
            "latency": latency,
            "exponents": {mode: exponent([r for r in latency if r["mode"] == mode]) for mode in ("none", "int8")},
            "file": file.stem,
            "threads": threads_rates(file, folder, rounds),
            **by_folder_size(file, folder, counts, rounds),
        }
    if plot:
        draw(found, plot)
    if as_json:
        print_json(found)
    else:
        show(found)


def latencies(variants: Sequence[Variant], paths: Sequence[Path], runs: int) -> list[Row]:
    """Measures the time of one run of each file, on one thread."""
    candidates = [Candidate(path, "auto", 1, None, trusted=True) for path in paths]
    time_runs(candidates, runs, 3)
    return [
        {
            **variant.values,
            "mode": variant.quantize,
            "macs": outline(variant.model, **variant.values).macs,
            "ms": spread(candidate.record.seconds, 1e3),
        }
        for variant, candidate in zip(variants, candidates, strict=True)
    ]


def exponent(rows: Sequence[Row]) -> float | None:
    """Returns the exponent of the power law between MACs and time; None for fewer than three points."""
    if len(rows) < 3:
        return None
    macs, times = np.log([r["macs"] for r in rows]), np.log([r["ms"]["median"] for r in rows])
    return float(np.polyfit(macs, times, 1)[0])


def threads_rates(file: Path, folder: Path, rounds: int) -> list[Row]:
    """Measures pictures per second for each number of interpreter threads."""
    photos = save_crops(folder / "photos", THREAD_PICTURES, SMALL)
    numbers = range(1, read_machine().usable_cores + 1)
    classifiers = {number: Classifier(file, threads=number) for number in numbers}
    times = in_turn({str(number): timed(_naming(classifiers[number], photos)) for number in numbers}, rounds)
    return [{"threads": n, "per_second": spread([len(photos) / s for s in times[str(n)]])} for n in numbers]


def _naming(classifier: Classifier, photos: Sequence[Path]) -> Any:
    return lambda: [result.predictions for result in classifier.classify_many(photos, top_k=1)]


def _name_folder(file: Path, folder: Path) -> None:
    _naming(Classifier(file), sorted(folder.iterdir()))()


def by_folder_size(file: Path, folder: Path, counts: Sequence[int], rounds: int) -> dict[str, list[Row]]:
    """Measures pictures per second and memory for each number of pictures."""
    places = {count: _linked(folder / "photos", folder / f"folder-{count}", count) for count in counts}
    times = in_turn(
        {str(count): timed(functools.partial(_name_folder, file, place)) for count, place in places.items()},
        rounds,
    )
    command: list[str | Path] = [sys.executable, "-c", ZOO, "run", file]
    peaks = {
        count: [peak_resident([*command, place, "--csv", "--top-k", "1"]) for _ in range(min(3, rounds))]
        for count, place in places.items()
    }
    return {
        "pictures": [{"count": n, "per_second": spread([n / s for s in times[str(n)]])} for n in counts],
        "memory": [{"count": n, "peak_mb": statistics.median(peaks[n]) / 1e6} for n in counts],
    }


def _linked(photos: Path, place: Path, count: int) -> Path:
    """Makes a folder with `count` pictures, which are links to the same few files."""
    place.mkdir()
    for i, photo in zip(range(count), itertools.cycle(sorted(photos.iterdir()))):
        os.link(photo, place / f"{i:06}.jpg")
    return place


def show(found: Row) -> None:
    """Prints four tables."""
    rows = [
        (f"{r['alpha']:g}", str(r["input_size"]), r["mode"], f"{r['macs'] / 1e6:.0f} M", _spread(r["ms"], "ms"))
        for r in found["latency"]
    ]
    print_table(("alpha", "size", "mode", "MACs", "one run"), rows, left=("mode",))
    for mode, value in found["exponents"].items():
        if value is not None:
            click.echo(f"{mode}: time grows as MACs to the power of {value:.2f}")
    click.echo(f"\n{found['file']}, pictures of 640x480:")
    print_table(("threads", "a second"), [(str(r["threads"]), _spread(r["per_second"])) for r in found["threads"]])
    click.echo()
    folders = [
        (str(rate["count"]), _spread(rate["per_second"]), f"{memory['peak_mb']:.1f} MB")
        for rate, memory in zip(found["pictures"], found["memory"], strict=True)
    ]
    print_table(("pictures", "a second", "peak memory of zoo run"), folders)


def _spread(value: dict[str, float], unit: str = "") -> str:
    return f"{value['median']:.3g}{' ' + unit if unit else ''} ({value['p10']:.3g} to {value['p90']:.3g})"


if __name__ == "__main__":
    script.run(main)
