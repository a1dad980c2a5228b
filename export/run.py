"""Exports a trained model, and measures each file on the held-out files with the runner that a board uses."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.benchmark.interleave import Candidate, time_runs
from zoo.errors import ExportError, ZooError
from zoo.export.checking.calibration import MIN_SAMPLES, VERIFY_INPUTS
from zoo.export.checking.judging import ByScore
from zoo.export.describe import check_labels
from zoo.export.detectors import task_of
from zoo.export.formats import writer
from zoo.export.lower.lowering import check_exportable
from zoo.export.lower.plain import plain
from zoo.export.options import ExportOptions, Quantize
from zoo.export.run_facts import SCORE_FACTS, on_card
from zoo.export.tfjs.run import MODE, require_layers, write_layers
from zoo.export.tflite.exporter import ExportReport
from zoo.export.tflite.learnt import is_learnt
from zoo.files.writing import atomic
from zoo.inputs import seen
from zoo.progress import SILENT, Progress
from zoo.runner.loading.runtimes import find as find_runtime
from zoo.runner.loading.session import load
from zoo.system.quiet import quiet
from zoo.tasks.confidence import wilson
from zoo.text import to_json
from zoo.training.records.folder import read_run
from zoo.training.records.readme import FILES, write_card
from zoo.training.records.results import SETTINGS
from zoo.training.tasks import Tuning, task_named

if TYPE_CHECKING:
    import keras

    from zoo.data import Data
    from zoo.training import TrainResult

LATENCY_RUNS = 30


@dataclass(frozen=True)
class Failure:
    """A file that was not written."""

    mode: str
    """The quantization mode of the file; `tfjs` for a layers model of TensorFlow.js."""
    error: ZooError

    def as_dict(self) -> dict[str, str]:
        """Returns the values as JSON can hold them."""
        return {"mode": self.mode, "error": str(self.error)}


@dataclass(frozen=True)
class RunFiles:
    """The files of a run: those that are there, and those that could not be written."""

    rows: list[dict[str, Any]]
    """For Keras and for each file, see `export_run`."""
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]
    """What the user should know, one line each."""


def export_run(
    result: TrainResult,
    quantize: Quantize | Sequence[Quantize] = ("none", "int8"),
    options: ExportOptions | None = None,
    *,
    tfjs: bool = False,
    progress: Progress = SILENT,
    **changes: Any,
) -> list[dict[str, Any]]:
    """Exports a trained model into its run's folder and adds the results to the folder's model card.

    int8 is calibrated on training files. Every file is judged on all held-out files, which the runner reads; an
    approximate one is kept if it is about as good as Keras, see `zoo.export.checking.judging.ByScore`.

    Args:
        result: of `zoo.train` or `zoo.training.resume`.
        quantize: one file for each mode; a single mode may stand alone.
        options: what all files have in common; the mode is that of `quantize`, the resize policy that of the training.
        tfjs: whether a layers model of TensorFlow.js is written besides, see `zoo.export.to_tfjs`. It is read back and
            judged with Keras, so that it has no latency (None).
        progress: is told each step.
        **changes: fields of `ExportOptions` that win over `options`: `target`, `io`, `min_agreement`...

    Returns:
        For Keras and for each file: `file`, `mode`, `bytes`, `split`, `count`, `accuracy` (of a detector `map`),
        `interval` (None for a detector), `agreement`, `latency_ms`, `runtime`.

    Raises:
        ExportError, OptionError: see `ExportOptions.in_modes` and `require_exportable`; nothing was exported.
        ExportError, VerificationError: see `to_tflite`; all other files are written.
    """
    wanted = (options or ExportOptions()).in_modes(quantize, **changes)
    found = export_files(result, wanted, tfjs=tfjs, progress=progress)
    if found.failures:
        raise found.failures[0].error
    return found.rows


def require_exportable(model: keras.Model, data: Data, wanted: Sequence[ExportOptions], *, tfjs: bool = False) -> None:
    """Finds out what an export of a run would fail by, as far as it is known before the training.

    Args:
        model: the model; its weights do not matter.
        data: what it is to be trained on.
        wanted: the options of each file.
        tfjs: whether a layers model of TensorFlow.js is wanted.

    Raises:
        ExportError: the model cannot be exported, TensorFlow.js lacks a layer of it, or there are too few training
            files to calibrate on.
        InputError: a class's name is no label.
        MissingDependencyError: no runtime is installed that could check a file.
    """
    if tfjs:
        require_layers(model, data)
    if not wanted:
        return
    plain_model, _ = plain(model, wanted[0].input_size)
    check_exportable(plain_model, task_of(model))
    check_labels(data.class_names, len(data.class_names))
    find_runtime()
    count = len(data.sources["train"])
    for one in wanted:
        if not one.mode.calibrated or is_learnt(model, one) or min(count, one.calibration_samples) >= MIN_SAMPLES:
            continue
        if one.calibration_samples < MIN_SAMPLES:
            raise ExportError(f"calibration_samples={one.calibration_samples} is too few; give {MIN_SAMPLES} or more")
        raise ExportError(
            f"{one.quantize} measures the ranges of activations on at least {MIN_SAMPLES} training files, and there "
            f"are {count}; add files, or leave it out (--quantize none)"
        )


def export_files(
    result: TrainResult, wanted: Sequence[ExportOptions], *, tfjs: bool = False, progress: Progress = SILENT
) -> RunFiles:
    """Exports a trained model as `export_run` does; a file that cannot be written does not keep others from it.

    Raises:
        ExportError, InputError, MissingDependencyError: see `require_exportable`; nothing was exported.
        OutputError: the list of the files or the card cannot be written.
    """
    data, folder, model = result.data, result.folder, result.model
    require_exportable(model, data, wanted, tfjs=tfjs)
    split = result.metrics["split"]
    training = task_named(result.task)
    held_out = training.held_out(data, split)
    scores = {key: value for key, value in result.metrics.get("scores", {}).items() if key in SCORE_FACTS}
    judge = ByScore(held_out, split, result.score, training.monitor, scores, progress)
    rows = [_keras_row(result)]
    failures: list[Failure] = []
    notes: list[str] = []
    seen.write(folder, data.report.contents)
    facts = on_card(folder, read_run(folder), result.metrics)
    if isinstance(training, Tuning):
        note = training.on_settings(result.metrics.get(SETTINGS, {}))
        notes += [note] if note else []
    for one in wanted:
        progress.step(f"exporting {one.quantize}")
        try:
            report = writer(one.format)(
                model,
                folder / f"{model.name}{one.mode.suffix}.{one.format}",
                one,
                calibration=data.sample(one.calibration_samples + VERIFY_INPUTS),
                labels=data.class_names,
                preprocessing=data.preprocessing,
                facts=facts,
                judge=judge,
            )
            rows.append(_row(report, training.monitor))
            notes += report.notes
        except ZooError as error:
            failures.append(Failure(one.quantize, error))
    if tfjs:
        progress.step("exporting for TensorFlow.js")
        try:
            row, said = write_layers(result)
            rows.append(row)
            notes += said
        except ZooError as error:
            failures.append(Failure(MODE, error))
    with atomic(folder / FILES) as scratch:
        scratch.write_text(to_json(rows, indent=1) + "\n", encoding="utf-8")
    write_card(folder)
    return RunFiles(rows, tuple(failures), tuple(dict.fromkeys(notes)))


def _keras_row(result: TrainResult) -> dict[str, Any]:
    count, training = result.metrics["count"], task_named(result.task)
    return {
        "file": "model.keras",
        "mode": "keras",
        "bytes": (result.folder / "model.keras").stat().st_size,
        training.monitor: result.score,
        "interval": list(wilson(round(result.score * count), count)) if training.counts_files else None,
        "agreement": None,
        "latency_ms": _keras_latency(result.model, result.data),
        "runtime": "tensorflow",
        "split": result.metrics["split"],
        "count": count,
    }


def _row(report: ExportReport, name: str) -> dict[str, Any]:
    """Returns what the table says of a file, its score under this name; its latency is measured now."""
    with quiet():
        session = load(report.path)
        candidate = Candidate(report.path, session.runtime, 1, None, trusted=True)
    time_runs([candidate], LATENCY_RUNS, 5)
    verification = report.verification
    return {
        "file": report.path.name,
        "mode": report.quantize,
        "bytes": report.path.stat().st_size,
        name: report.card[name],
        "interval": report.card.get(f"{name}_interval"),
        "agreement": None if verification is None else verification.agreement.share,
        "latency_ms": 1e3 * statistics.median(candidate.record.seconds),
        "runtime": f"{session.runtime}, 1 thread",
        **report.card[f"{name}_on"],
    }


def _keras_latency(model: Any, data: Data) -> float:
    """Measures the median time of one input through the model as a compiled graph, in milliseconds."""
    import keras
    import tensorflow as tf

    call = tf.function(lambda inputs: model(inputs, training=False))
    inputs = tf.constant(np.asarray(data.sample(1), np.float32))
    call(inputs)
    seconds = []
    for _ in range(LATENCY_RUNS):
        started = time.perf_counter()
        keras.tree.map_structure(np.asarray, call(inputs))
        seconds.append(time.perf_counter() - started)
    return 1e3 * statistics.median(seconds)
