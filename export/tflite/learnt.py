"""Exports models that were trained for int8: their ranges and kernels are in the file as they were learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.compress.baking import bake, facts_of, is_quantization_aware
from zoo.errors import ExportError
from zoo.export.options import OF_INT8, ExportOptions

if TYPE_CHECKING:
    import keras

    from zoo.export.checking.calibration import Calibration

FIELD = "quantization_aware"
"""The field of a card with what a model was trained for."""


def for_mode(model: keras.Model, options: ExportOptions) -> keras.Model:
    """Returns the model to export in a mode: one that was trained for int8 computes with floats in all other modes.

    It has the rounded weights then, and its activations are not rounded.

    Raises:
        ExportError: pixels are to be prepared outside of a model that has learnt from them as they are; or ranges or
            weights are to be other ones than those that it has learnt.
    """
    if not is_quantization_aware(model):
        return model
    if options.preparation is not None:
        raise ExportError(f"{model.name} was trained for int8 on raw pixels; leave out --pixels and --input-range")
    for name, usual in OF_INT8.items():
        if getattr(options, name) != usual:
            option = f"--{name.replace('_', '-')}"
            raise ExportError(
                f"{model.name} was trained for int8, and its file has what it has learnt; leave out {name} ({option}), "
                "or export the model that it was trained from"
            )
    return model if options.quantize == "int8" else bake(model, ranges=False)


def is_learnt(model: keras.Model, options: ExportOptions) -> bool:
    """Whether a file takes its ranges from the model, so that none are measured."""
    return options.quantize == "int8" and is_quantization_aware(model)


def facts(model: keras.Model, options: ExportOptions, calibration: Calibration) -> dict[str, Any]:
    """Returns what the card says of where ranges come from: examples, or a training for int8; empty without ranges."""
    if is_learnt(model, options):
        return {FIELD: facts_of(model)}
    return {"calibration": calibration.manifest} if options.mode.calibrated else {}
