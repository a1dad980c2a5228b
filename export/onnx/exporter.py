"""Exports a Keras model to an `.onnx` file, checked against it in ONNX Runtime."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.compress.folding import fold_batch_norms
from zoo.errors import CompressionError, ExportError
from zoo.export.checking import fragile, remedies
from zoo.export.checking.calibration import Array
from zoo.export.checking.judging import FileJudge, by_agreement
from zoo.export.describe import describe, output_names, versions, without_places
from zoo.export.lower.lowering import lower
from zoo.export.onnx import float16 as onnx_float16
from zoo.export.onnx import graph as onnx_graph
from zoo.export.onnx import int8 as onnx_int8
from zoo.export.onnx import nms as onnx_nms
from zoo.export.onnx.options import LAYOUT, ONNX_MODES
from zoo.export.onnx.props import with_props
from zoo.export.options import ExportOptions
from zoo.export.preparing import Prepared, prepare
from zoo.export.tflite.exporter import NOT_JUDGED, ExportReport
from zoo.files.writing import atomic
from zoo.onnx import support
from zoo.onnx.card import read_props
from zoo.onnx.reading import outline
from zoo.onnx.targets import ONNX_TARGETS, TITLES
from zoo.progress import SILENT, Progress
from zoo.runner.loading import known
from zoo.tasks import Task
from zoo.text import finite

if TYPE_CHECKING:
    import keras


def to_onnx(
    model: keras.Model,
    path: str | Path,
    options: ExportOptions | None = None,
    *,
    calibration: str | Path | Array | None = None,
    labels: str | Path | Sequence[str] | None = None,
    task: Task[Any] | None = None,
    facts: dict[str, Any] | None = None,
    judge: FileJudge = by_agreement,
    progress: Progress = SILENT,
    **changes: Any,
) -> ExportReport:
    """Writes a checked, self-describing `.onnx` file of opset 13, with static shapes and a fixed batch.

    The file takes raw pixels 0..255 as float32 in every mode, `(batch, channels, height, width)` unless the layout is
    `nhwc`; the scaling is in its graph. Outputs are float32, and those of the model: of a detector coded boxes and
    scores. Labels and card are in its `metadata_props`, see `zoo.onnx.card`.

    Args:
        model: see `zoo.export.to_tflite`, as for all arguments that are not named here.
        path: of the file; replaced whole or not at all.
        options: what the file is to be like; by default `ExportOptions()`. Modes are `none`, `float16` and `int8`.
        calibration: for int8, and for the check in other modes.
        labels: one a class, or the path of a text file with one a line.
        task: what the model is for.
        facts: more for the card.
        judge: decides whether the finished file is kept.
        progress: is told each step.
        **changes: fields of `ExportOptions` that win over `options`: `layout="nhwc"`, `quantize="int8"`...

    Raises:
        ExportError: the options do not fit together, the model cannot be converted, or the target does not take it.
        MissingDependencyError: the extra `onnx` is not installed.
        OptionError: there is no such option.
        VerificationError: the file disagrees with the model; nothing is left at `path`.
        InputError: labels or calibration data do not fit.
        OutputError: the file cannot be written.
    """
    path, started = Path(path), time.perf_counter()
    onnx_graph.require_packages()
    options = (options or ExportOptions()).change(**{"format": "onnx", **changes})
    prepared = prepare(model, options, calibration=calibration, labels=labels, task=task, progress=progress)
    model, options, notes = prepared.model, prepared.options, prepared.notes
    if prepared.learnt:
        raise ExportError(
            f"{model.name} was trained for int8, and an .onnx file cannot hold the ranges that it has learnt; export "
            "its .tflite file, or .onnx without them (--quantize none)"
        )
    asked = prepared.asked(facts or {})
    description = describe(
        model, options, prepared.labels, trained=prepared.trained, facts=facts or {}, task=prepared.task
    )
    weakness = fragile.warning_for(model, options.quantize, prepared.task, ONNX_MODES)
    made = remedies.equalized(model, options, prepared.examples.calibration.inputs, notes)
    progress.step(f"converting ({options.quantize})")
    proto = _converted(made, prepared, progress)
    notes += filter(None, [weakness])
    card = description.card | {"format": "onnx", "opset": onnx_graph.OPSET} | _layout(prepared)
    if options.mode.calibrated:
        card["calibration"] = prepared.examples.calibration.manifest
    card["made_with"] = versions(*onnx_graph.PACKAGES)
    with atomic(path) as scratch:
        _write(proto, scratch, description.labels, card, description.custom)
        notes += _judged(scratch, options)
        verification = None
        if options.verify_file:
            progress.step("checking the file against Keras")
            verification = replace(prepared.verified(scratch, options), asked=asked, weakness=weakness)
            notes += verification.doubts
        metadata = description.custom
        card["verification"] = verification.as_dict() if verification else "declined"
        if options.nms == "file":
            inputs = prepared.examples.check.inputs if options.verify_file else None
            proto, added = onnx_nms.append(proto, scratch, prepared.task, inputs=inputs, asked=asked)
            card, metadata = card | added, {}
            _judged(scratch, options)
        card = _write(proto, scratch, description.labels, card, metadata)
        verdict = judge(scratch, verification, options)
        notes += verdict.notes
        if verdict.facts:
            card = _write(proto, scratch, description.labels, card | verdict.facts, metadata)
        size = scratch.stat().st_size
    known.remember_made(path)
    if verification and not verification.asked:
        notes.append(NOT_JUDGED)
    seconds = time.perf_counter() - started
    return ExportReport(path, options.quantize, size, seconds, verification, prepared.trained, tuple(notes), card)


def _converted(model: keras.Model, prepared: Prepared, progress: Progress) -> Any:
    """Returns the `onnx.ModelProto` of a model in its quantization mode."""
    options, inputs = prepared.options, prepared.examples.calibration.inputs
    try:
        folded = fold_batch_norms(model)
    except CompressionError:  # Keras cannot copy one of its layers
        folded = model
    lowered = lower(folded, batch=options.batch, direct_groups=True, unroll=True, logits=options.logits)
    outputs = ("logits",) if options.logits else output_names(model)
    first = _is_channels_first(prepared)
    proto = onnx_graph.convert(lowered, outputs, channels_first=first)
    if options.quantize == "float16":
        return onnx_float16.in_float16(proto)
    if options.quantize == "int8":
        return onnx_int8.in_int8(proto, inputs.transpose(0, 3, 1, 2) if first else inputs, options, progress)
    return proto


def _judged(path: Path, options: ExportOptions) -> list[str]:
    """Returns what is to be known of the target, one line each; without a target, which ones do not take the file.

    Raises:
        ExportError: the target does not take the file.
    """
    target = next((one for one in ONNX_TARGETS if one == options.target), None)
    if target is None:
        return support.refusals(path)
    return [f"{TITLES[target]}: {note}" for note in support.require(path, target).notes]


def _is_channels_first(prepared: Prepared) -> bool:
    return prepared.pixels and (prepared.options.layout or LAYOUT) == "nchw"


def _layout(prepared: Prepared) -> dict[str, Any]:
    """Returns what the card says of the axes of a picture; nothing for other inputs."""
    return {"layout": "nchw" if _is_channels_first(prepared) else "nhwc"} if prepared.pixels else {}


def _write(proto: Any, path: Path, labels: Sequence[str], card: dict[str, Any], metadata: Any) -> dict[str, Any]:
    """Writes a model with its labels and card, and returns the card as it is read again."""
    path.write_bytes(with_props(proto, finite(without_places(card)), labels, metadata))
    return read_props(outline.read_props(path), path).card
