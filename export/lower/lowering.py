"""Rebuilds a model's graph for the converter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.errors import ExportError, OptionError
from zoo.export.lower import channels, grouped, recurrent
from zoo.graph import has_graph, input_readers, prepared, rebuild, rebuild_nested, scaling_of
from zoo.published import Preparation
from zoo.tasks import DEFAULT, Task

if TYPE_CHECKING:
    import keras

_SCALES_PIXELS = 1 / 16
"""The largest factor of a first layer that takes pixels 0..255; one that takes a range of its own has a larger one."""


def check_exportable(model: keras.Model, task: Task[Any] = DEFAULT) -> tuple[int, ...]:
    """Checks whether a model can be exported for a task.

    Returns:
        The input's shape without the batch.

    Raises:
        ExportError: the model is not functional with one input of fixed size, or its outputs do not fit the task.
    """
    import keras

    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise ExportError(f"{type(model).__name__} is not a functional or built Sequential Keras model")
    if len(model.inputs) != 1:
        raise ExportError(f"{model.name} has {len(model.inputs)} inputs; only models with one can be exported")
    shape = tuple(model.inputs[0].shape[1:])
    if None in shape:
        raise ExportError(f"{model.name} has an input of open size {shape}; build it with a fixed one")
    shapes = [tuple(output.shape) for output in model.outputs]
    fault = task.fault(shapes)
    if fault:
        raise ExportError(f"{model.name} is {fault}")
    if any(None in output[1:] for output in shapes):
        raise ExportError(f"{model.name} has outputs of open size {shapes}; build it with fixed ones")
    return shape


def with_preparation(model: keras.Model, preparation: Preparation, task: Task[Any] = DEFAULT) -> keras.Model:
    """Puts a preparation of raw pixels in front of a model that wants prepared ones.

    Raises:
        ExportError: see `check_exportable`; or the preparation is one of other channels than the model's, or the model
            scales raw pixels itself.
    """
    import keras

    shape = check_exportable(model, task)
    own = scaling_of(model)
    if own is not None and own.scale <= _SCALES_PIXELS and {*preparation.scale, *preparation.offset} != {1.0, 0.0}:
        low, high = own.range
        raise ExportError(
            f"{model.name} scales raw pixels itself, to {low:.3g}..{high:.3g} in its first layer, and would scale "
            "prepared ones once more; leave out --pixels and --input-range (pixels, input_range)"
        )
    pixels = keras.Input(shape, name="pixels")
    try:
        return keras.Model(pixels, model(prepared(pixels, preparation)), name=model.name)
    except OptionError as error:
        raise ExportError(f"{model.name} takes inputs of shape {shape}: {error}; leave out --pixels") from error


def lower(
    model: keras.Model,
    *,
    batch: int | None = 1,
    split_groups: bool = False,
    whole_split: bool = False,
    direct_groups: bool = False,
    unroll: bool = False,
    strip_scaling: bool = False,
    logits: bool = False,
) -> keras.Model:
    """Rebuilds a model for conversion; weights are shared, not copied.

    Args:
        model: functional, see `check_exportable`.
        batch: fixed, or None to leave it open. With an open batch, `Flatten` becomes SHAPE, STRIDED_SLICE and PACK,
            and older runtimes then run the whole graph without their fast kernels.
        split_groups: turn grouped convolutions into a split, plain convolutions and a concatenation, where they have
            few groups: runtimes take seconds for thousands of operations.
        whole_split: whether that holds for any number of groups, because the target has no grouped convolutions.
        direct_groups: leave grouped convolutions as TensorFlow's operations, which Keras would compile.
        unroll: turn loops of recurrent layers into a copy of the cell for each step.
        strip_scaling: leave the first layer out; see `zoo.graph.scaling_of`.
        logits: leave the final softmax out.

    Raises:
        ExportError: there is no softmax to leave out, or more than one output to look for it; a layer has too many
            groups to split or steps to unroll.
    """
    import keras

    if logits and len(model.outputs) > 1:
        raise ExportError(f"{model.name} has {len(model.outputs)} outputs; a softmax can be left out of a single one")
    last = model.outputs[0]
    softmax_found = False
    # A second scaling behind it, such as a mean of each channel, stays: it reads the input once the first is gone.
    first = input_readers(model)[0] if strip_scaling else None

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal softmax_found
        kind = type(layer).__name__
        if layer is first and kind == "Rescaling":
            return args[0]
        if logits and layer.output is last and _is_softmax(layer) and kind in {"Softmax", "Activation", "Dense"}:
            softmax_found = True
            return _linear_twin(layer)(args[0]) if kind == "Dense" else args[0]
        if grouped.is_grouped(layer):
            return grouped.call(layer, args[0], split_groups=split_groups, whole=whole_split, direct=direct_groups)
        if has_graph(layer) and len(layer.inputs) == 1:
            return rebuild_nested(layer, call, *args, **kwargs)
        return _called(layer, args, kwargs, unroll=unroll)

    shape = tuple(model.inputs[0].shape[1:])
    inputs = keras.Input(batch_shape=(batch, *shape), dtype=model.inputs[0].dtype, name="input")
    lowered = rebuild(model, call, inputs)
    if logits and not softmax_found:
        raise ExportError(f"{model.name} does not end in a softmax but in {_named(last)}: there is none to leave out")
    return lowered


def _called(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, unroll: bool) -> Any:
    """Calls a layer, or what a runtime is better at."""
    if channels.is_step(layer, args):
        return channels.call(layer, args[0])
    if unroll and recurrent.is_recurrent(layer):
        return recurrent.unrolled(layer, *args, **kwargs)
    return layer(*args, **kwargs)


def _named(tensor: Any) -> str:
    layer = tensor._keras_history.operation
    return f"layer {layer.name!r} ({type(layer).__name__})"


def _is_softmax(layer: Any) -> bool:
    if type(layer).__name__ == "Softmax":
        return True
    return getattr(getattr(layer, "activation", None), "__name__", "") == "softmax"


def _linear_twin(layer: Any) -> Any:
    import keras

    twin = keras.layers.Dense(layer.units, use_bias=layer.use_bias, name=f"{layer.name}_logits")
    twin.build((None, layer.kernel.shape[0]))
    twin.set_weights(layer.get_weights())
    return twin
