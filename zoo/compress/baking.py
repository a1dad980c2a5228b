"""Makes a plain model of one that was trained for int8: its kernels hold the values that the file will have.

TensorFlow's converter finds the scale of a channel by its largest magnitude and rounds to whole multiples, which gives
exactly the numbers that were learnt: so the graph for it has no rounding of weights, which it could not convert for the
channels of depthwise layers. One scale for a whole convolution it takes from such an operation alone. A channel whose
weights are next to nothing gets a larger scale from it, so that the bias fits into 32 bits; its answers stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.compress.graph import is_range, is_rounded
from zoo.errors import CompressionError
from zoo.graph import has_graph, rebuild

if TYPE_CHECKING:
    import keras


def is_quantization_aware(model: keras.Model) -> bool:
    """Whether a model computes as an int8 file does: `zoo.compress.graph.quantize_aware` built it."""
    return _holds(model, lambda layer: is_range(layer) or is_rounded(layer))


def is_per_tensor(model: keras.Model) -> bool:
    """Whether all kernels of a model, those of convolutions too, have one scale each."""
    return all(layer.per_tensor for layer in model.layers if is_rounded(layer))


def facts_of(model: keras.Model) -> dict[str, Any]:
    """Returns what a model was trained for: `weight_bits`, the fewest of any layer, and `per_tensor`, for a card."""
    bits = [layer.bits for layer in model.layers if is_rounded(layer)]
    return {"weight_bits": min(bits, default=8), "per_tensor": is_per_tensor(model)}


def bake(aware: keras.Model, *, ranges: bool = True) -> keras.Model:
    """Returns a model of plain layers with rounded kernels, for the converter without example inputs.

    Args:
        aware: a model that `quantize_aware` built; it is left as it is, and layers without a kernel are shared.
        ranges: whether the rounding of activations stays. Without it the model is a plain float one, in which only
            weights are rounded.

    Raises:
        CompressionError: the model does not compute as an int8 file does.
    """
    from zoo.compress.fake import KINDS

    if not is_quantization_aware(aware):
        raise CompressionError(f"{aware.name} was not trained for int8: zoo train --from RUN --quantize-aware does it")
    kinds = {rounded: kind for kind, rounded in KINDS.items()}

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if is_range(layer) and not ranges:
            return args[0]
        if not is_rounded(layer):
            return layer(*args, **kwargs)
        config = layer.get_config()
        by_operation = ranges and layer.per_tensor and len(layer.kernel.shape) == 4
        if by_operation:
            plain = type(layer).from_config(config)
            plain.by_operation = True
        else:
            plain = kinds[type(layer)].from_config(
                {name: value for name, value in config.items() if name not in {"bits", "per_tensor"}}
            )
        plain.build(args[0].shape)
        numbers, scale = (np.asarray(part, np.float64) for part in layer.grid())
        plain.set_weights([(numbers * scale).astype(np.float32), *map(np.asarray, [layer.bias] * layer.use_bias)])
        return plain(*args, **kwargs)

    return rebuild(aware, call)


def _holds(model: Any, wanted: Any) -> bool:
    layers = getattr(model, "layers", ())
    return any(wanted(layer) or (has_graph(layer) and _holds(layer, wanted)) for layer in layers)
