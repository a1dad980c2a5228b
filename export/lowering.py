"""Rebuilds a model's graph for the converter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.errors import ExportError
from zoo.export.options import check_input_range
from zoo.graph import rebuild
from zoo.tasks import Task
from zoo.tasks.classification import CLASSIFICATION

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Scaling:
    """How a model scales its pixels: `scale * pixel + offset`, the same for all channels."""

    scale: float
    offset: float

    @classmethod
    def for_range(cls, wanted: tuple[float, float]) -> Scaling:
        """Returns the scaling that maps pixels 0 and 255 to the ends of a range.

        Raises:
            ExportError: the range is empty or not finite.
        """
        low, high = check_input_range(wanted)
        return cls((high - low) / 255, low)

    @property
    def range(self) -> tuple[float, float]:
        """The values of pixels 0 and 255 after scaling."""
        return self.offset, 255 * self.scale + self.offset


def check_exportable(model: keras.Model, task: Task[Any] = CLASSIFICATION) -> tuple[int, ...]:
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


def scaling_of(model: keras.Model) -> Scaling | None:
    """Returns the scaling of the model's first layer, if it is one scale and offset for all channels; None if not.

    A mean for each channel (such as ImageNet's) cannot be expressed by an input's single scale and stays in the graph.
    """
    first = next((layer for layer in model.layers if type(layer).__name__ != "InputLayer"), None)
    if first is None or type(first).__name__ != "Rescaling":
        return None
    try:
        scale, offset = float(first.scale), float(first.offset)
    except TypeError:
        return None
    return Scaling(scale, offset) if scale > 0 else None


def with_scaling(model: keras.Model, scaling: Scaling, task: Task[Any] = CLASSIFICATION) -> keras.Model:
    """Puts a scaling of raw pixels in front of a model that takes scaled pixels.

    Raises:
        ExportError: see `check_exportable`.
    """
    import keras

    pixels = keras.Input(check_exportable(model, task), name="pixels")
    scaled = keras.layers.Rescaling(scaling.scale, offset=scaling.offset, name="rescale")(pixels)
    return keras.Model(pixels, model(scaled), name=model.name)


def lower(
    model: keras.Model,
    *,
    batch: int | None = 1,
    split_groups: bool = False,
    strip_scaling: bool = False,
    logits: bool = False,
) -> keras.Model:
    """Rebuilds a model for conversion; weights are shared, not copied.

    Args:
        model: a functional model, see `check_exportable`.
        batch: the fixed batch size, or None to leave it open. With an open batch, `Flatten` becomes SHAPE,
            STRIDED_SLICE and PACK, and older runtimes then run the whole graph without their fast kernels.
        split_groups: whether grouped convolutions become a split, plain convolutions and a concatenation.
        strip_scaling: whether the first layer is left out; see `scaling_of`.
        logits: whether the final softmax is left out.

    Raises:
        ExportError: there is no softmax to leave out, or there is more than one output.
    """
    import keras

    if logits and len(model.outputs) > 1:
        raise ExportError(f"{model.name} has {len(model.outputs)} outputs; a softmax can be left out of a single one")
    last = model.outputs[0]
    softmax_found = False

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal softmax_found
        kind = type(layer).__name__
        if strip_scaling and kind == "Rescaling" and args and args[0] is inputs:
            return args[0]
        if logits and layer.output is last:
            if kind in {"Softmax", "Activation"} and _is_softmax(layer):
                softmax_found = True
                return args[0]
            if kind == "Dense" and _is_softmax(layer):
                softmax_found = True
                return _linear_twin(layer)(args[0])
        if split_groups and kind in {"Conv1D", "Conv2D"} and layer.groups > 1:
            return _split_convolution(layer, args[0])
        if isinstance(layer, keras.Model) and len(layer.inputs) == 1:
            return rebuild(layer, call)(*args, **kwargs)
        return layer(*args, **kwargs)

    shape = tuple(model.inputs[0].shape[1:])
    inputs = keras.Input(batch_shape=(batch, *shape), dtype=model.inputs[0].dtype, name="input")
    lowered = rebuild(model, call, inputs)
    if logits and not softmax_found:
        raise ExportError(f"{model.name} does not end in a softmax: there is none to leave out")
    return lowered


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


def _split_convolution(layer: Any, x: keras.KerasTensor) -> keras.KerasTensor:
    """Computes a grouped convolution without groups: splits the channels, convolves each part, joins the results."""
    import keras

    parts = keras.ops.split(x, layer.groups, axis=-1)
    kernels = keras.ops.split(layer.kernel, layer.groups, axis=-1)
    biases = keras.ops.split(layer.bias, layer.groups) if layer.use_bias else None
    results = []
    for i, part in enumerate(parts):
        twin = type(layer)(
            layer.filters // layer.groups,
            layer.kernel_size,
            layer.strides,
            padding=layer.padding,
            dilation_rate=layer.dilation_rate,
            activation=layer.activation,
            use_bias=layer.use_bias,
            name=f"{layer.name}_group{i}",
        )
        twin.build(part.shape)
        twin.set_weights([kernels[i], *([biases[i]] if biases is not None else [])])
        results.append(twin(part))
    return keras.ops.concatenate(results, axis=-1)
