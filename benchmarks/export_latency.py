"""Our files beside naively converted ones, on both runtimes.

    python benchmarks/export_latency.py                          # all models, float and int8; about ten minutes
    python benchmarks/export_latency.py --models alexnet --quantize int8

"Naive" is `TFLiteConverter.from_keras_model(model)` on the same Keras model, with the usual optimizations and a
representative data set for int8. A round is what a user does with a decoded picture: cast its uint8 pixels to the
input's type where that is another, set the tensor, invoke. Both files run in turn in one process with one thread; the
ratio is the median of the rounds' own ratios (above 1: ours is faster), beside its 10th and 90th percentile.
tflite-runtime needs an environment of its own, which `make test` makes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from zoo.cli.output import megabytes, print_json, print_table
from zoo.cli.types import words

MODELS = ("mobilenet_v2", "alexnet", "vgg16", "lenet", "conv1d")
MODES = ("none", "int8")
ROUNDS = 40
SECONDS = 20.0
TFLITE_RUNTIME_PYTHON = Path(__file__).parent.parent / ".venv-tflite-runtime/bin/python"


@click.command()
@click.option("--models", type=words(*MODELS), default="mobilenet_v2,alexnet,vgg16", show_default=True)
@click.option("--quantize", type=words(*MODES), default="none,int8", show_default=True)
@click.option("--tflite-runtime-python", type=click.Path(path_type=Path), default=TFLITE_RUNTIME_PYTHON)
@click.option("--json", "as_json", is_flag=True)
def main(models: tuple[str, ...], quantize: tuple[str, ...], tflite_runtime_python: Path, as_json: bool) -> None:
    """Exports, times, prints."""
    pythons = {"litert": sys.executable, "tflite-runtime": str(tflite_runtime_python)}
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for model in models:
            for mode in quantize:
                click.echo(f"exporting {model} {mode}", err=True)
                command = [sys.executable, __file__, "--export", model, mode, folder]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                ours, naive = (Path(folder) / f"{model}-{mode}-{who}.tflite" for who in ("ours", "naive"))
                for runtime, python in pythons.items():
                    click.echo(f"timing {model} {mode} on {runtime}", err=True)
                    timed = subprocess.run(
                        [python, __file__, "--time", str(ours), str(naive)],
                        check=True,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                    )
                    sizes = {"bytes": ours.stat().st_size, "naive_bytes": naive.stat().st_size}
                    results.append(
                        {"model": model, "mode": mode, "runtime": runtime, **sizes, **json.loads(timed.stdout)}
                    )
                naive.unlink()
    if as_json:
        print_json(results)
        return
    floats = {r["model"]: r["bytes"] for r in results if r["mode"] == "none"}
    rows = [
        (
            r["model"],
            r["mode"],
            r["runtime"],
            f"{r['naive_ms']:.2f} ms",
            f"{r['ours_ms']:.2f} ms",
            f"{r['ratio']:.2f}x ({r['ratio_p10']:.2f} to {r['ratio_p90']:.2f})",
            megabytes(r["bytes"]),
            f"{r['bytes'] / floats[r['model']]:.3f}" if r["model"] in floats else "",
        )
        for r in results
    ]
    columns = ("model", "mode", "runtime", "naive", "ours", "naive / ours", "our size", "of float")
    print_table(columns, rows, left=("mode", "runtime"))


def _export(name: str, mode: str, folder: str) -> None:
    import tensorflow as tf

    import zoo
    from zoo.export import to_tflite
    from zoo.export.calibration import synthetic

    model = zoo.build(name)
    to_tflite(model, Path(folder) / f"{name}-{mode}-ours.tflite", quantize=mode, verify_file=False)  # type: ignore[arg-type]
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if mode == "int8":
        inputs = synthetic(model.input_shape[1:]).inputs
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([x[None]] for x in inputs)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    (Path(folder) / f"{name}-{mode}-naive.tflite").write_bytes(converter.convert())


def _time(paths: list[str]) -> None:
    """Runs in the runtime's own environment."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tflite_runtime.interpreter import Interpreter

    runs = []
    for path in paths:
        interpreter = Interpreter(path, num_threads=1)
        interpreter.allocate_tensors()
        entry = interpreter.get_input_details()[0]
        pixels = np.random.default_rng(0).integers(0, 256, entry["shape"], np.uint8)

        def run(interpreter: Any = interpreter, entry: Any = entry, pixels: Any = pixels) -> None:
            interpreter.set_tensor(entry["index"], pixels.astype(entry["dtype"], copy=False))
            interpreter.invoke()

        run()
        runs.append(run)
    times: list[list[float]] = []
    end = time.perf_counter() + SECONDS
    while len(times) < ROUNDS and (len(times) < 5 or time.perf_counter() < end):
        # Each goes first in every other round.
        order = (0, 1) if len(times) % 2 else (1, 0)
        row = [0.0, 0.0]
        for i in order:
            started = time.perf_counter()
            runs[i]()
            row[i] = time.perf_counter() - started
        times.append(row)
    ours, naive = np.array(times).T
    p10, ratio, p90 = np.percentile(naive / ours, [10, 50, 90])
    result = {
        "ours_ms": 1e3 * float(np.median(ours)),
        "naive_ms": 1e3 * float(np.median(naive)),
        "ratio": float(ratio),
        "ratio_p10": float(p10),
        "ratio_p90": float(p90),
        "rounds": len(times),
    }
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    if "--export" in sys.argv:
        _export(*sys.argv[2:5])
    elif "--time" in sys.argv:
        _time(sys.argv[2:])
    else:
        main()
