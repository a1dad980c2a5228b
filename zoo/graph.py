"""Walks Keras graphs, rebuilds them with the same weights, puts steps in front, and builds them without weights."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.errors import OptionError
from zoo.published import Preparation
from zoo.registry import needs_tensorflow
from zoo.text import count_of

if TYPE_CHECKING:
    import keras

_WAITING = "uninitialized_variables"
NEAR = 1e-3
"""How far the pixel that stands for 0 may be from a whole number by its rounding."""


@dataclass(frozen=True)
class Scaling:
    """How a model scales its pixels: `scale * pixel + offset`, the same for all channels."""

    scale: float
    offset: float

    @property
    def range(self) -> tuple[float, float]:
        """The values of pixels 0 and 255 after scaling."""
        return self.offset, 255 * self.scale + self.offset

    @property
    def zero(self) -> float:
        """The pixel, with its fraction, whose scaled value is 0."""
        return -self.offset / self.scale

    @property
    def zero_point(self) -> int:
        """The pixel that stands for 0 in an integer file."""
        return whole_zero(self.zero)

    @property
    def is_carried(self) -> bool:
        """Whether the one scale and zero point of an integer file's input carry this scaling.

        A zero point is a pixel: a range without 0, such as 1..2, has none, and its scaling stays in the graph.
        """
        return self.scale > 0 and -0.5 <= self.zero <= 255.5


def whole_zero(zero: float) -> int:
    """Returns the whole zero point that is nearest to a real one; of two that are as near, the lower one."""
    return math.ceil(zero - 0.5 - NEAR)


@contextlib.contextmanager
def unallocated() -> Iterator[list[Any]]:
    """Lets models that are built inside the block have shapes and no values; VGG-16 then takes milliseconds to build.

    Yields:
        The variables made so far, including those of a model whose building fails.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
    """
    with needs_tensorflow():
        import keras
        from keras.src.backend.common import global_state

    made: list[Any] = []
    global_state.set_global_attribute(_WAITING, made)
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield made
    finally:
        # Keras keeps such variables in a list (there is no public way to it) and would allocate them later.
        global_state.set_global_attribute(_WAITING, [])


def prepared(pixels: keras.KerasTensor, preparation: Preparation) -> keras.KerasTensor:
    """Adds the layers that prepare raw pixels `(batch, height, width, channels)` as a foreign model wants them.

    One scale for all channels is a plain `Rescaling` and comes first, so that an integer file's input can carry it.

    Raises:
        OptionError: the preparation is one of RGB channels, and the pixels have others.
    """
    from keras import layers

    channels = len(preparation.scale)
    uniform = len(set(preparation.scale)) == len(set(preparation.offset)) == 1
    turned = preparation.order != tuple(range(channels))
    if pixels.shape[-1] != channels and not (uniform and not turned):
        raise OptionError(
            f"pixels of {count_of(pixels.shape[-1], 'channel')} cannot be prepared like those of {channels}"
        )
    if uniform:
        scale, offset = preparation.scale[0], preparation.offset[0]
        x = pixels if (scale, offset) == (1, 0) else layers.Rescaling(scale, offset=offset, name="rescale")(pixels)
        return x[..., ::-1] if turned else x
    x = pixels[..., ::-1] if turned else pixels
    return layers.Rescaling(list(preparation.scale), offset=list(preparation.offset), name="rescale")(x)


def layer_of(tensor: Any) -> Any:
    """Returns the layer that makes a model's input or output, also if the layer is in a nested model."""
    made = tensor._keras_history
    while getattr(made.operation, "outputs", None) and hasattr(made.operation, "layers"):
        made = made.operation.outputs[made.tensor_index]._keras_history
    return made.operation


def layer_name(tensor: Any) -> str:
    """The name of that layer, see `layer_of`."""
    return str(layer_of(tensor).name)


def kind_of(layer: Any) -> str:
    """Returns the kind of a layer by its class: `Conv2D` for one that rounds its kernel as an int8 file does, too."""
    return type(layer).__name__.removeprefix("Quantized")


