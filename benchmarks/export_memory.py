"""Measures peak memory and time of exporting a model in each mode, with our exporter and with the plain converter.

    python benchmarks/export_memory.py vgg16            # needs about 10 GB and ten minutes
    python benchmarks/export_memory.py vgg16 --modes none,int8 --ways 'ours,on disk,plain'
    python benchmarks/export_memory.py mobilenet_v2 --modes none,int8

Each export runs in a new process that builds the model first. The peak is that of the process and its children
together, TensorFlow included: the proportional set size, sampled ten times a second.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from bench.processes import peak_of_family
from bench.script import benchmark, say
from tables import markdown_table
from zoo.cli.types import words
from zoo.export.options import MODES

WAYS = ("ours", "on disk", "in memory", "plain")
"""The exporter as `zoo build` uses it; each of its two other ways for the whole model; TensorFlow's converter alone."""


def table(result: dict[str, Any]) -> str:
    """Shows peak memory and time of exports."""
    by_mode: dict[str, list[dict[str, Any]]] = {}
    for row in result["rows"]:
        by_mode.setdefault(row["mode"], []).append(row)
    ways = ["plain converter" if row["way"] == "plain" else row["way"] for row in next(iter(by_mode.values()))]
    columns = (result["model"], *(f"{way}: {what}" for way in ways for what in ("peak memory", "time")))
    rows = [
        (f"`{mode}`", *(text for row in of for text in (f"{row['peak_gb']:.1f} GB", f"{row['seconds']:.0f} s")))
        for mode, of in by_mode.items()
    ]
    return markdown_table(columns, rows)


@benchmark(table)
@click.argument("model", default="vgg16")
@click.option("--modes", type=words(*MODES), metavar="NAMES", default=",".join(MODES), show_default=True)
@click.option("--ways", type=words(*WAYS), metavar="NAMES", default="ours,plain", show_default=True)
def main(model: str, modes: tuple[str, ...], ways: tuple[str, ...]) -> dict[str, Any]:
    """Measures a row for each mode and exporter; the exit code is 1 if an export fails."""
    rows: list[dict[str, Any]] = []
    for mode in modes:
        for way in ways:
            rows.append({"mode": mode, "way": way, **export(model, mode, way)})
            say(f"{model} {mode} {way}: {rows[-1]['peak_gb']:.1f} GB, {rows[-1]['seconds']:.0f} s")
    failed = [f"{row['mode']} {row['way']} ended with exit code {row['rc']}" for row in rows if row["rc"]]
    return {"model": model, "rows": rows} | ({"problems": failed} if failed else {})


def export(model: str, mode: str, way: str) -> dict[str, Any]:
    """Exports once, in the current process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--worker", model, mode, way, folder]
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peak = peak_of_family(process)
        seconds = time.perf_counter() - started
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
    return {"peak_gb": peak / 1e9, "seconds": seconds, "bytes": size, "rc": process.returncode}


def _worker(name: str, mode: str, way: str, folder: str) -> None:
    import zoo
    from zoo.export import to_tflite
    from zoo.export.checking.calibration import synthetic
    from zoo.export.tflite import converter, dense
    from zoo.system.heap import keep_no_pool

    if way != "plain":
        keep_no_pool()
    model = zoo.build(name)
    path = Path(folder) / "model.tflite"
    if way == "plain":
        path.write_bytes(_plain(model, mode, synthetic(model.input_shape[1:]).inputs))
        return
    if way == "in memory":
        converter.LARGE_BYTES = 1 << 60
    if way == "on disk":
        dense.LEAST_BYTES = 1 << 60
    to_tflite(model, path, quantize=mode)


def _plain(model: object, mode: str, inputs: object) -> bytes:
    """Exports as most tutorials do."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if mode != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if mode == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if mode in {"int8", "int16x8"}:
        converter.representative_dataset = lambda: ([x[None]] for x in inputs)  # type: ignore[attr-defined]
        ops = tf.lite.OpsSet
        converter.target_spec.supported_ops = [
            ops.TFLITE_BUILTINS_INT8
            if mode == "int8"
            else ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
    return bytes(converter.convert())


if __name__ == "__main__":
    if "--worker" in sys.argv:
        _worker(*sys.argv[2:6])
    else:
        main()
