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

from bench.cells import between, bits, ratio_text
from bench.script import benchmark
from bench.turns import loaded, spread, versus
from tables import markdown_table
from zoo.cli.output import megabytes
from zoo.cli.types import number_pair

MODES = ("none", "int8")
RUNTIMES = {"litert": "tflite", "onnxruntime": "onnx", "openvino": "tflite"}
"""The runtimes, each with the format of the file that it runs."""
NAMES = {"litert": "LiteRT, `.tflite`", "onnxruntime": "ONNX Runtime, `.onnx`", "openvino": "OpenVINO, `.tflite`"}
BESIDE = "litert"


def table(result: dict[str, Any]) -> str:
    """Shows the time of each runtime, and its ratio to LiteRT's."""
    rows = [
        (
            f"{row['alpha']:g}/{row['size']}",
            bits(row["mode"]),
            NAMES[row["runtime"]],
            megabytes(row["bytes"]),
            between(row["ms"], "ms"),
            "" if row["runtime"] == BESIDE else ratio_text(row),
        )
        for row in result["rows"]
    ]
    return markdown_table(("alpha/size", "mode", "runtime", "file", "a run", "LiteRT / it"), rows)


@benchmark(table)
@click.option("--model", "models", type=number_pair, metavar="ALPHA,SIZE", multiple=True, default=("0.35,96", "1,224"))
@click.option("--runs", type=click.IntRange(min=3), default=60, show_default=True)
def main(models: tuple[tuple[float, float], ...], runs: int) -> dict[str, Any]:
    """Exports the files, times them in turn, and returns a row for each model, mode and runtime."""
    return {"rows": [row for alpha, size in models for row in timed(alpha, int(size), runs)]}


def timed(alpha: float, size: int, runs: int) -> list[dict[str, Any]]:
    """Returns the rows of a model: the time of a run by mode and runtime, in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        files = exported(alpha, size, Path(folder))
        records = {
            key: candidate.record
            for key, candidate in loaded(
                {(mode, runtime): (files[mode, form], runtime) for mode in MODES for runtime, form in RUNTIMES.items()},
                runs,
            ).items()
        }
    return [
        {
            "alpha": alpha,
            "size": size,
            "mode": mode,
            "runtime": runtime,
            "bytes": record.size_bytes,
            "ms": spread(record.seconds, 1e3),
            **versus(records[mode, BESIDE].seconds, record.seconds, "ms", 1e3),
        }
        for (mode, runtime), record in records.items()
    ]


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
    main()