def has_graph(layer: Any) -> bool:
    """Whether a layer is a model whose graph is known: a functional one, or a Sequential one that is built."""
    import keras

    return isinstance(layer, keras.Model) and bool(getattr(layer, "inputs", None))


def graph_of(model: Any) -> Any:
    """The functional model that holds the graph of a functional or Sequential model; see `has_graph`."""
    return getattr(model, "_functional", model)


def rebuild(model: keras.Model, call: Any, inputs: keras.KerasTensor | None = None) -> keras.Model:
    """Rebuilds a model's graph from the same layers, each of which is called by `call`."""
    import keras

    return keras.models.clone_model(
        _functional(model), input_tensors=inputs, clone_function=lambda layer: layer, call_function=call
    )


def rebuild_nested(model: keras.Model, call: Any, *args: Any, **kwargs: Any) -> Any:
    """Rebuilds a nested model with one input by `rebuild` and calls it, in whatever structure its graph is called."""
    import keras

    rebuilt = rebuild(model, call)
    found = rebuilt(*keras.tree.flatten(args), **kwargs)
    return keras.tree.pack_sequence_as(graph_of(model).output, keras.tree.flatten(found))


def input_readers(model: keras.Model) -> list[Any]:
    """Returns the layers and operations that a model's only input goes into, in the order of their calls."""
    functional = _functional(model)
    entry = functional.inputs[0]
    return [node.operation for node in calls_of(functional) if any(one is entry for one in node.input_tensors)]


def scaling_of(model: keras.Model) -> Scaling | None:
    """Returns the scaling of the model's first layer, if it is one scale and offset for all channels; None if not.

    A per-channel mean (ImageNet's, say) cannot be carried by an input's single scale and stays in the graph. So does a
    scaling of an input that another layer reads as well.
    """
    readers = input_readers(model)
    if len(readers) != 1 or type(readers[0]).__name__ != "Rescaling":
        return None
    first = readers[0]
    try:
        scale, offset = float(first.scale), float(first.offset)
    except TypeError:
        return None
    return Scaling(scale, offset) if scale > 0 else None


def calls_of(functional: keras.Model) -> list[Any]:
    """Returns the calls (Keras: nodes) of a functional model's layers and operations, in order, without its inputs.

    A layer may be called in other models, too; its own list has all of its calls. Keras has no public way to these.
    """
    by_depth = functional._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth] if node.input_tensors]


def _functional(model: keras.Model) -> keras.Model:
    """Returns the same graph as a functional model: a Sequential is none, and cannot be called layer by layer."""
    import keras

    outputs = model.outputs if len(model.outputs) > 1 else model.outputs[0]
    return keras.Model(model.inputs[0], outputs, name=model.name)


def head_index(model: keras.Model) -> int:
    """Returns the index of the last dense layer in `model.layers`.

    A 1x1 convolution of a single cell counts as one; keras.applications' MobileNet ends in such a layer.

    Raises:
        OptionError: the model has no dense layer.
    """
    from keras import layers

    def is_dense(layer: keras.layers.Layer) -> bool:
        if isinstance(layer, layers.Conv2D):
            cells = {tuple(output.shape[1:3]) for node in layer._inbound_nodes for output in node.outputs}
            return layer.kernel_size == (1, 1) and cells == {(1, 1)}
        return isinstance(layer, layers.Dense)

    found = [i for i, layer in enumerate(model.layers) if is_dense(layer)]
    if not found:
        raise OptionError(f"{model.name} has no dense layer to train as its head; use freeze='none'")
    return found[-1]


def split_at_head(model: keras.Model) -> tuple[Any, Any]:
    """Splits a model into two models that share its layers: one from pixels to features, and the head.

    The dropout before the last dense layer is part of the head, because it changes with every batch.
    """
    import keras

    start = head_index(model)
    while isinstance(model.layers[start - 1], keras.layers.Dropout):
        start -= 1
    seen = model.layers[start].input
    entry = keras.Input(seen.shape[1:], dtype=seen.dtype)
    x = entry
    for layer in model.layers[start:]:
        x = layer(x)
    return keras.Model(model.input, seen), keras.Model(entry, x)
