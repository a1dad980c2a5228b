"""Builds the graph that computes as the int8 file of a model does: what a quantization-aware training trains.

A file rounds activations where TensorFlow's converter does it: behind every convolution, dense layer, sum and mean, and
behind the ReLU that is a part of it; not behind what hands numbers on, nor behind a softmax or sigmoid, whose scale is
always 1/256. Convolutions that are joined have one range behind the concatenation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.compress import ranges, supported
from zoo.compress.folding import fold_batch_norms
from zoo.errors import CompressionError, OptionError, closest
from zoo.graph import Scaling, calls_of, graph_of, rebuild, scaling_of
from zoo.inputs.preprocessing import is_picture
from zoo.tasks.objects.boxes import LARGEST_CODE

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

BATCH = 16
"""Number of inputs that are calibrated on at a time."""
SUFFIX = "_range"
"""What is added to a layer's name for the name of the range behind it."""
INPUT = "input"
"""The name before `SUFFIX` of the range of the input."""


def quantize_aware(
    model: keras.Model, *, weight_bits: int = 8, per_tensor: bool = False, keep_float: Sequence[str] = ()
) -> keras.Model:
    """Returns a model with new layers that computes as the int8 file of `model` does.

    Batch normalization is folded. Layers keep their names; a softmax or sigmoid inside a layer becomes one of its own.
    The ranges of activations are empty until `calibrate` measures them; that of pixels is given.

    Args:
        model: a functional or Sequential model from raw pixels or values; it is left as it is.
        weight_bits: the number of bits of a weight, 2 to 8. The first and the last layer with weights, and depthwise
            layers, always have 8.
        per_tensor: whether each kernel has one scale instead of one for each channel of its output; dense layers
            always have one.
        keep_float: the names of layers with weights that are not rounded, nor are their activations.

    Raises:
        CompressionError: the model holds a layer whose integer arithmetic is not simulated; the message names it.
        OptionError: the number of bits is not allowed, or the model has no such layer to keep.
    """
    from zoo.compress.fake import ActivationRange

    if isinstance(weight_bits, bool) or weight_bits not in supported.BITS:
        raise OptionError(f"weight_bits={weight_bits!r} is not allowed; give {min(supported.BITS)} to 8")
    if any(is_range(layer) for layer in getattr(model, "layers", ())):
        raise CompressionError(f"{model.name} is being trained for int8 already")
    folded = fold_batch_norms(model)
    supported.require_supported(folded, per_tensor=per_tensor)
    _require_layers(folded, keep_float)
    places = dict(_places(folded, keep_float))
    makers = _Makers(folded, weight_bits, per_tensor=per_tensor, keep_float=keep_float)
    scaling = scaling_of(folded)

    def behind(layer: Any, x: Any) -> Any:
        if layer.name not in places:
            return x
        return ActivationRange(limit=places[layer.name], name=layer.name + SUFFIX)(x)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        x = args[0]
        if x is entry and scaling is not None:
            return _scaled(layer, x, scaling)
        if x is entry:
            args = (_entered(x), *args[1:])
        x = makers.of(layer)(*args, **kwargs)
        end = makers.end_of(layer)
        return behind(layer, x) if end is None else end(behind(layer, x))

    import keras

    first = folded.inputs[0]
    entry = keras.Input(first.shape[1:], dtype=first.dtype, name=first.name)
    aware = rebuild(folded, call, entry)
    makers.copy_weights()
    return aware


def is_range(layer: Any) -> bool:
    """Whether a layer rounds activations within a range."""
    from zoo.compress.fake import ActivationRange

    return isinstance(layer, ActivationRange)


def is_rounded(layer: Any) -> bool:
    """Whether a layer rounds its kernel as an int8 file does."""
    from zoo.compress import fake

    return fake.is_rounded(layer)


def calibrate(aware: keras.Model, inputs: Array, method: ranges.Method = "minmax") -> None:
    """Measures the ranges of a model that `quantize_aware` built; activations are not rounded meanwhile.

    Args:
        aware: the model.
        inputs: raw pixels or values as the model takes them, `(count, ...)`.
        method: how a range is chosen, see `zoo.compress.ranges`.

    Raises:
        OptionError: there is no such method.
    """
    import keras
    import tensorflow as tf

    ranges.check_method(method)
    seen: list[tuple[Any, Any]] = []

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_range(layer):
            return layer(*args, **kwargs)
        if layer.fixed:
            return layer(args[0])
        seen.append((layer, args[0]))
        return args[0]

    probe = rebuild(aware, call)
    open_ranges = [layer for layer, _ in seen]
    watched = keras.Model(probe.inputs, [tensor for _, tensor in seen])

    def look(batch: Any) -> Any:
        # Only some of the values leave the graph: all of them would fill the memory.
        found = []
        for x in watched(batch, training=False):
            flat = tf.reshape(x, (tf.shape(x)[0], -1))
            kept = tf.gather(flat, ranges.places(int(np.prod(x.shape[1:]))), axis=1)
            found.append((tf.reduce_min(x), tf.reduce_max(x), kept))
        return found

    run = tf.function(look, reduce_retracing=True)
    watches = [ranges.Watch() for _ in open_ranges]
    for start in range(0, len(inputs), BATCH):
        batch = tf.constant(np.asarray(inputs[start : start + BATCH], np.float32))
        for watch, (low, high, kept) in zip(watches, run(batch), strict=True):
            watch.add_drawn(float(low), float(high), np.asarray(kept))
    for layer, watch in zip(open_ranges, watches, strict=True):
        chosen = watch.seen().range(method)
        layer.set_range(chosen.low, chosen.high)


