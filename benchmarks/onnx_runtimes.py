"""Times one model on three runtimes side by side: LiteRT, ONNX Runtime and OpenVINO, float32 and int8.

    python benchmarks/onnx_runtimes.py [--model 0.35,96 --model 1,224] [--runs 60] [--json]

MobileNetV2 with random weights of one seed is exported to `.tflite` and `.onnx` files. LiteRT and OpenVINO run the
first, ONNX Runtime the second, each with one thread. All files of a model run in turn, round by round. A ratio is the
median of the rounds' ratios, LiteRT's time divided by the other's: above 1 the other is faster.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from bench import script
from bench.turns import ratio_text, spread, versus
from zoo.benchmark.interleave import Candidate, time_runs
from zoo.cli.output import print_json, print_table
from zoo.cli.types import number_pair

MODES = ("none", "int8")
RUNTIMES = {"litert": "tflite", "onnxruntime": "onnx", "openvino": "tflite"}
"""The runtimes, each with the format of the file that it runs."""
BESIDE = "litert"
WARMUP = 10


@click.command()
@click.option(
    "--model",
    "models",
    type=number_pair,
    metavar="ALPHA,SIZE",
    multiple=True,
    default=("0.35,96", "1,224"),
    show_default=True,
    help="May be given several times.",
)
@click.option("--runs", type=click.IntRange(min=3), default=60, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(models: tuple[tuple[float, float], ...], runs: int, as_json: bool) -> None:
    """Exports the files, times them in turn, and prints a row for each model, mode and runtime."""
    rows = [row for alpha, size in models for row in timed(alpha, int(size), runs)]
    if as_json:
        print_json({"rows": rows})
        return
    table = [
        (f"{r['alpha']}/{r['size']}", r["mode"], r["runtime"], f"{r['ms']['median']:.2f} ms", ratio_text(r))
        for r in rows
    ]
    print_table(("model", "mode", "runtime", "a run", "LiteRT / it"), table, left=("mode", "runtime"))


def timed(alpha: float, size: int, runs: int) -> list[dict[str, Any]]:
    """Returns the rows of a model: the time of a run by mode and runtime, in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        files = exported(alpha, size, Path(folder))
        candidates = {
            (mode, runtime): Candidate(files[mode, form], runtime, 1, None, trusted=True)
            for mode in MODES
            for runtime, form in RUNTIMES.items()
        }
        time_runs(list(candidates.values()), runs, WARMUP)
    rows = []
    for (mode, runtime), candidate in candidates.items():
        seconds, beside = candidate.record.seconds, candidates[mode, BESIDE].record.seconds
        rows.append(
            {
                "alpha": alpha,
                "size": size,
                "mode": mode,
                "runtime": runtime,
                "bytes": candidate.record.size_bytes,
                "ms": spread(seconds, 1e3),
                **versus(beside, seconds, "ms", 1e3),
            }
        )
    return rows


def exported(alpha: float, size: int, folder: Path) -> dict[tuple[str, str], Path]:
    """Exports a model in both modes and formats; returns the files by both."""
    from zoo.export.formats import writer
    from zoo.export.onnx.options import FILE_FORMATS
    from zoo.system.quiet import quiet, quiet_tensorflow

    quiet_tensorflow()
    import zoo

    files: dict[tuple[str, str], Path] = {}
    files |= {(mode, form): folder / f"{mode}.{form}" for mode in MODES for form in FILE_FORMATS}
    with quiet():
        model = zoo.build("mobilenet_v2", alpha=alpha, input_size=size, weights="none", seed=0)
        for (mode, form), path in files.items():
            writer("onnx" if form == "onnx" else "tflite")(model, path, quantize=mode, verify_file=False)
    return files


if __name__ == "__main__":
    script.run(main)
