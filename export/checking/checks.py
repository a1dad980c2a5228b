"""Checks a finished file against the options of the export."""

from __future__ import annotations

import math
from collections.abc import Collection

from zoo.errors import ExportError, VerificationError
from zoo.export.checking.verify import Verification
from zoo.export.options import ExportOptions, Mode
from zoo.export.tflite.entry import Entry, require_entry
from zoo.export.tflite.naming import CONVERSIONS, LayerNames
from zoo.text import count_of
from zoo.tflite import compat, edgetpu
from zoo.tflite.modelfile import Graph, ModelFile, Op

LAYERS_SHOWN = 3
"""The most layers that an error message names."""


def check_file(
    file: ModelFile, options: ExportOptions, entry: Entry | None = None, layers: LayerNames | None = None
) -> edgetpu.EdgeTpuReport | None:
    """Finds out whether the graph is static, as integer as its mode says, and loads on its target.

    Args:
        file: the finished file.
        options: what it was to be like.
        entry: what its input has to be, where it stores pixels as bytes.
        layers: the Keras layers, which a refusal names.

    Returns:
        The operations that the Edge TPU runs, if it is the target.

    Raises:
        ExportError: one of these is not true.
    """
    dynamic = [tensor.name for tensor in file.main.tensors if tensor.dynamic]
    if dynamic:
        raise ExportError(
            f"{count_of(len(dynamic), 'tensor has', 'tensors have')} no fixed size, the first is "
            f"{dynamic[0]!r}: runtimes are slow on it"
        )
    _require_computed(file)
    if entry is not None:
        require_entry(file, entry)
    if options.mode.integer:
        floats = compat.ops_with_floats(file)
        if options.keep_float and layers is not None:
            floats = [one for one in floats if not _is_kept(*one, options.keep_float, layers)]
        if floats:
            raise ExportError(
                f"the {options.quantize} file is not fully integer: {', '.join(compat.counted(floats))} would compute "
                f"with floats{_at(floats, layers)}; leave such layers out, or choose another "
                "quantization, such as float16 or dynamic"
            )
    for runtime in compat.FOR_TARGET[options.tflite_target]:
        for problem in compat.problems(file, runtime):
            ops = [(op, graph) for graph in file.graphs for op in graph.ops if op.name == problem.op]
            raise ExportError(f"{runtime} cannot run this file: {problem}{_at(ops, layers)}")
    return edgetpu.report(file) if options.target == "edgetpu" else None


def _is_kept(op: Op, graph: Graph, kept: Collection[str], layers: LayerNames) -> bool:
    """Whether an operation is one of the layers that are to stay float, or stands at their border."""
    return op.name in CONVERSIONS or bool(layers.named(layers.all_of_op(op, graph), kept))


def _require_computed(file: ModelFile) -> None:
    """Finds out whether every output is computed from the input: a converter that loses the graph leaves zeros.

    Raises:
        ExportError: one is not.
    """
    graph = file.main
    known = set(graph.inputs)
    for op in graph.ops:  # they stand in the order in which they run
        if known & set(op.inputs):
            known |= set(op.outputs)
    lost = [graph.tensors[i].name for i in graph.outputs if i not in known]
    if lost:
        raise ExportError(
            f"the converter lost the graph: output {lost[0]!r} does not depend on the input, in a file of {file.size} "
            "bytes; leave out what was added behind the model, such as a function that stands for an operation"
        )


def _at(ops: list[tuple[Op, Graph]], layers: LayerNames | None) -> str:
    """Returns the Keras layers that operations come from, in parentheses; empty where none is known."""
    if layers is None:
        return ""
    # A conversion between types belongs to the operation behind or before it, which is listed as well.
    real = [one for one in ops if one[0].name not in CONVERSIONS] or ops
    names = list(dict.fromkeys(name for op, graph in real if (name := layers.of_op(op, graph))))
    more = f" and {len(names) - LAYERS_SHOWN} more" if len(names) > LAYERS_SHOWN else ""
    return f" (in {', '.join(names[:LAYERS_SHOWN])}{more})" if names else ""


def require_finite(verification: Verification, name: str) -> None:
    """Finds out whether a file computes numbers.

    Raises:
        VerificationError: an output differs from Keras' by what is no finite number.
    """
    if not math.isfinite(verification.max_diff):
        raise VerificationError(f"{name} computes values that are not finite numbers; it was not kept")


def require_agreement(verification: Verification, mode: Mode, name: str) -> None:
    """Judges how well a file agrees with its model.

    Args:
        verification: the measured and the required agreement; if no classes are required, values are judged.
        mode: the quantization mode of the file.
        name: the name of the file, for the error message.

    Raises:
        VerificationError: the file does not agree well enough.
    """
    require_finite(verification, name)
    allowed = mode.max_shift * verification.mean_size
    if not verification.asked and verification.mean_diff > allowed:
        raise VerificationError(
            f"{name} differs from Keras by {verification.mean_diff:.2g} on average over {verification.inputs} inputs "
            f"({verification.source}), at most {allowed:.2g} is to be expected of {mode.name}; it was not kept"
        )
    agreement = verification.agreement
    if agreement.share < verification.asked:
        unsure = (
            f". Keras itself gives {agreement.doubt} for all of them: the model may have to be trained for longer"
            if agreement.doubt
            else ""
        )
        raise VerificationError(
            f"{name} {agreement.meaning} on {agreement.share:.0%} of {verification.inputs} "
            f"inputs only ({verification.source}), at least {verification.asked:.0%} are asked for (--min-agreement); "
            f"it was not kept{'; ' * bool(verification.weakness)}{verification.weakness}{unsure}"
        )
