"""Diagnoses a model as it would be exported: its task, the preparation of its pixels, and examples from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import CompressionError
from zoo.export.checking.calibration import Array, find_examples
from zoo.export.detectors import policy_of, task_of
from zoo.export.lower import teachable
from zoo.export.lower.ending import as_task
from zoo.export.lower.lowering import check_exportable, with_preparation
from zoo.export.lower.plain import plain
from zoo.export.options import ExportOptions
from zoo.progress import SILENT, Progress
from zoo.tasks import Task

if TYPE_CHECKING:
    import keras

    from zoo.compress.diagnosis.findings import Diagnosis


def diagnose_model(
    model: keras.Model,
    pictures: str | Path | Array,
    options: ExportOptions | None = None,
    *,
    count: int | None = None,
    progress: Progress = SILENT,
    **changes: Any,
) -> tuple[Diagnosis, list[str]]:
    """Measures what int8 costs each layer of a model, and says what to do about it.

    Args:
        model: a Keras model, as `zoo.export.to_tflite` takes it.
        pictures: as `calibration` of `to_tflite`: a folder, a `.npy` file or an array of pixels or values.
        options: how pictures are resized and prepared, how many ranges are measured on, and by which method.
        count: the number of inputs on which answers are compared; by default 8 to 64, by the model's size.
        progress: is told each step.
        **changes: fields of `ExportOptions` that win over `options`.

    Returns:
        What was found, and notes for the user, one line each.

    Raises:
        ExportError, OptionError: see `to_tflite`.
        InputError: the pictures cannot be read, or are too few.
        CompressionError: the model has a layer whose integer arithmetic is not simulated; the message names it.
    """
    from zoo.compress.diagnosis.diagnose import diagnose

    options = (options or ExportOptions("int8")).change(**changes)
    ready, notes = plain(model, options.input_size)
    options = teachable.with_its_range(ready, options, notes)
    task: Task[Any] = task_of(ready)
    options = options.change(preprocessing=options.preprocessing or policy_of(task))
    if options.preparation is not None:
        ready = with_preparation(ready, options.preparation, task)
    shape = check_exportable(ready, task)
    ready, task = as_task(ready, task)
    found, more = find_examples(pictures, shape, options, trained=True, progress=progress)
    method = options.calibration_method
    return diagnose(ready, found.inputs, task, method=method, count=count, progress=progress), [*notes, *more]


def ranked(model: keras.Model, task: Task[Any], inputs: Array, options: ExportOptions) -> list[tuple[str, ...]]:
    """Returns the layers that could stay float, those that lose most first, as `findings.Row.together` has them.

    Raises:
        CompressionError: see `diagnose_model`; the message says what to do instead.
    """
    from zoo.compress.diagnosis.diagnose import diagnose
    from zoo.compress.graph import INPUT

    try:
        found = diagnose(model, inputs, task, method=options.calibration_method)
    except CompressionError as error:
        raise CompressionError(f"{error}; name the layers yourself: --keep-float LAYER,...") from error
    rows = [row for row in found.rows if row.divergence > 0 and row.layer != INPUT]
    if options.per_tensor:
        rows.sort(key=lambda row: row.per_tensor_divergence, reverse=True)
    return [row.together for row in rows]
