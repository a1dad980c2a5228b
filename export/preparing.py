"""Prepares what every export begins with, whatever the format: model, task, options, examples, labels, and notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.export.checking import holdout
from zoo.export.checking.calibration import Array, class_names
from zoo.export.checking.holdout import Examples
from zoo.export.checking.verify import Verification, verify
from zoo.export.describe import check_labels
from zoo.export.detectors import heads_of, policy_of, task_of
from zoo.export.lower import teachable
from zoo.export.lower.ending import as_task, notes_of
from zoo.export.lower.finite import require_finite
from zoo.export.lower.lowering import check_exportable, lower, with_preparation
from zoo.export.lower.names import require_names
from zoo.export.lower.plain import plain
from zoo.export.options import ExportOptions
from zoo.export.tflite import learnt
from zoo.export.tflite.nms import check_detector
from zoo.graph import scaling_of
from zoo.inputs.annotations import holds_boxes
from zoo.inputs.preprocessing import is_picture
from zoo.progress import SILENT, Progress
from zoo.tasks import Task
from zoo.tflite.labels import named as named_by
from zoo.weights import is_untrained

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class Prepared:
    """A model that is ready for conversion, and what goes with it."""

    model: keras.Model
    """The model as it is converted and compared, with raw pixels in."""
    task: Task[Any]
    options: ExportOptions
    """The options with those of the task."""
    shape: tuple[int, ...]
    """The shape of the input, without the batch."""
    trained: bool
    """Whether the weights are other than those of a new build."""
    learnt: bool
    """Whether the file's ranges are those that the model has learnt."""
    examples: Examples
    labels: list[str]
    notes: list[str]
    """What the user should know, one line each; the export adds to them."""

    @property
    def pixels(self) -> bool:
        """Whether the input is a picture."""
        return is_picture(self.shape)

    def asked(self, facts: dict[str, Any]) -> float:
        """Returns the least agreement that is asked for, 0..1; `facts` are those for the card."""
        # A head that was never trained finds anything.
        trained = self.trained and facts.get("head") != "random"
        return self.options.asked_agreement(trained=trained, task=self.task.name)

    def verified(self, path: Path, options: ExportOptions, labels: Sequence[str] | None = None) -> Verification:
        """Compares a file with the model on examples that it was not calibrated on.

        Args:
            path: the file.
            options: what it is like.
            labels: the names of the classes, of which a trained model's check says what casts doubt on it; None for
                those of the model where there are real examples.
        """
        model, task, examples = self.model, self.task, self.examples
        calibrated = options.mode.calibrated
        if labels is None:
            labels = self.labels if self.trained and (calibrated or examples.check.files) else []
        reference = lower(model, batch=None, logits=True) if options.logits else model
        others = None
        if labels and calibrated and heads_of(task) is None:
            others = holdout.unlike(examples.check, tuple(model.inputs[0].shape[1:]))
        found = verify(
            reference,
            path,
            examples.check,
            pixels=self.pixels,
            target=options.target,
            task=task,
            labels=labels,
            others=others,
        )
        return replace(found, held_out=examples.held_out or not calibrated or learnt.is_learnt(model, options))


def prepare(
    model: keras.Model,
    options: ExportOptions,
    *,
    calibration: str | Path | Array | None,
    labels: str | Path | Sequence[str] | None,
    task: Task[Any] | None,
    progress: Progress = SILENT,
) -> Prepared:
    """Prepares an export; the arguments are those of `zoo.export.to_tflite`.

    Raises:
        ExportError: the options do not fit the model, or it cannot be exported.
        InputError: labels or calibration data do not fit.
    """
    named = None if labels is None else named_by(labels)
    require_names(model)
    given, task, options, notes = _rebuilt(model, task, options)
    shape = check_exportable(given, task)
    require_finite(given)
    model, task = as_task(given, task)
    trained, is_learnt = not is_untrained(model), learnt.is_learnt(model, options)
    examples, found = holdout.find(calibration, shape, options, trained=trained, learnt=is_learnt, progress=progress)
    notes += found
    names = _labels(model, named, calibration, trained, task, notes)
    notes += notes_of(given, model, task, names)
    if is_picture(shape) and scaling_of(model) is None and options.preparation is None:
        notes.append(
            f"{model.name} does not begin with one scale for all channels; the file hands it pixels 0..255 as they "
            "are. If its training prepared them outside of the model, say how (pixels, --pixels -1,1 or caffe, torch; "
            "0,255 if it did not)"
        )
    return Prepared(model, task, options, shape, trained, is_learnt, examples, names, notes)


def _rebuilt(
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


def _labels(
    model: keras.Model,
    labels: Sequence[str] | None,
    calibration: str | Path | Array | None,
    trained: bool,
    task: Task[Any],
    notes: list[str],
) -> list[str]:
    """Returns the labels to embed, and adds a note if they are the names of calibration's folders."""
    from zoo.models.detectors.anchored import labels_of

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
