"""Holds a finished file against what was asked for."""

from __future__ import annotations

import math

from zoo.errors import ExportError, VerificationError
from zoo.export import edgetpu
from zoo.export.options import Plan
from zoo.export.verify import Verification
from zoo.tflite import compat
from zoo.tflite.modelfile import ModelFile


def check_file(file: ModelFile, plan: Plan) -> edgetpu.EdgeTpuReport | None:
    """Finds out whether the graph is static, as integer as its mode says, and loads on its target.

    Returns:
        What the Edge TPU runs of it, where it is the target.

    Raises:
        ExportError: it is not.
    """
    dynamic = [tensor.name for tensor in file.main.tensors if tensor.dynamic]
    if dynamic:
        raise ExportError(
            f"{len(dynamic)} tensors have no fixed size, the first is {dynamic[0]!r}: runtimes are slow on it"
        )
    if plan.mode.integer:
        floats = compat.float_ops(file)
        if floats:
            raise ExportError(
                f"the {plan.mode.name} file is not fully integer: {', '.join(floats)} would compute with floats; "
                "leave such layers out, or choose another quantization"
            )
    compat.require(file, compat.FOR_TARGET[plan.target])
    return edgetpu.report(file) if plan.target == "edgetpu" else None


def require_agreement(
    verification: Verification, plan: Plan, name: str, min_agreement: float | None, *, trained: bool
) -> None:
    """Judges how well a file agrees with its model.

    Args:
        verification: what was measured.
        plan: what was asked for.
        name: of the file, for the error.
        min_agreement: least share of inputs with the same best class; by default the mode's own, and none in quantized
            modes on random weights.
        trained: whether the weights are.

    Raises:
        VerificationError: not well enough.
    """
    if min_agreement is None:
        min_agreement = plan.mode.min_agreement if trained or not plan.mode.approximate else 0.0
    if not math.isfinite(verification.max_diff):
        raise VerificationError(f"{name} computes values that are not finite numbers; it was not kept")
    if verification.top1 < min_agreement:
        raise VerificationError(
            f"{name} names the same class as Keras on {verification.top1:.0%} of {verification.inputs} "
            f"inputs only ({verification.source}), at least {min_agreement:.0%} are asked for (--min-agreement); "
            "it was not kept"
        )
