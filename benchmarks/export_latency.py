"""Compares our files with those of a user's own conversion, on both runtimes.

    python benchmarks/export_latency.py                          # all models, float and int8
    python benchmarks/export_latency.py --models alexnet --quantize int8

MobileNetV2 and VGG-16 are compared with keras.applications' models of the same size. AlexNet and the small models,
which it does not have, are compared with the plain Keras graph. The conversion is that of TensorFlow's guides:
`TFLiteConverter.from_keras_model(model)`, for int8 with `Optimize.DEFAULT`, a representative data set of preprocessed
pictures, integer operations, and uint8 in and out. Weights are random, because they do not influence the time.

Two things are timed: the interpreter alone (`invoke`), and all steps from a decoded picture: converting its
uint8 pixels for the input, setting the tensor, and `invoke`. The plain file needs `preprocess_input` in numpy and, in
int8, the input's scale and zero point; our file takes pixels as they are. Both files run in turn in one process with
one thread. The ratio is the median of the rounds' ratios (above 1: ours is faster), with its 10th and 90th percentile.
tflite-runtime needs a separate environment, which `make test` makes.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench import script
from bench.processes import output
from bench.turns import in_turn, ratio_text, timed, versus
from zoo.cli.output import megabytes, print_json, print_table
from zoo.cli.types import words

MODELS = ("mobilenet_v2", "alexnet", "vgg16", "lenet", "conv1d")
MODES = ("none", "int8")
APPLICATIONS = {"mobilenet_v2": ("mobilenet_v2", "MobileNetV2"), "vgg16": ("vgg16", "VGG16")}
"""Module and function in keras.applications for each of our models."""
TFLITE_RUNTIME_PYTHON = Path(__file__).resolve().parent.parent / ".venv-tflite-runtime/bin/python"
FEWEST_ROUNDS = 5


@click.command()
@click.option("--models", type=words(*MODELS), metavar="NAMES", default="mobilenet_v2,alexnet,vgg16", show_default=True)
@click.option("--quantize", type=words(*MODES), metavar="NAMES", default="none,int8", show_default=True)
@click.option("--seconds", type=click.FloatRange(min=0.1), default=10, show_default=True, help="Of each pair, at most.")
@click.option("--rounds", type=click.IntRange(min=1), default=40, show_default=True, help="Of each pair, at most.")
@click.option("--tflite-runtime-python", type=click.Path(path_type=Path), default=TFLITE_RUNTIME_PYTHON)
@click.option("--json", "as_json", is_flag=True)
def main(
    models: tuple[str, ...],
    quantize: tuple[str, ...],
    seconds: float,
    rounds: int,
    tflite_runtime_python: Path,
    as_json: bool,
) -> None:
    """Exports the files, times them, and prints the results."""
    pythons = {"litert": Path(sys.executable), "tflite-runtime": tflite_runtime_python}
    if not tflite_runtime_python.exists():
        click.echo(f"without tflite-runtime: there is no {tflite_runtime_python}; make test makes it", err=True)
        del pythons["tflite-runtime"]
    rows: list[dict[str, Any]] = []
    for model in models:
        for mode in quantize:
            with tempfile.TemporaryDirectory() as folder:
                click.echo(f"exporting {model} {mode}", err=True)
                export = [sys.executable, __file__, "--export", model, mode, folder]
                subprocess.run(export, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                files = {who: Path(folder) / f"{who}.tflite" for who in ("plain", "ours")}
                sizes = {"bytes": files["ours"].stat().st_size, "plain_bytes": files["plain"].stat().st_size}
                for runtime, python in pythons.items():
                    click.echo(f"timing {model} {mode} on {runtime}", err=True)
                    arguments = [runtime, str(seconds), str(rounds), folder, model]
                    found = output([python, __file__, "--time", *arguments])
                    beside = "keras.applications" if model in APPLICATIONS else "the Keras graph"
                    rows.append({"model": model, "mode": mode, "runtime": runtime, "beside": beside, **sizes, **found})
    if as_json:
        print_json({"rows": rows})
        return
    table = [
        (
            *(r[name] for name in ("model", "mode", "runtime")),
            f"{r['pixels']['plain']:.2f} ms",
            f"{r['pixels']['ours']:.2f} ms",
            ratio_text(r["pixels"]),
            ratio_text(r["invoke"]),
            megabytes(r["plain_bytes"]),
            megabytes(r["bytes"]),
        )
        for r in rows
    ]
    columns = ("model", "mode", "runtime", "plain", "ours", "plain / ours", "invoke alone", "plain size", "our size")
    print_table(columns, table, left=("mode", "runtime"))


def _export(name: str, mode: str, folder: str) -> None:
    """Measures both files of one model in one mode."""
    import tensorflow as tf

    import zoo
    from zoo.export import to_tflite
    from zoo.export.checking.calibration import synthetic

    model = zoo.build(name)
    to_tflite(model, Path(folder) / "ours.tflite", quantize=mode, verify_file=False)
    inputs = synthetic(model.input_shape[1:]).inputs
    if name in APPLICATIONS:
        model = _application(name)
        inputs = preprocess(name, inputs)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if mode == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([x[None]] for x in inputs)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    (Path(folder) / "plain.tflite").write_bytes(converter.convert())


def _application(name: str) -> Any:
    import keras

    module, function = APPLICATIONS[name]
    return getattr(getattr(keras.applications, module), function)(weights=None)


def preprocess(name: str, pixels: Any) -> Any:
    """Returns a model's `preprocess_input` of keras.applications, in numpy, because a board has no Keras."""
    values = np.asarray(pixels, np.float32)
    if name == "mobilenet_v2":
        return values / np.float32(127.5) - np.float32(1)
    if name == "vgg16":
        return values[..., ::-1] - np.array([103.939, 116.779, 123.68], np.float32)
    return values


