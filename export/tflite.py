"""Exports a Keras model to a `.tflite` file; every export goes through `to_tflite`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.compress.baking import bake
from zoo.export import diagnosis, edgetpu, fragile, grouped, holdout, learnt, remedies, teachable
from zoo.export.box_range import with_box_range
from zoo.export.calibration import Array, as_lowered, class_names
from zoo.export.cautions import cautions, told
from zoo.export.checks import check_file
from zoo.export.converter import Settings, convert
from zoo.export.describe import add_to_card, check_labels, describe, output_names
from zoo.export.detectors import heads_of, policy_of, task_of
from zoo.export.ending import as_task, notes_of
from zoo.export.entry import Entry, is_meant, with_entry
from zoo.export.holdout import Examples
from zoo.export.judging import FileJudge, by_agreement
from zoo.export.lowering import check_exportable, lower, with_preparation
from zoo.export.naming import LayerNames
from zoo.export.nms import append, check_detector
from zoo.export.options import AUTO, ExportOptions, Quantize
from zoo.export.order import with_output_names, with_tail_last
from zoo.export.plain import plain
from zoo.export.verify import Verification, runtime_for, verify
from zoo.files import atomic
from zoo.graph import scaling_of
from zoo.inputs.annotations import holds_boxes
from zoo.inputs.preprocessing import is_picture
from zoo.progress import SILENT, Progress
from zoo.runner import known
from zoo.tasks import Task
from zoo.tflite import edgetpu as edgetpu_rules
from zoo.tflite import modelfile
from zoo.tflite.edgetpu import EdgeTpuReport
from zoo.tflite.labels import named as named_by
from zoo.weights import is_untrained

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
            `(batch, anchors, 4)` and scores `(batch, anchors, classes)`. `zoo.export.plain` says what it may be.
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
    named = None if labels is None else named_by(labels)
    given, task, options, changes_made = _prepared(model, task, options)
    shape = check_exportable(given, task)
    model, task = as_task(given, task)
    pixels, trained = is_picture(shape), not is_untrained(model)
    is_learnt = learnt.is_learnt(model, options)
    examples, notes = holdout.find(calibration, shape, options, trained=trained, learnt=is_learnt, progress=progress)
    notes = [*changes_made, *notes]
    names = _labels(model, named, calibration, trained, task, notes)
    notes += notes_of(given, model, task, names)
    if pixels and scaling_of(model) is None and options.preparation is None:
        notes.append(
            f"{model.name} does not begin with one scale for all channels; the file hands it pixels 0..255 as they "
            "are. If its training prepared them outside of the model, say how (pixels, --pixels -1,1 or caffe, torch; "
            "0,255 if it did not)"
        )
    made, options, asked = _settled(model, task, options, examples, facts or {}, notes, progress, trained=trained)
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
            learned = names if trained and (options.mode.calibrated or examples.check.files) else []
            verification = _verify(model, scratch, options, examples, task, learned, pixels=pixels)
            verification = replace(verification, asked=asked, weakness=weakness)
            notes += verification.doubts
        if options.nms == "file":
            inputs = examples.check.inputs if options.verify_file else None
            description = append(scratch, flatbuffer, description, target=options.target, inputs=inputs, asked=asked)
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


def _prepared(
    model: keras.Model, task: Task[Any] | None, options: ExportOptions
) -> tuple[keras.Model, Task[Any], ExportOptions, list[str]]:
    """Returns the model as one that can be exported, its task, the options with those of the task, and notes.

    Raises:
        ExportError: the model cannot be rebuilt, or has no boxes for `nms="file"`.
    """
    model, notes = plain(model, options.input_size)
    options = teachable.with_its_range(model, options, notes)
    model = learnt.for_mode(model, options)
    task = task or task_of(model)
    if options.nms == "file":
        check_detector(task, model.name)
    options = options.change(preprocessing=options.preprocessing or policy_of(task))
    if options.preparation is not None:
        model = with_preparation(model, options.preparation, task)
    return model, task, options, notes


def _settled(
    model: keras.Model,
    task: Task[Any],
    options: ExportOptions,
    examples: Examples,
    facts: dict[str, Any],
    notes: list[str],
    progress: Progress,
    *,
    trained: bool,
) -> tuple[keras.Model, ExportOptions, float]:
    """Returns what is converted, the options with the layers that stay float, and the agreement asked for; adds notes.

    Raises:
        VerificationError: no choice of layers brings that agreement.
    """
    # A head that was never trained finds anything.
    asked = options.asked_agreement(trained=trained and facts.get("head") != "random", task=task.name)
    made = remedies.equalized(model, options, examples.calibration.inputs, notes)
    if options.keep_float != AUTO:
        return made, options, asked
    pixels = is_picture(tuple(model.inputs[0].shape[1:]))
    plain_int8 = options.change(keep_float=())
    classes = task.classes([tuple(output.shape) for output in model.outputs])
    described = describe(model, plain_int8, check_labels(None, classes), trained=trained, facts={}, task=task)

    def share(layers: Sequence[str]) -> float:
        chosen = plain_int8.change(keep_float=tuple(layers))
        flatbuffer, _ = _convert(made, task, chosen, examples.calibration.inputs, pixels=pixels)
        with tempfile.TemporaryDirectory(prefix="zoo-export-") as folder:
            path = Path(folder) / "tried.tflite"
            path.write_bytes(described.announce(flatbuffer))
            return _verify(model, path, chosen, examples, task, [], pixels=pixels).agreement.share

    progress.step("measuring what each layer loses")
    ranked = diagnosis.ranked(made, task, examples.calibration.inputs, options)
    kept, why = remedies.fewest(ranked, share, asked, progress)
    notes.append(why)
    return made, options.change(keep_float=kept), asked


def _cost(
    flatbuffer: bytes, model: keras.Model, task: Task[Any], options: ExportOptions, inputs: Array, *, pixels: bool
) -> list[str]:
    """Returns what the layers that stay float cost, in a note; nothing where there are none."""
    if not options.keep_float:
        return []
    whole, _ = _convert(model, task, options.change(keep_float=()), inputs, pixels=pixels)
    return [remedies.cost(flatbuffer, whole, options, runtime_for(options.target))]


def _verify(
    model: keras.Model,
    path: Path,
    options: ExportOptions,
    examples: Examples,
    task: Task[Any],
    labels: Sequence[str],
    *,
    pixels: bool,
) -> Verification:
    """Compares the file with the model on examples that it was not calibrated on; a trained one has `labels`."""
    reference = lower(model, batch=None, logits=True) if options.logits else model
    others = None
    if labels and options.mode.calibrated and heads_of(task) is None:
        others = holdout.unlike(examples.check, tuple(model.inputs[0].shape[1:]))
    found = verify(
        reference,
        path,
        examples.check,
        pixels=pixels,
        target=options.target,
        task=task,
        labels=labels,
        others=others,
    )
    return replace(found, held_out=examples.held_out or not options.mode.calibrated or learnt.is_learnt(model, options))


def _labels(
    model: keras.Model,
    labels: Sequence[str] | None,
    calibration: str | Path | Array | None,
    trained: bool,
    task: Task[Any],
    notes: list[str],
) -> list[str]:
    """Returns the labels to embed, and adds a note if they are the names of calibration's folders."""
    from zoo.models.anchored import labels_of

    classes = task.classes([tuple(output.shape) for output in model.outputs])
    if labels is None and len(own := labels_of(model)) == classes:
        labels = own
    if labels is None and isinstance(calibration, str | Path) and Path(calibration).suffix != ".npy":
        labelled = holds_boxes(calibration)
        folders = class_names(Path(calibration)) if labelled or heads_of(task) is None else []
        if len(folders) == classes:
            labels = folders
            order = "their own order" if labelled else "alphabetical order, as Keras numbers them"
            notes.append(f"labels: the classes of {calibration} in {order}")
    return check_labels(labels, classes, trained)


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
