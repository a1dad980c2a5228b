"""What the runner will make of a file: its task, its input, its scores and boxes, told without loading the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ZooError
from zoo.runner.entry import Entry, open_entry
from zoo.runner.loading.session import TensorInfo
from zoo.tasks import facts_of, known_of, scores_of, task_of
from zoo.text import count_of
from zoo.tflite.modelfile import ModelFile, Tensor

_SCORES = {
    "probabilities": "probabilities, shown in percent",
    "numbers": "no probabilities (such as logits), shown as numbers",
}
_COLOURS = {1: "gray", 3: "RGB"}


@dataclass(frozen=True)
class _Unloaded:
    """What `open_entry` needs of a file."""

    path: Path
    file: ModelFile
    input: TensorInfo


def outlook(file: ModelFile, card: Mapping[str, Any]) -> dict[str, str]:
    """Returns what a file is for, what its input takes and what comes out, in words: the runner's own rules decide it.

    Args:
        file: the file.
        card: its card; empty for a file that another tool made.

    Returns:
        `task`, `input` and `scores`, what else the task knows of the outputs (`boxes` and `threshold`), and `note`
        where the file does not say how pixels are scaled. Where the runner refuses the file, `input` has the reason,
        and `task` stands before it if it is known.
    """
    tensors = [file.main.tensors[i] for i in file.main.inputs]
    outputs = [file.main.tensors[i] for i in file.main.outputs]
    if len(tensors) != 1:
        return {"input": f"refused: it has {len(tensors)} inputs; only models with one are supported"}
    if tensors[0].dynamic and 1 in tensors[0].shape[1:]:  # a size that is open is written as 1
        return {"input": "refused: its size is open; convert the model anew with a fixed size"}
    try:
        entry = open_entry(_Unloaded(file.path, file, _info(tensors[0])), card)
        task = known_of(task_of(card, file.path, file), card, file)
    except ZooError as error:
        return {"input": f"refused: {error}"}
    shapes = [one.shape for one in outputs]
    is_open = any(one.dynamic for one in outputs)
    fault = "" if is_open else task.fault(shapes)
    if fault:
        return {"task": task.name, "input": f"refused: the file is {fault}"}
    said = entry.unsure or entry.known
    note = {"note": said} if said else {}
    classes = "" if is_open else f", {count_of(task.classes(shapes), 'class')}"
    facts = {"task": f"{task.name}{classes}", "input": _input(entry), "scores": _SCORES[scores_of(task)]}
    return {**facts, **facts_of(task), **note}


def lines(found: Mapping[str, str]) -> list[str]:
    """Returns what `outlook` found as lines of text."""
    return [f"{'takes' if name == 'input' else name}: {text}" for name, text in found.items()]


def _info(tensor: Tensor) -> TensorInfo:
    try:
        dtype = np.dtype(tensor.dtype.lower())
    except TypeError:  # texts, and types that NumPy does not have
        dtype = np.dtype("S")
    scale = float(tensor.scales[0]) if len(tensor.scales) == 1 else 0.0
    zero_point = int(tensor.zero_points[0]) if len(tensor.zero_points) == 1 else 0
    return TensorInfo(tensor.name, tensor.shape, dtype, scale, zero_point)


def _input(entry: Entry) -> str:
    picture = entry.picture
    if picture is None:
        return f"values of shape {entry.tensor.shape[1:]}, as a .npy or .csv file"
    how = entry.normalization
    if how is None:
        said = "pixels 0..255 as they are"
    else:
        said = f"pixels scaled by (pixel - {_numbers(how.mean)}) / {_numbers(how.std)}"
    order = {"first": ", the channels first", "none": ", without an axis of channels"}.get(picture.channel_axis, "")
    colour = _COLOURS[picture.channels]
    return f"{colour} pictures of {picture.width}x{picture.height} (width x height){order}; {said}"


def _numbers(found: tuple[float, ...]) -> str:
    return f"{found[0]:.4g}" if len(set(found)) == 1 else f"({', '.join(f'{one:.4g}' for one in found)})"
