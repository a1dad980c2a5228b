"""What the page has to know of a file to run it as Python does, and which files it cannot run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import InputError, ModelFileError
from zoo.page import about
from zoo.runner import Predictor
from zoo.tasks.classification import Classification
from zoo.tasks.detection import Detecting
from zoo.tasks.objects.layout import Heads
from zoo.tflite.flatbuffer import Reader
from zoo.tflite.modelfile import MAX_ENTRIES, Graph
from zoo.web.runtime import NAME

TYPES = ("float32", "int32", "uint8")
"""The types of inputs and outputs that LiteRT.js takes."""
WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
"""The operations whose second input is weights."""
IDENTIFIER, SIGNATURES = b"TFL3", 7
"""A model's identifier, and the slot of its signatures in the flatbuffer."""
LARGE = 50_000_000
"""The size in bytes from which a file is slow to load."""
SLOW = {
    "dynamic": "browsers lack the fast kernels for dynamic quantization: it runs about 12 times as slowly there as "
    "natively, and its scores differ by some hundredths; float16 and int8 do better",
    "int16x8": "no runtime has fast kernels for int16x8: a picture may take a second; int8 and float16 do better",
}
"""What is to be said of files by how they are quantized."""


def describe(predictor: Predictor[Any]) -> dict[str, Any]:
    """Returns what the page shows of a model, and under `run` what it needs to run it.

    Raises:
        InputError: the model does not take pictures.
        ModelFileError: browsers do not run the file, or it is for a task that the page does not know.
    """
    path = predictor.session.path
    if not predictor.takes_pictures:
        raise InputError(
            f"{path} does not take pictures: its input has shape {predictor.session.input.shape}, and the page has "
            "nothing else to give it; run it by zoo run on .npy or .csv files"
        )
    _require_types(predictor)
    return {**about.describe(predictor), "runtime": f"{NAME}, in this browser", "run": _run(predictor)}


def cautions(predictor: Predictor[Any]) -> list[str]:
    """Returns what a user should know before he gives the page to others, one line each."""
    path, file = predictor.session.path, predictor.session.file
    said = [f"{path}: {SLOW[kind]}" for kind in sorted(_slow_kinds(file.main))]
    size = file.size
    if size > LARGE:
        said.append(f"{path} has {size / 1e6:.0f} MB, which every visitor loads, and a phone may have no memory for it")
    return said


def _slow_kinds(graph: Graph) -> set[str]:
    """Returns those of `SLOW` that a file is of, by its operations: files of other tools have no card."""
    found = set()
    for op in graph.ops:
        tensors = [graph.tensors[index] for index in op.inputs if index >= 0]
        if any(one.dtype == "INT16" and len(one.scales) and not one.is_constant for one in tensors):
            found.add("int16x8")
        if len(tensors) > 1 and op.name in WEIGHTED:
            entry, weights = tensors[:2]
            if entry.dtype == "FLOAT32" and weights.dtype == "INT8" and weights.is_constant:
                found.add("dynamic")
    return found


def _require_types(predictor: Predictor[Any]) -> None:
    session = predictor.session
    for what, tensor in (("input", session.input), *(("output", output) for output in session.outputs)):
        if tensor.dtype.name not in TYPES:
            advice = f"{NAME} takes {', '.join(TYPES)}"
            if tensor.dtype.name == "int8":
                advice += "; export the file again with --io uint8, whose scores are the same"
            raise ModelFileError(
                f"{session.path} has an {what} of type {tensor.dtype.name}, which browsers do not run: {advice}"
            )


def _run(predictor: Predictor[Any]) -> dict[str, Any]:
    session, picture = predictor.session, predictor.picture
    names = _names(session.path)
    return {
        "input": {
            "shape": list(session.input.shape),
            "dtype": session.input.dtype.name,
            "axes": picture.channel_axis,
            "batch": session.input.shape[0],
            "table": _table(predictor),
        },
        "outputs": [
            {
                "names": [output.name, *names.get(index, ())],
                "count": math.prod(output.shape[1:]),
                "scale": _single(output.scale),
                "zero_point": output.zero_point,
            }
            for output, index in zip(session.outputs, session.file.main.outputs, strict=True)
        ],
        "layout": _layout(predictor),
    }


def _names(path: Path) -> dict[int, list[str]]:
    """Returns the names that the file's first signature gives to outputs, by their tensors: browsers go by these names.

    Raises:
        ModelFileError: the file is damaged.
    """
    found: dict[int, list[str]] = {}
    for signature in Reader(path.read_bytes()).root(IDENTIFIER).tables(SIGNATURES, "signatures", MAX_ENTRIES):
        for output in signature.tables(1, "outputs", MAX_ENTRIES):
            found.setdefault(output.number(1, "I"), []).append(output.text(0))
        break
    return found


def _single(scale: float) -> float:
    """Returns a scale as the 32 bits hold it by which Python multiplies."""
    return float(np.float32(scale))


def _table(predictor: Predictor[Any]) -> list[list[float]] | None:
    """Returns what the input stores for each pixel 0..255, a row for each channel; None where that is the pixel."""
    pixels = np.arange(256, dtype=np.uint8)
    stored = predictor.entry.stored(np.repeat(pixels[:, np.newaxis, np.newaxis], predictor.picture.channels, axis=2))
    if (stored[:, 0, :] == pixels[:, np.newaxis]).all():
        return None
    rows: list[list[float]] = stored[:, 0, :].T.tolist()
    return rows


def _layout(predictor: Predictor[Any]) -> dict[str, Any] | None:
    """Returns how a detector's outputs are arranged; None for a classifier.

    Raises:
        ModelFileError: the file is for another task.
    """
    task = predictor.task
    if isinstance(task, Classification):
        return None
    if not isinstance(task, Detecting) or task.found is None or task.found.layout is None:
        raise ModelFileError(
            f"{predictor.session.path} is for {task.name}; the page shows classification and detection. Serve it by "
            "zoo serve"
        )
    layout = task.found.layout
    if not isinstance(layout, Heads):
        places = {name: getattr(layout, name) for name in ("boxes", "classes", "scores", "count")}
        return {"kind": "operation", **places, "columns": layout.columns}
    coding = layout.coding
    return {
        "kind": "heads",
        "boxes": layout.boxes,
        "scores": layout.scores,
        "columns": layout.columns,
        "has_background": layout.has_background,
        "sigmoid": layout.sigmoid,
        "iou": task.iou,
        "across": task.across,
        "anchors": np.asarray(layout.anchors, np.float32).reshape(-1).tolist(),
        "coding": {
            "y_scale": coding.y_scale,
            "x_scale": coding.x_scale,
            "height_scale": coding.height_scale,
            "width_scale": coding.width_scale,
            "exponential": coding.exponential,
        },
    }
