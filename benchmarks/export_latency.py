"""Compares our files with those of a user's own conversion, on both runtimes.

    python benchmarks/export_latency.py                          # all models, float and int8
    python benchmarks/export_latency.py --models alexnet

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
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench.cells import sides
from bench.processes import PACKAGES, output
from bench.script import benchmark, runtimes, say
from bench.turns import in_turn, rounds_within, timed, versus
from tables import markdown_table
from zoo.cli.output import megabytes
from zoo.cli.types import words

MODELS = ("mobilenet_v2", "alexnet", "vgg16", "lenet", "conv1d")
MODES = ("none", "int8")
APPLICATIONS = {"mobilenet_v2": ("mobilenet_v2", "MobileNetV2"), "vgg16": ("vgg16", "VGG16")}
"""Module and function in keras.applications for each of our models."""
ROUNDS = 40
"""The most rounds of each pair."""
SIDES = (("", "ours"), ("plain_", "plain"))


def table(result: dict[str, Any]) -> str:
    """Compares our files with a user's own conversion."""
    columns = (
        "model", "mode", "runtime", "beside", "pixels to scores: it", "ours", "it / ours", "invoke alone: it", "ours",
        "it / ours", "its size", "our size",
    )  # fmt: skip
    rows = [
        (
            *(row[key] for key in ("model", "mode", "runtime", "beside")),
            *sides(row["pixels"]),
            *sides(row["invoke"]),
            megabytes(row["plain_bytes"]),
            megabytes(row["bytes"]),
        )
        for row in result["rows"]
    ]
    return markdown_table(columns, rows)


@benchmark(table)
@click.option("--models", type=words(*MODELS), metavar="NAMES", default="mobilenet_v2,alexnet,vgg16", show_default=True)
@click.option("--seconds", type=click.FloatRange(min=0.1), default=10, show_default=True, help="Of each pair, at most.")
def main(models: tuple[str, ...], seconds: float) -> dict[str, Any]:
    """Exports the files and times them."""
    pythons, rows = runtimes(), []
    for model, mode in itertools.product(models, MODES):
        with tempfile.TemporaryDirectory() as folder:
            say(f"exporting {model} {mode}")
            export = [sys.executable, __file__, "--export", model, mode, folder]
            subprocess.run(export, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            row = {"model": model, "mode": mode}
            sizes = {f"{who}bytes": Path(folder, f"{name}.tflite").stat().st_size for who, name in SIDES}
            for runtime, python in pythons.items():
                say(f"timing {model} {mode} on {runtime}")
                found = output([python, __file__, "--time", runtime, str(seconds), folder, model])
                beside = "keras.applications" if model in APPLICATIONS else "the Keras graph"
                rows.append({**row, "runtime": runtime, "beside": beside, **sizes, **found})
    return {"rows": rows}


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


def _time(runtime: str, seconds: float, folder: str, model: str) -> None:
    """Times files in the runtime's own environment, which may have the other runtime, too."""
    interpreter_of = importlib.import_module(f"{PACKAGES[runtime]}.interpreter").Interpreter
    works: dict[str, Callable[[], float]] = {}
    for who in ("plain", "ours"):
        interpreter = interpreter_of(f"{folder}/{who}.tflite", num_threads=1)
        interpreter.allocate_tensors()
        whole, alone = _two(interpreter, model if who == "plain" else None)
        works |= {f"{who} pixels": timed(whole), f"{who} invoke": timed(alone)}
    times = in_turn(works, rounds_within(works, seconds, ROUNDS))
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
        _time(sys.argv[2], float(sys.argv[3]), *sys.argv[4:6])
    else:
        main()
