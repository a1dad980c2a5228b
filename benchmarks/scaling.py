"""Measures how cost grows with a model's work, with threads and with pictures.

    python benchmarks/scaling.py [--alphas 0.35,1.4] [--sizes 96,224] [--json]

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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench.cells import between
from bench.pictures import SMALL, save_crops
from bench.processes import ZOO, peak_resident
from bench.script import benchmark, say
from bench.turns import in_turn, loaded, spread, timed
from tables import markdown_table
from zoo.choose.measuring import write_files
from zoo.choose.variants import Variant, grid
from zoo.cli.types import float_list, int_list
from zoo.machine.info import read_machine
from zoo.plots import figure, save
from zoo.runner import Classifier
from zoo.summary.table import outline
from zoo.system.quiet import quiet, quiet_tensorflow

ALPHAS = "0.35,0.75,1.4"
SIZES = "96,160,224"
COUNTS = "1,10,100,1000"
THREAD_PICTURES = 200
Row = dict[str, Any]
# Okabe and Ito's colours, as in zoo choose: safe for the colour-blind.
LINES = {"float32": ("none", "o", "#0072b2"), "int8": ("int8", "s", "#e69f00")}
GREEN = "#009e73"


def table(result: Row) -> str:
    """Shows how cost grows, in three tables."""
    cells: dict[tuple[float, int], list[Row]] = {}
    for row in sorted(result["latency"], key=lambda row: (row["macs"], row["mode"] != "none")):
        cells.setdefault((row["alpha"], row["input_size"]), []).append(row)
    latency = markdown_table(
        ("alpha", "input", "MACs", *LINES),
        [
            (f"{a:g}", str(size), f"{rows[0]['macs'] / 1e6:.0f} M", *(between(row["ms"], "ms") for row in rows))
            for (a, size), rows in cells.items()
        ],
    )
    powers = [
        f"{name} as MACs to the power of {result['exponents'][mode]:.2f}"
        for name, (mode, _, _) in LINES.items()
        if result["exponents"][mode] is not None
    ]
    threads = markdown_table(
        ("threads", "pictures a second"),
        [(str(row["threads"]), between(row["per_second"])) for row in result["threads"]],
    )
    folders = markdown_table(
        ("pictures in the folder", "pictures a second", "peak memory of `zoo run`"),
        [
            (f"{rate['count']:,}", between(rate["per_second"]), f"{memory['peak_mb']:.1f} MB")
            for rate, memory in zip(result["pictures"], result["memory"], strict=True)
        ],
    )
    grows = f"Time grows: {', '.join(powers)}.\n\n" if powers else ""
    return f"{latency}\n\n{grows}`{result['file']}`, JPEG files of 640x480:\n\n{threads}\n\n{folders}"


def draw(found: Row, path: Path) -> None:
    """Draws a result in four panels, as PNG or SVG.

    Raises:
        OutputError: the file cannot be written.
    """
    drawing = figure(9, 6.5)
    (latency, threads), (pictures, memory) = drawing.subplots(2, 2)
    for name, (mode, marker, colour) in LINES.items():
        rows, power = [row for row in found["latency"] if row["mode"] == mode], found["exponents"][mode]
        label = name if power is None else f"{name}: grows as MACs^{power:.2f}"
        _bars(latency, [row["macs"] / 1e6 for row in rows], [row["ms"] for row in rows], marker, colour, label)
    latency.set(xscale="log", yscale="log", xlabel="million MACs", ylabel="ms for one picture, 1 thread")
    for axis in (latency.xaxis, latency.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    latency.legend(fontsize=8)
    for axes, key in ((threads, "threads"), (pictures, "count")):
        rows = found["threads" if key == "threads" else "pictures"]
        _bars(axes, [row[key] for row in rows], [row["per_second"] for row in rows], "o-", GREEN)
        axes.set(ylabel="pictures a second, from JPEG", ylim=(0, None))
    threads.set(xlabel="threads of the interpreter", xticks=[row["threads"] for row in found["threads"]])
    rows = found["memory"]
    memory.plot([row["count"] for row in rows], [row["peak_mb"] for row in rows], "o-", color=GREEN)
    memory.set(ylabel="peak memory of zoo run, MB", ylim=(0, 1.3 * max(row["peak_mb"] for row in rows)))
    for axes in (pictures, memory):
        axes.set(xscale="log", xlabel="pictures in the folder")
        axes.set_xticks([row["count"] for row in rows], [f"{row['count']:,}" for row in rows])
        axes.minorticks_off()
    titles = (
        "MobileNetV2: latency against work", "throughput against threads", "throughput against folder size",
        "memory against folder size",
    )  # fmt: skip
    for axes, title in zip((latency, threads, pictures, memory), titles, strict=True):
        axes.set_title(title, fontsize=10)
        axes.grid(alpha=0.25)
    save(drawing, path)


def _bars(axes: Any, x: Sequence[float], spreads: Sequence[Row], marker: str, colour: str, label: str = "") -> None:
    """Draws medians, with bars from the 10th to the 90th percentile."""
    middle = [one["median"] for one in spreads]
    ends = [[one["median"] - one["p10"] for one in spreads], [one["p90"] - one["median"] for one in spreads]]
    axes.errorbar(x, middle, yerr=ends, fmt=marker, color=colour, capsize=2, label=label)


@benchmark(table)
@click.option("--alphas", type=float_list, metavar="NUMBERS", default=ALPHAS, show_default=True, help="Widths.")
@click.option("--sizes", type=int_list, metavar="NUMBERS", default=SIZES, show_default=True, help="Of the input.")
@click.option("--counts", type=int_list, metavar="NUMBERS", default=COUNTS, show_default=True, help="Of pictures.")
@click.option("--runs", type=click.IntRange(min=3), default=40, show_default=True, help="Timed runs of each file.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Of all else.")
def main(alphas: tuple[float, ...], sizes: tuple[int, ...], counts: tuple[int, ...], runs: int, rounds: int) -> Row:
    """Exports the files and measures."""
    quiet_tensorflow()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        variants = grid("mobilenet_v2", alpha=alphas, input_size=sizes, quantize=("none", "int8"), whole=True)
        say(f"exporting {len(variants)} files")
        with quiet():
            paths = list(write_files(variants, folder / "files").values())
        say("timing")
        latency = latencies(dict(zip(variants, paths, strict=True)), runs)
        # A model of medium size in int8 is fast enough to show what the rest costs.
        file = paths[variants.index(next(one for one in variants[len(variants) // 2 :] if one.quantize == "int8"))]
        return {
            "latency": latency,
            "exponents": {mode: exponent([r for r in latency if r["mode"] == mode]) for mode in ("none", "int8")},
            "file": file.stem,
            "threads": threads_rates(file, folder, rounds),
            **by_folder_size(file, folder, counts, rounds),
        }


def latencies(files: Mapping[Variant, Path], runs: int) -> list[Row]:
    """Measures the time of one run of each file, on one thread."""
    return [
        {
            **variant.values,
            "mode": variant.quantize,
            "macs": outline(variant.model, **variant.values).macs,
            "ms": spread(candidate.record.seconds, 1e3),
        }
        for variant, candidate in loaded(files, runs).items()
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


if __name__ == "__main__":
    main()