def _time(runtime: str, seconds: float, rounds: int, folder: str, model: str) -> None:
    """Times files in the runtime's own environment, which may have the other runtime, too."""
    package = {"litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}[runtime]
    interpreter_of = importlib.import_module(f"{package}.interpreter").Interpreter
    works: dict[str, Callable[[], float]] = {}
    for who in ("plain", "ours"):
        interpreter = interpreter_of(f"{folder}/{who}.tflite", num_threads=1)
        interpreter.allocate_tensors()
        whole, alone = _two(interpreter, model if who == "plain" else None)
        works |= {f"{who} pixels": timed(whole), f"{who} invoke": timed(alone)}
    started = time.perf_counter()
    in_turn(works, 0)
    once = time.perf_counter() - started
    times = in_turn(works, max(FEWEST_ROUNDS, min(rounds, int(seconds / once))))
    found = {kind: versus(times[f"plain {kind}"], times[f"ours {kind}"], "ms", 1e3) for kind in ("pixels", "invoke")}
    sys.stdout.write(json.dumps(found))


def _two(interpreter: Any, preprocessed_as: str | None) -> tuple[Callable[[], None], Callable[[], None]]:
    """Returns two functions to time: all steps from a picture's pixels, and only the interpreter on a ready tensor."""
    entry = interpreter.get_input_details()[0]
    pixels = np.random.default_rng(0).integers(0, 256, entry["shape"], np.uint8)
    scale, zero_point = entry["quantization"]

    def whole() -> None:
        values: Any = pixels
        if preprocessed_as:
            values = preprocess(preprocessed_as, values)
            if scale:
                # This is the code of TensorFlow's guide to integer quantization.
                values = values / scale + zero_point
        interpreter.set_tensor(entry["index"], values.astype(entry["dtype"], copy=False))
        interpreter.invoke()

    return whole, interpreter.invoke


if __name__ == "__main__":
    if "--export" in sys.argv:
        _export(*sys.argv[2:5])
    elif "--time" in sys.argv:
        _time(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), *sys.argv[5:7])
    else:
        script.run(main)