class _Makers:
    """The new layer for each layer of a folded model; a layer that is called once has one."""

    def __init__(self, model: keras.Model, bits: int, *, per_tensor: bool, keep_float: Sequence[str]) -> None:
        weighted = [call.operation for call in calls_of(graph_of(model)) if supported.is_weighted(call.operation)]
        self._ends = {id(weighted[0]), id(weighted[-1])}
        self._bits, self._per_tensor, self._float = bits, per_tensor, frozenset(keep_float)
        self._made: list[tuple[Any, Any]] = []

    def of(self, layer: Any) -> Any:
        """Returns the new layer, without a softmax or sigmoid inside of one with weights."""
        from zoo.compress.fake import KINDS

        config = layer.get_config()
        if not supported.is_weighted(layer):
            return type(layer).from_config(config)
        if supported.ends(layer):
            config["activation"] = "linear"
        kind = KINDS[type(layer)]
        if layer.name in self._float:
            kind = type(layer)
        else:
            config["bits"] = self._bits_of(layer)
            if self._per_tensor:
                config["per_tensor"] = True
        new = kind.from_config(config)
        self._made.append((new, layer))
        return new

    def end_of(self, layer: Any) -> Any:
        """Returns the softmax or sigmoid inside of a layer with weights as a layer of its own; None if it has none."""
        from keras import layers

        if not (supported.is_weighted(layer) and supported.ends(layer)):
            return None
        kind = supported.activation_of(layer)
        return layers.Activation(kind, name=f"{layer.name}_{kind}")

    def copy_weights(self) -> None:
        """Gives the new layers the weights of the old ones."""
        for new, layer in self._made:
            new.set_weights(layer.get_weights())

    def _bits_of(self, layer: Any) -> int:
        whole = id(layer) in self._ends or type(layer).__name__ == "DepthwiseConv2D"
        return 8 if whole else self._bits


def _scaled(layer: Any, x: Any, scaling: Scaling) -> Any:
    """Scales pixels as an integer file's input does, whose zero point is a whole pixel, and rounds them to its values.

    With -1..1 the pixel 127 stands for 0, and not 127.5: the shift of half a pixel is that of every file.
    """
    from keras import layers

    exact = layers.Rescaling(scaling.scale, offset=-scaling.zero_point * scaling.scale, name=layer.name)
    return _entered(exact(x), scaling)


def _entered(x: Any, scaling: Scaling | None = None) -> Any:
    """Rounds the input: pixels to themselves, values within a range that is measured."""
    from zoo.compress.fake import ActivationRange

    if not is_picture(tuple(x.shape[1:])):
        return ActivationRange(name=INPUT + SUFFIX)(x)
    scaling = scaling or Scaling(1.0, 0.0)
    low = -scaling.zero_point * scaling.scale
    return ActivationRange(low, low + 255 * scaling.scale, fixed=True, name=INPUT + SUFFIX)(x)


def _places(model: keras.Model, keep_float: Sequence[str]) -> Iterator[tuple[str, float | None]]:
    """Yields the names of the layers behind which activations are rounded, with the limit of the range there."""
    calls = calls_of(graph_of(model))
    readers: dict[int, list[Any]] = {}
    for call in calls:
        for tensor in call.input_tensors:
            readers.setdefault(id(tensor), []).append(call.operation)
    outputs = {id(tensor) for tensor in graph_of(model).outputs}

    def next_of(tensor: Any) -> list[Any]:
        return readers.get(id(tensor), []) + [None] * (id(tensor) in outputs)

    def reaches(tensor: Any, kind: str) -> bool:
        """Whether a tensor alone goes into a layer of a kind, at most through layers that hand its scale on."""
        following = next_of(tensor)
        if len(following) != 1 or following[0] is None:
            return False
        layer = following[0]
        return type(layer).__name__ == kind or (supported.passes_on(layer) and reaches(layer.output, kind))

    floats = set(keep_float)
    for call in calls:
        layer, tensor = call.operation, call.outputs[0]
        following = next_of(tensor)
        fused = len(following) == 1 and following[0] is not None and supported.is_relu(following[0])
        if layer.name in floats:
            floats |= {following[0].name} if fused and supported.fuses_relu(layer) else set()
            continue
        if supported.passes_on(layer) or (supported.ends(layer) and not supported.is_weighted(layer)):
            continue
        if (fused and supported.fuses_relu(layer)) or reaches(tensor, "Concatenate"):
            continue
        yield layer.name, LARGEST_CODE if reaches(tensor, "Anchors") else None


def _require_layers(model: keras.Model, names: Iterable[str]) -> None:
    """Refuses names that are not those of layers with weights.

    Raises:
        OptionError: the message names the closest layer.
    """
    known = [call.operation.name for call in calls_of(graph_of(model)) if supported.is_weighted(call.operation)]
    for name in names:
        if name not in known:
            raise OptionError(
                f"{model.name} has no layer with weights called {name!r}; {closest(name, known)}zoo info lists them"
            )
