"""Exports a Keras model to a `.tflite` file; every export goes through `to_tflite`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ExportError
from zoo.export import edgetpu
from zoo.export.calibration import (
    VERIFY_INPUTS,
    Array,
    Calibration,
    Progress,
    as_lowered,
    class_names,
    find_examples,
)
from zoo.export.checks import check_file, require_agreement
from zoo.export.converter import Settings, convert
from zoo.export.describe import SelfDescription, check_labels, describe
from zoo.export.lowering import Scaling, check_exportable, lower, scaling_of, with_scaling
from zoo.export.options import ExportOptions, Quantize
from zoo.export.verify import Verification, verify
from zoo.files import atomic
from zoo.inputs.preprocessing import is_picture
from zoo.runner import known
from zoo.tasks import Task
from zoo.tasks.classification import CLASSIFICATION
from zoo.tflite import modelfile
from zoo.tflite.edgetpu import EdgeTpuReport
from zoo.tflite.metadata import without_files
from zoo.weights import is_untrained

if TYPE_CHECKING:
    import keras


NOT_JUDGED = "the classes were compared with Keras', and not judged: nothing separates those of random weights"


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
    labels: Sequence[str] | None = None,
    task: Task[Any] = CLASSIFICATION,
    facts: dict[str, Any] | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> ExportReport:
    """Writes a checked, self-describing `.tflite` file.

    The file takes raw pixels 0..255: float32, or uint8 in int8 files, in which the first layer's scaling costs
    nothing, because the input's scale and zero point express it.

    Args:
        model: a functional model from pixels `(batch, height, width, channels)`, or values of another shape, to
            the outputs of the task: for classification, scores `(batch, classes)`.
        path: the path of the file, which is written whole or not at all.
        options: the options of the export; by default `ExportOptions()`.
        calibration: the examples for int8 and int16x8: a folder of pictures (of class folders), a `.npy` file, or an
            array `(count, ...)` of raw pixels or values. Other modes use it for the check.
        labels: one label for each class. By default the class folders of `calibration` if their number fits, ImageNet's
            names for a trained model of 1000 classes, otherwise `class_0..`.
        task: the task of the model, which defines its outputs, their names, and the agreement with Keras.
        facts: more fields for the card, e.g. `{"options": {...}, "license": "CC-BY-4.0"}`.
        progress: a function that is called with a few words about the progress.
        **changes: fields of `ExportOptions` that replace those of `options`: `quantize="int8"`, `target="litert"`...

    Raises:
        ExportError: the options do not fit together, the model cannot be converted, or the target cannot load
            the result.
        OptionError: there is no such option.
        VerificationError: the file disagrees with the model; nothing is left at `path`.
        InputError: labels or calibration data do not fit.
        OutputError: the file cannot be written.
    """
    path, started, say = Path(path), time.perf_counter(), progress or (lambda _: None)
    options = (options or ExportOptions()).change(**changes)
    if options.input_range is not None:
        model = with_scaling(model, Scaling.for_range(options.input_range), task)
    shape = check_exportable(model, task)
    pixels, trained = is_picture(shape), not is_untrained(model)
    examples, notes = find_examples(calibration, shape, options, trained=trained, progress=progress)
    names = _labels(model, labels, calibration, trained, task, notes)
    if pixels and scaling_of(model) is None and options.input_range is None:
        notes.append(
            f"{model.name} does not begin with one scale for all channels; the file hands it pixels 0..255 as they "
            "are. If it was trained on scaled pixels, give their range (input_range, --input-range -1,1)"
        )
    description = describe(model, options, names, trained=trained, facts=facts or {}, task=task)
    if options.mode.calibrated:
        description.card["calibration"] = examples.manifest
    say(f"converting ({options.quantize})")
    flatbuffer = _convert(model, options, examples.inputs, say, pixels=pixels)
    with atomic(path) as scratch:
        scratch.write_bytes(description.announce(flatbuffer))
        del flatbuffer
        tpu = check_file(modelfile.read(scratch), options)
        verification = None
        if options.verify_file:
            say("checking the file against Keras")
            asked = options.asked_agreement(trained=trained)
            verification = replace(_verify(model, scratch, options, examples, task, pixels=pixels), asked=asked)
            require_agreement(verification, options.mode, path.name)
        card = description.append(scratch, verification=verification.as_dict() if verification else "declined")
        size = scratch.stat().st_size
    known.remember_made(path)
    compiled = _compile(path, description, notes, say) if tpu else None
    if verification and not verification.asked:
        notes.append(NOT_JUDGED)
    seconds = time.perf_counter() - started
    return ExportReport(path, options.quantize, size, seconds, verification, trained, tuple(notes), card, tpu, compiled)


def _verify(
    model: keras.Model, path: Path, options: ExportOptions, examples: Calibration, task: Task[Any], *, pixels: bool
) -> Verification:
    """Compares the file with the model on the first examples."""
    reference = lower(model, batch=None, logits=True) if options.logits else model
    subset = Calibration(examples.inputs[:VERIFY_INPUTS], examples.manifest)
    return verify(reference, path, subset, pixels=pixels, target=options.target, task=task)


def _labels(
    model: keras.Model,
    labels: Sequence[str] | None,
    calibration: str | Path | Array | None,
    trained: bool,
    task: Task[Any],
    notes: list[str],
) -> list[str]:
    """Returns the labels to embed, and adds a note if they are the names of calibration's folders."""
    classes = task.classes([tuple(output.shape) for output in model.outputs])
    if labels is None and isinstance(calibration, str | Path) and Path(calibration).is_dir():
        folders = class_names(Path(calibration))
        if len(folders) == classes:
            labels = folders
            notes.append(f"labels: the folders of {calibration} in alphabetical order, as Keras numbers them")
    return check_labels(labels, classes, trained)


def _convert(model: keras.Model, options: ExportOptions, inputs: Array, say: Progress, *, pixels: bool) -> bytes:
    scaling = scaling_of(model) if options.ends != "float32" and pixels else None
    lowered = lower(
        model,
        batch=options.batch,
        split_groups=options.split_groups,
        strip_scaling=scaling is not None,
        logits=options.logits,
    )
    settings = Settings(options.quantize, options.ends, options.dense_per_channel)
    samples = None
    if options.mode.calibrated:
        samples = as_lowered(inputs, scaling) if pixels else inputs
    return convert(lowered, settings, samples, say)


def _compile(path: Path, description: SelfDescription, notes: list[str], progress: Progress) -> Path | None:
    """Runs the Edge TPU compiler, if it is installed, and adds labels and card to its file, too."""
    if not edgetpu.compiler():
        notes.append(edgetpu.missing_compiler(path))
        return None
    progress(f"running {edgetpu.COMPILER}")
    target = path.with_name(f"{path.stem}_edgetpu.tflite")
    try:
        with atomic(target) as scratch:
            edgetpu.compile_model(path, scratch)
            # The compiler may or may not keep the files behind a model, so they are removed and added again.
            scratch.write_bytes(description.announce(without_files(scratch.read_bytes())))
            description.append(scratch, compiled_for="edgetpu")
        known.remember_made(target)
    except ExportError as error:
        raise ExportError(f"{error}; {path} is the int8 file, not compiled") from error
    return target
