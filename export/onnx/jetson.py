"""Makes `.onnx` files that the programs of NVIDIA's jetson-inference, `imagenet` and `detectnet`, take as they are.

These programs run any model by TensorRT on a Jetson's GPU, on pictures, cameras and streams. They stretch a picture to
the model's input by its nearest pixels, put the channels first, and prepare the pixels in a way that cannot be chosen.
The graph undoes that. `c/imageNet.cpp` and `c/detectNet.cpp` of that project say what they do, `c/tensorNet.cpp` how
they read labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.errors import ExportError, VerificationError
from zoo.export.detectors import heads_of, stated_of
from zoo.export.onnx.boxes import decode_boxes
from zoo.export.onnx.exporter import to_onnx
from zoo.export.onnx.jetson_programs import (
    DETECTNET,
    IMAGENET,
    INPUT,
    PACKAGE,
    Program,
    command,
    label_line,
    labels_beside,
    require_options,
)
from zoo.export.onnx.pixels import rename, take_prepared
from zoo.export.onnx.props import with_props
from zoo.export.options import ExportOptions
from zoo.export.tflite.exporter import ExportReport
from zoo.files.writing import atomic, temporary
from zoo.onnx.card import read_props
from zoo.onnx.extra import module
from zoo.onnx.programs import FOR, require_raw_pixels
from zoo.onnx.reading import outline
from zoo.onnx.support import require
from zoo.onnx.targets import OnnxTarget
from zoo.runner.loading import known
from zoo.tasks import known_of, task_of
from zoo.tasks.objects.boxes import LARGEST_CODE
from zoo.tasks.objects.layout import Heads

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

TARGET: OnnxTarget = "tensorrt8"
"""The oldest TensorRT of a JetPack for which there is an image with the programs; the operations below run on it."""
TOLERANCE = 1e-3
"""The largest difference of a score, or of a corner as a fraction of the input, between both files."""


@dataclass(frozen=True)
class JetsonFile:
    """A file for one of the programs, and how it is run."""

    path: Path
    labels: Path
    """The text file with the labels, which the program reads."""
    program: str
    command: str
    """What to type on the Jetson, in the folder of both files."""
    difference: float
    """The largest difference from the answers of the file it was made of."""


def for_jetson_inference(source: str | Path, path: str | Path) -> JetsonFile:
    """Makes a file for `imagenet`, or for `detectnet` where the model is a detector, of a file of this package.

    Both files are run by ONNX Runtime, one on raw pixels and one on pixels as the program prepares them.

    Args:
        source: an `.onnx` file of this package: float32, with the channels first, for one colour picture.
        path: of the new file; a text file with the labels is written beside it. Both are replaced whole or not at all.

    Raises:
        ExportError: the source is not such a file, or TensorRT 8.2 does not take the new one.
        VerificationError: the answers differ; nothing is written.
        ModelFileError: the source cannot be read.
        OutputError: a file cannot be written.
        MissingDependencyError: onnx or ONNX Runtime is not installed.
    """
    source, path = Path(source), Path(path)
    onnx = module("onnx", f"a file for {PACKAGE}")
    file = outline.read(source)
    description = read_props(outline.read_props(source), source)
    require_raw_pixels(description.card, source)
    heads = heads_of(known_of(task_of(description.card, source, file), description.card, file))
    program = IMAGENET if heads is None else DETECTNET
    model = onnx.load(str(source), load_external_data=False)
    _require(model, description.card, source.name, program)
    _rewrite(model, program, heads)
    onnx.checker.check_model(model, full_check=True)
    made = model.SerializeToString()
    difference = _difference(source, made, program, heads)
    labels = labels_beside(path)
    lines = [*program.first_labels, *description.labels]
    content = with_props(model, _card(description.card, program, difference), description.labels)
    with atomic(labels) as scratch, atomic(path) as other:
        scratch.write_text("".join(f"{label_line(label, at)}\n" for at, label in enumerate(lines)), encoding="utf-8")
        other.write_bytes(content)
        require(other, TARGET)
    known.remember_made(path)
    return JetsonFile(path, labels, program.name, command(program, path, labels), difference)


def to_jetson_inference(
    model: keras.Model, path: str | Path, options: ExportOptions | None = None, **given: Any
) -> ExportReport:
    """Exports a Keras model to a file for `imagenet`, or for `detectnet` where it is a detector.

    Args:
        model: see `zoo.export.to_onnx`.
        path: of the file; a text file with the labels is written beside it.
        options: what the file is to be like, see `require_options`.
        **given: further arguments of `zoo.export.to_onnx`.

    Returns:
        The report of the export; the check in it is that of the file with raw pixels in.

    Raises:
        ExportError, ZooError: see `zoo.export.to_onnx` and `for_jetson_inference`.
    """
    path, options = Path(path), (options or ExportOptions(format="onnx"))
    require_options(options)
    with temporary() as folder:
        source = folder / path.name
        report = to_onnx(model, source, options, **given)
        made = for_jetson_inference(source, path)
    card = read_props(outline.read_props(path), path).card
    notes = (*report.notes, f"{made.program} reads the labels from {made.labels}")
    return replace(report, path=path, bytes=path.stat().st_size, notes=notes, card=card)


def _require(model: Any, card: dict[str, Any], name: str, program: Program) -> None:
    """Refuses what the program cannot run; `name` is that of the file.

    Raises:
        ExportError: it cannot run it; the message says why.
    """
    tensor = model.graph.input[0].type.tensor_type
    shape = [axis.dim_value for axis in tensor.shape.dim]
    of_scores = [output.name for output in model.graph.output]
    if len(model.graph.input) != 1 or tensor.elem_type != 1 or len(shape) != 4:
        raise ExportError(f"{name} has no single float32 input of pictures, which {program.name} needs")
    if shape[0] != 1:
        raise ExportError(f"{program.name} runs one picture at a time, and {name} takes {shape[0]}; leave out --batch")
    if shape[1] != 3:
        raise ExportError(
            f"{program.name} gives a model red, green and blue, channels first, and the input of {name} has the shape "
            f"{tuple(shape)}; build it with --channels 3 where it takes that, and export it with --layout nchw"
        )
    if len(of_scores) != len(program.outputs):
        raise ExportError(
            f"{program.name} reads {len(program.outputs)} outputs, and {name} has {len(of_scores)}: "
            f"{', '.join(of_scores)}; leave out --nms"
        )
    if "logits" in str(card.get("output", "")):
        raise ExportError(
            f"{program.name} reads probabilities, and {name} gives logits, because the model ends in no softmax; add "
            "one to it, or leave out --logits if the file was exported with it"
        )


def _rewrite(model: Any, program: Program, heads: Heads | None) -> None:
    graph = model.graph
    names = [output.name for output in graph.output]
    if heads is None:
        rename(graph, names[0], program.outputs[0])
        graph.output[0].name = program.outputs[0]
    else:
        decode_boxes(model, stated_of(heads), names[heads.boxes], names[heads.scores])
    take_prepared(model, INPUT, program.mean, program.std)


def _card(card: dict[str, Any], program: Program, difference: float) -> dict[str, Any]:
    """Returns the card of the new file: what the program does to pixels stands where raw pixels stood."""
    given = {**card.get("input", {}), "values": "(pixels / 255 - mean) / std, by the program named under `for`"}
    made_for = {
        "package": PACKAGE,
        "program": program.name,
        "mean": list(program.mean),
        "std": list(program.std),
        "difference": difference,
    }
    return {**card, "input": given, "target": TARGET, FOR: made_for}


def _difference(source: Path, made: bytes, program: Program, heads: Heads | None) -> float:
    """Returns the largest difference of the answers of both files, on noise and on plain colours.

    Raises:
        VerificationError: it is too large.
    """
    runtime = module("onnxruntime", f"a file for {PACKAGE}")
    first, second = (runtime.InferenceSession(one, providers=["CPUExecutionProvider"]) for one in (str(source), made))
    shape = tuple(first.get_inputs()[0].shape)
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, shape).astype(np.float32) for _ in range(4)]
    plain = [np.full(shape, value, np.float32) for value in (0, 255)]
    worst = 0.0
    for pixels in (*noise, *plain):
        ours = first.run(None, {first.get_inputs()[0].name: pixels})
        theirs = second.run(list(program.outputs), {INPUT: program.prepare(pixels)})
        pairs = [(ours[0], theirs[0])] if heads is None else _pairs(ours, theirs, heads)
        worst = max(worst, *(float(np.abs(one - other).max(initial=0)) for one, other in pairs))
    if not worst <= TOLERANCE:  # a comparison with NaN is false
        raise VerificationError(
            f"the file for {program.name} answers otherwise than {source.name}: by {worst:.2g}, and {TOLERANCE:g} is "
            "the most; please report this model"
        )
    return worst


def _pairs(ours: Sequence[Array], theirs: Sequence[Array], heads: Heads) -> list[tuple[Array, Array]]:
    """Returns what the outputs of a detector's two files have to be alike in: scores, and corners of possible boxes."""
    scores, boxes = theirs
    coded, raw = ours[heads.boxes][0], ours[heads.scores]
    expected = 1 / (1 + np.exp(-raw)) if heads.sigmoid else raw
    usual = np.abs(coded).max(axis=-1) <= LARGEST_CODE  # beyond, a corner is anywhere, and its rounding as well
    corners = heads.coding.decode(coded, heads.anchors)
    return [(expected, scores[..., 1:]), (corners[usual], boxes[0][usual])]
