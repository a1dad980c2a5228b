"""Checks a finished file against the options of the export."""

from __future__ import annotations

import math

from zoo.errors import ExportError, VerificationError
from zoo.export.options import ExportOptions, Mode
from zoo.export.verify import Verification
from zoo.tflite import compat, edgetpu
from zoo.tflite.modelfile import ModelFile


def check_file(file: ModelFile, options: ExportOptions) -> edgetpu.EdgeTpuReport | None:
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
    if options.mode.integer:
        floats = compat.float_ops(file)
        if floats:
            raise ExportError(
                f"the {options.quantize} file is not fully integer: {', '.join(floats)} would compute with floats; "
                "leave such layers out, or choose another quantization"
            )
    compat.require(file, compat.FOR_TARGET[options.target])
    return edgetpu.report(file) if options.target == "edgetpu" else None


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
        verification: what was measured, and what was asked for; where no class is, values are judged.
        mode: the quantization mode of the file.
        name: the name of the file, for the error message.

    Raises:
        VerificationError: not well enough.
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
        raise VerificationError(
            f"{name} {agreement.meaning} on {agreement.share:.0%} of {verification.inputs} "
            f"inputs only ({verification.source}), at least {verification.asked:.0%} are asked for (--min-agreement); "
            "it was not kept"
        )
