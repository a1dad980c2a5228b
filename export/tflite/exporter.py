"""Exports a Keras model to a `.tflite` file; every export goes through `to_tflite`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.compress.baking import bake
from zoo.export.checking import diagnosis, fragile, remedies
from zoo.export.checking.calibration import Array, as_lowered
from zoo.export.checking.cautions import cautions, told
from zoo.export.checking.checks import check_file
from zoo.export.checking.judging import FileJudge, by_agreement
from zoo.export.checking.verify import Verification, runtime_for
from zoo.export.describe import add_to_card, check_labels, describe, output_names
from zoo.export.detectors import heads_of
from zoo.export.lower import grouped
from zoo.export.lower.lowering import lower
from zoo.export.options import AUTO, ExportOptions, Quantize
from zoo.export.preparing import Prepared, prepare
from zoo.export.tflite import edgetpu, learnt
from zoo.export.tflite.box_range import with_box_range
from zoo.export.tflite.converter import convert
from zoo.export.tflite.entry import Entry, is_meant, with_entry
from zoo.export.tflite.naming import LayerNames
from zoo.export.tflite.nms import append
from zoo.export.tflite.order import with_output_names, with_tail_last
from zoo.export.tflite.settings import Settings
from zoo.files.writing import atomic, temporary
from zoo.graph import scaling_of
from zoo.progress import SILENT, Progress
from zoo.runner.loading import known
from zoo.tasks import Task
from zoo.tflite import edgetpu as edgetpu_rules
from zoo.tflite import modelfile
from zoo.tflite.edgetpu import EdgeTpuReport

if TYPE_CHECKING:
    import keras


NOT_JUDGED = "the answers were compared with Keras', and not judged: nothing separates those of random weights"


@dataclass(frozen=True)
class ExportReport:
    """The result of an export."""

    path: Path
    quantize: Quantize
    bytes: int
    seconds: float
    """Time of conversion and verification."""
    verification: Verification | None
    """The comparison with Keras; None if `verify_file` was False."""
    trained: bool
    """Whether the model is trained; False if the weights are those of a new build."""
    notes: tuple[str, ...]
    """Notes for the user, one line each."""
    card: dict[str, Any]
    """The card that is embedded in the file."""
    edgetpu: EdgeTpuReport | None = None
    compiled: Path | None = None
    """The file that was compiled for the Edge TPU, if the compiler is installed."""

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        return {
            "path": str(self.path),
            "quantize": self.quantize,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "trained": self.trained,
            "notes": list(self.notes),
            "verification": self.verification.as_dict() if self.verification else None,
            "edgetpu": self.edgetpu.as_dict() if self.edgetpu else None,
            "compiled": str(self.compiled) if self.compiled else None,
        }


def to_tflite(
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
    """Writes a checked, self-describing `.tflite` file.

    The file takes raw pixels 0..255: float32, or uint8 in int8 files, in which the first layer's scaling costs
    nothing, because the input's scale and zero point express it.

    Args:
        model: a Keras model from pixels `(batch, height, width, channels)`, or values of another shape, to the
            outputs of the task: for classification, scores `(batch, classes)`; for detection, coded boxes
            `(batch, anchors, 4)` and scores `(batch, anchors, classes)`. `zoo.export.lower.plain` says what it may be.
        path: of the file; replaced whole or not at all.
        options: what the file is to be like; by default `ExportOptions()`.
        calibration: for int8 and int16x8: a folder of pictures (of class folders, or with labelled boxes), a `.npy`
            file, or an array `(count, ...)` of raw pixels or values. Other modes use it for the check.
        labels: one a class, or the path of a text file with one a line. By default those that a detector carries, the
            class folders of `calibration` where their number fits, ImageNet's names for a trained model of 1000
            classes, else `class_0..`.
        task: what the model is for; it says which outputs are right, what they are called, and what agreement is. By
            default detection for a model that carries anchors, else classification.
        facts: more for the card, e.g. `{"options": {...}, "license": "CC-BY-4.0"}`.
        judge: decides whether the finished file is kept; by default its agreement with the model does.
        progress: is told each step.
        **changes: fields of `ExportOptions` that win over `options`: `quantize="int8"`, `target="litert"`...

    Raises:
        ExportError: the options do not fit together, the model cannot be converted, or the target cannot load
            the result.
        OptionError: there is no such option.
        VerificationError: the file disagrees with the model; nothing is left at `path`.
        InputError: labels or calibration data do not fit.
        OutputError: the file cannot be written.
    """
    path, started = Path(path), time.perf_counter()
    options = (options or ExportOptions()).change(**changes)
    prepared = prepare(model, options, calibration=calibration, labels=labels, task=task, progress=progress)
    model, task, examples, trained = prepared.model, prepared.task, prepared.examples, prepared.trained
    pixels, names, notes = prepared.pixels, prepared.labels, prepared.notes
    made, options, asked = _settled(prepared, facts or {}, progress)
    description = describe(model, options, names, trained=trained, facts=facts or {}, task=task)
    description.card.update(learnt.facts(model, options, examples.calibration))
    weakness = fragile.warning_for(model, options.quantize, task)
    progress.step(f"converting ({options.quantize})")
    with told(cautions(facts or {}, options.quantize)) as warnings:
        flatbuffer, entry = _convert(made, task, options, examples.calibration.inputs, progress, pixels=pixels)
        notes += _cost(flatbuffer, made, task, options, examples.calibration.inputs, pixels=pixels)
    notes += [*(warnings or filter(None, [weakness])), *grouped.notes(model, options)]
    with atomic(path) as scratch:
        scratch.write_bytes(description.announce(flatbuffer))
        flatbuffer = flatbuffer if options.nms == "file" else b""
        tpu = check_file(modelfile.read(scratch), options, entry, LayerNames(model))
        verification = None
        if options.verify_file:
            progress.step("checking the file against Keras")
            verification = replace(prepared.verified(scratch, options), asked=asked, weakness=weakness)
            notes += verification.doubts
        if options.nms == "file":
            inputs = examples.check.inputs if options.verify_file else None
            description = append(
                scratch, flatbuffer, description, target=options.tflite_target, inputs=inputs, asked=asked
            )
            tpu = tpu and edgetpu_rules.report(modelfile.read(scratch))
        card = description.append(scratch, verification=verification.as_dict() if verification else "declined")
        verdict = judge(scratch, verification, options)
        notes += verdict.notes
        if verdict.facts:
            card = add_to_card(scratch, **verdict.facts)
        size = scratch.stat().st_size
    known.remember_made(path)
    compiled = edgetpu.compile_beside(path, description, notes, progress) if tpu else None
    if verification and not verification.asked:
        notes.append(NOT_JUDGED)
    seconds = time.perf_counter() - started
    return ExportReport(path, options.quantize, size, seconds, verification, trained, tuple(notes), card, tpu, compiled)


def _settled(prepared: Prepared, facts: dict[str, Any], progress: Progress) -> tuple[keras.Model, ExportOptions, float]:
    """Returns what is converted, the options with the layers that stay float, and the agreement asked for; adds notes.

    Raises:
        VerificationError: no choice of layers brings that agreement.
    """
    model, task, options, examples = prepared.model, prepared.task, prepared.options, prepared.examples
    asked = prepared.asked(facts)
    made = remedies.equalized(model, options, examples.calibration.inputs, prepared.notes)
    whole = LayerNames(made).whole
    if options.keep_float != AUTO:
        return made, options.change(keep_float=tuple(dict.fromkeys(map(whole, options.keep_float)))), asked
    plain_int8 = options.change(keep_float=())
    classes = task.classes([tuple(output.shape) for output in model.outputs])
    described = describe(model, plain_int8, check_labels(None, classes), trained=prepared.trained, facts={}, task=task)

    def share(layers: Sequence[str]) -> float:
        chosen = plain_int8.change(keep_float=tuple(layers))
        flatbuffer, _ = _convert(made, task, chosen, examples.calibration.inputs, pixels=prepared.pixels)
        with temporary() as folder:
            path = folder / "tried.tflite"
            path.write_bytes(described.announce(flatbuffer))
            return prepared.verified(path, chosen, []).agreement.share

    progress.step("measuring what each layer loses")
    found = diagnosis.ranked(made, task, examples.calibration.inputs, options)
    ranked = [tuple(dict.fromkeys(map(whole, together))) for together in found]
    kept, why = remedies.fewest(ranked, share, asked, progress)
    prepared.notes.append(why)
    return made, options.change(keep_float=kept), asked


def _cost(
    flatbuffer: bytes, model: keras.Model, task: Task[Any], options: ExportOptions, inputs: Array, *, pixels: bool
) -> list[str]:
    """Returns what the layers that stay float cost, in a note; nothing where there are none."""
    if not options.keep_float:
        return []
    whole, _ = _convert(model, task, options.change(keep_float=()), inputs, pixels=pixels)
    return [remedies.cost(flatbuffer, whole, options, runtime_for(options.target))]


def _convert(
    model: keras.Model,
    task: Task[Any],
    options: ExportOptions,
    inputs: Array,
    progress: Progress = SILENT,
    *,
    pixels: bool,
) -> tuple[bytes, Entry | None]:
    """Returns the flatbuffer, and what its input has to be where it stores pixels as bytes."""
    scaling, entry = None, None
    if options.ends != "float32" and pixels:
        scaling = scaling_of(model)
        if scaling and not scaling.is_carried:
            scaling = None
        entry = Entry.of_pixels(scaling, options.ends)
    is_learnt = learnt.is_learnt(model, options)
    lowered = lower(
        bake(model) if is_learnt else model,
        batch=options.batch,
        split_groups=options.split_groups,
        whole_split=options.target == "edgetpu",
        unroll=options.mode.integer,
        strip_scaling=scaling is not None,
        logits=options.logits,
    )
    settings = Settings(
        options.quantize,
        options.output_type,
        options.dense_per_channel,
        options.ends,
        options.calibration_method,
        tuple(options.keep_float),
        options.per_tensor,
    )
    samples = None
    if is_learnt:
        settings = replace(settings, dense_per_channel=False, learnt=True)
    elif options.mode.calibrated:
        samples = as_lowered(inputs, scaling) if pixels else inputs
    flatbuffer = convert(lowered, settings, samples, progress)
    if entry and not is_meant(flatbuffer, entry):
        if entry.io != "uint8":  # only behind a uint8 input is a QUANTIZE, which converts from the meant scale
            flatbuffer = convert(lowered, replace(settings, input_io="uint8"), samples, progress)
        flatbuffer = with_entry(flatbuffer, entry)
    if len(model.outputs) > 1:
        flatbuffer = with_tail_last(with_output_names(flatbuffer, output_names(model)))
    heads = heads_of(task)
    return with_box_range(flatbuffer, heads.boxes) if heads and not is_learnt else flatbuffer, entry
