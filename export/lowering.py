"""What a graph must look like before conversion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.errors import ExportError

if TYPE_CHECKING:
    import keras


def lower(model: keras.Model, *, batch: int = 1) -> keras.Model:
    """Fixes the batch size; the result shares the model's weights.

    With an open batch, `Flatten` becomes SHAPE, STRIDED_SLICE and PACK, and older runtimes then run the
    whole graph without their fast kernels.

    Raises:
        ExportError: the model has more than one input or output, or an input of open size.
    """
    import keras

    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ExportError(
            f"{model.name} has {len(model.inputs)} inputs and {len(model.outputs)} outputs; "
            "only models with one of each can be exported"
        )
    shape = tuple(model.inputs[0].shape[1:])
    if None in shape:
        raise ExportError(f"{model.name} has an input of open size {shape}; build it with a fixed one")
    inputs = keras.Input(batch_shape=(batch, *shape), dtype=model.inputs[0].dtype, name="input")
    return keras.Model(inputs, model(inputs, training=False), name=model.name)
