"""Exports a trained model, and measures each file on the held-out files with the runner that a board uses."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.benchmark.interleave import Candidate, time_runs
from zoo.export.describe import add_to_card
from zoo.export.options import ExportOptions, Quantize
from zoo.export.tflite import to_tflite
from zoo.files import atomic
from zoo.inputs import seen
from zoo.inputs.labelled import Labelled
from zoo.progress import SILENT, Progress
from zoo.quiet import quiet
from zoo.runner import Predictor
from zoo.runner.evaluate import evaluate
from zoo.text import to_json
from zoo.training.readme import FILES, write_card

if TYPE_CHECKING:
    from zoo.data import Data
    from zoo.training import TrainResult

LATENCY_RUNS = 30


def export_run(
    result: TrainResult,
    quantize: Sequence[Quantize] = ("none", "int8"),
    options: ExportOptions | None = None,
    *,
    progress: Progress = SILENT,
    **changes: Any,
) -> list[dict[str, Any]]:
    """Exports a trained model into its run's folder and adds the results to the folder's model card.

    int8 is calibrated on training files. Every file classifies all held-out files, which the runner reads.

    Args:
        result: of `zoo.train` or `zoo.training.resume`.
        quantize: one file for each mode.
        options: what all files have in common; the mode is that of `quantize`, the resize policy that of the training.
        progress: is told each step.
        **changes: fields of `ExportOptions` that win over `options`: `target`, `io`, `min_agreement`...

    Returns:
        For Keras and for each file: `file`, `mode`, `bytes`, `split`, `count`, `accuracy`, `latency_ms`, `runtime`.

    Raises:
        ExportError, OptionError: see `ExportOptions.in_modes`; nothing was exported.
        ExportError, VerificationError: see `to_tflite`; files that were exported before stay.
    """
    wanted = (options or ExportOptions()).in_modes(quantize, **changes)
    data, folder = result.data, result.folder
    split = result.metrics["split"]
    source = data.sources[split]
    held_out = [Labelled(path, data.class_names[i]) for path, i in zip(source.paths, source.labels, strict=True)]
    model = result.model
    rows = [
        {
            "file": "model.keras",
            "mode": "keras",
            "bytes": (folder / "model.keras").stat().st_size,
            "accuracy": result.accuracy,
            "latency_ms": _keras_latency(model, data),
            "runtime": "tensorflow",
        }
    ]
    facts = {
        "weights_from": "trained",
        "began_with": result.began_with,
        "trained_on": len(data.sources["train"]),
        seen.FIELD: seen.for_card(data.report.contents),
    }
    seen.write(folder, data.report.contents)
    for one in wanted:
        progress.step(f"exporting {one.quantize}")
        report = to_tflite(
            model,
            folder / f"{model.name}{one.mode.suffix}.tflite",
            one,
            calibration=data.sample(one.calibration_samples),
            labels=data.class_names,
            preprocessing=data.preprocessing,
            facts=facts,
        )
        with quiet():
            predictor: Predictor[Any] = Predictor(report.path)
            candidate = Candidate(report.path, predictor.session.runtime, 1, None, trusted=True)
        time_runs([candidate], LATENCY_RUNS, 5)
        accuracy = evaluate(predictor, held_out, progress=progress).score
        add_to_card(report.path, accuracy=accuracy, accuracy_on={"split": split, "count": len(held_out)})
        rows.append(
            {
                "file": report.path.name,
                "mode": one.quantize,
                "bytes": report.path.stat().st_size,
                "accuracy": accuracy,
                "latency_ms": 1e3 * statistics.median(candidate.record.seconds),
                "runtime": f"{predictor.session.runtime}, 1 thread",
            }
        )
    rows = [{**row, "split": split, "count": len(held_out)} for row in rows]
    with atomic(folder / FILES) as scratch:
        scratch.write_text(to_json(rows, indent=1) + "\n", encoding="utf-8")
    write_card(folder)
    return rows


def _keras_latency(model: Any, data: Data) -> float:
    """Measures the median time of one input through the model as a compiled graph, in milliseconds."""
    import tensorflow as tf

    call = tf.function(lambda inputs: model(inputs, training=False))
    inputs = tf.constant(np.asarray(data.sample(1), np.float32))
    call(inputs)
    seconds = []
    for _ in range(LATENCY_RUNS):
        started = time.perf_counter()
        np.asarray(call(inputs))
        seconds.append(time.perf_counter() - started)
    return 1e3 * statistics.median(seconds)
