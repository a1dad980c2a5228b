"""Makes a detector's file decode its boxes itself, and holds what it finds against what the runner finds without."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo.errors import ExportError, VerificationError
from zoo.export.checking.calibration import Array
from zoo.export.checking.verify import load_for, run_all
from zoo.export.describe import SelfDescription
from zoo.export.detectors import heads_of, stated_of
from zoo.export.tflite.order import with_output_names
from zoo.system.quiet import quiet
from zoo.tasks import Task
from zoo.tasks.detection import LIMIT, OBJECT_TAGS, Detecting
from zoo.tasks.objects.layout import find
from zoo.tflite import compat, modelfile
from zoo.tflite.writing.post_process import OUTPUTS, PostProcess, with_post_process

LEAST_SCORE = 0.05
"""The least score of an object in the file's answer; a program filters from there upwards."""
RAW = ("boxes_coded", "scores_of_anchors")
"""What the tensors that the operation reads are called, since its outputs are called boxes and scores."""


def check_detector(task: Task[Any], name: str) -> None:
    """Finds out whether a model has boxes to decode.

    Raises:
        ExportError: it has none.
    """
    if heads_of(task) is None:
        raise ExportError(f"{name} is no detector with anchors, so nms='file' (--nms file) has no boxes to decode")


def append(
    path: Path,
    flatbuffer: bytes,
    description: SelfDescription,
    *,
    target: str | None,
    inputs: Array | None,
    asked: float,
) -> SelfDescription:
    """Appends the operation to a model, and replaces its file.

    Args:
        path: the file with the model as it was checked against Keras, without labels and card.
        flatbuffer: the model in it, with float32 outputs.
        description: of that model.
        target: what the file is for; all its runtimes have to have the operation.
        inputs: pixels on which both files have to find the same; None to leave that out.
        asked: the least share of the objects, 0..1.

    Returns:
        The description of the new model.

    Raises:
        ExportError: an output is quantized.
        VerificationError: the operation finds other objects than the runner.
    """
    task, heads = description.task, heads_of(description.task)
    if heads is None or not isinstance(task, Detecting):
        raise ExportError(f"{description.card['model']} has no boxes to decode")
    stated = stated_of(heads)
    added = PostProcess(stated.anchors, stated.scales, heads.columns, LIMIT, LEAST_SCORE, task.iou)
    renamed = with_output_names(flatbuffer, RAW if heads.boxes == 0 else RAW[::-1])
    finished = with_post_process(renamed, heads.boxes, heads.scores, added)
    reference: tuple[Array, ...] = ()
    if inputs is not None:
        with quiet():
            reference = run_all(load_for(path, target), inputs, pixels=True)
    where = {"nms": {"by": "file", "least_score": LEAST_SCORE, "limit": LIMIT, "iou": task.iou}}
    changed = replace(
        description,
        task=replace(task, output_tags=OBJECT_TAGS),
        signature=replace(description.signature, outputs=OUTPUTS),
        custom={},
        card=description.card | where,
    )
    path.write_bytes(changed.announce(finished))
    file = modelfile.read(path)
    compat.require(file, compat.FOR_TARGET[target])
    if inputs is not None:
        with quiet():
            outputs = run_all(load_for(path, target), inputs, pixels=True)
        compared = replace(task, compared=find(file), across=True)
        found = compared.agreement(reference, outputs, least=LEAST_SCORE)
        if found.share < asked:
            raise VerificationError(
                f"{path.name} finds {found.share:.0%} of the objects only that the runner finds without nms='file', at "
                f"least {asked:.0%} are asked for (--min-agreement); it was not kept"
            )
    return changed
