"""Peak memory and time of exporting a model, mode by mode, ours beside the plain converter.

    python benchmarks/export_memory.py vgg16            # needs about 10 GB and ten minutes
    python benchmarks/export_memory.py mobilenet_v2 --modes none,int8

Each export runs in a fresh process that builds the model first. The peak is that of the process and its children
together, proportional set size sampled ten times a second, TensorFlow itself included.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import click

from zoo.cli.output import print_json, print_table
from zoo.cli.types import words
from zoo.export.quantize import MODES

WAYS = ("ours", "in memory", "plain")


@click.command()
@click.argument("model", default="vgg16")
@click.option("--modes", type=words(*MODES), default=",".join(MODES), show_default=True)
@click.option("--ways", type=words(*WAYS), default="ours,plain", show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(model: str, modes: tuple[str, ...], ways: tuple[str, ...], as_json: bool) -> None:
    """Prints a row for each mode and way."""
    results = []
    for mode in modes:
        for way in ways:
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, __file__, "--worker", model, mode, way, folder]
                started = time.perf_counter()
                process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                peak = _watch(process)
                size = sum(file.stat().st_size for file in Path(folder).iterdir())
            seconds = time.perf_counter() - started
            results.append(
                {
                    "mode": mode,
                    "way": way,
                    "peak_gb": peak / 1e9,
                    "seconds": seconds,
                    "bytes": size,
                    "rc": process.returncode,
                }
            )
            click.echo(f"{model} {mode} {way}: {peak / 1e9:.1f} GB, {seconds:.0f} s", err=True)
    if as_json:
        print_json(results)
        return
    rows = [
        (
            str(r["mode"]),
            str(r["way"]),
            f"{r['peak_gb']:.1f} GB",
            f"{r['seconds']:.0f} s",
            "" if r["rc"] == 0 else "FAILED",
        )
        for r in results
    ]
    print_table(("mode", "way", "peak memory", "time", ""), rows, left=("way",))


def _watch(process: subprocess.Popen[bytes]) -> int:
    peak = 0
    done = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not done.wait(0.1):
            peak = max(peak, sum(_pss(pid) for pid in _family(process.pid)))

    watcher = threading.Thread(target=sample)
    watcher.start()
    process.wait()
    done.set()
    watcher.join()
    return peak


def _family(pid: int) -> list[int]:
    """A process and all its descendants."""
    family = [pid]
    for member in family:
        try:
            for task in Path(f"/proc/{member}/task").iterdir():
                family += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return family


def _pss(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


def _worker(name: str, mode: str, way: str, folder: str) -> None:
    import zoo
    from zoo.export import convert, to_tflite
    from zoo.export.calibration import synthetic

    model = zoo.build(name)
    path = Path(folder) / "model.tflite"
    if way == "plain":
        path.write_bytes(_plain(model, mode, synthetic(model.input_shape[1:]).inputs))
        return
    if way == "in memory":
        convert.LARGE_BYTES = 1 << 60
    to_tflite(model, path, quantize=mode, verify_file=False)  # type: ignore[arg-type]


def _plain(model: object, mode: str, inputs: object) -> bytes:
    """What most tutorials do."""
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
