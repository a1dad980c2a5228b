"""Recurrent layers for integer files: unrolled, one copy of the cell for each step.

The converter's integer quantization does not know loops, and ends the whole process on one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.errors import ExportError

if TYPE_CHECKING:
    import keras

MAX_STEPS = 256
"""The most steps that are unrolled; each is some ten operations, and the converter's time grows with their square."""
START = 2.0**-20
"""The value of every initial state, instead of 0, so small that no answer shows it.

With 0 TensorFlow leaves out what a first step multiplies with it. The split into gates then has a part that nothing
reads, has no measured range, and would stay in float.
"""


def is_recurrent(layer: Any) -> bool:
    """Returns whether a layer runs a cell over the steps of its input, in one direction or in both."""
    import keras

    return isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional)


def unrolled(layer: Any, x: keras.KerasTensor, **kwargs: Any) -> Any:
    """Calls the unrolled twin of a recurrent layer, with the same weights.

    Args:
        layer: see `is_recurrent`.
        x: its input, `(batch, steps, ...)` with all sizes fixed.
        **kwargs: further arguments of the call, such as an initial state.

    Raises:
        ExportError: it has too many steps, or keeps its state from one run to the next.
    """
    name = f"layer {layer.name!r} ({type(layer).__name__})"
    if x.shape[1] > MAX_STEPS:
        raise ExportError(
            f"{name} has {x.shape[1]} steps, and integer files unroll them, at most {MAX_STEPS}: give it fewer (pool "
            "before it, say), or choose none, float16 or dynamic"
        )
    if getattr(layer, "stateful", False):
        raise ExportError(f"{name} is stateful, and a file keeps no state from one run to the next: build it without")
    twin = type(layer).from_config(_config(layer))
    twin.build(x.shape)
    twin.set_weights(layer.get_weights())
    if kwargs.get("initial_state") is None:
        kwargs["initial_state"] = _start(twin, x.shape[0])
    return twin(x, **kwargs)


def _config(layer: Any) -> dict[str, Any]:
    """Returns the layer's settings, with every loop in them unrolled."""
    config: dict[str, Any] = layer.get_config()
    if "unroll" in config:
        return config | {"unroll": True}
    for part in ("layer", "backward_layer"):  # of a Bidirectional
        if isinstance(config.get(part), dict):
            inner = config[part]
            config[part] = inner | {"config": inner["config"] | {"unroll": True}}
    return config


def _start(twin: Any, batch: int) -> Any:
    """Returns the initial state of a layer in its own structure; a Bidirectional takes both states in one list."""
    import keras

    if isinstance(twin, keras.layers.Bidirectional):
        return [*_start(twin.forward_layer, batch), *_start(twin.backward_layer, batch)]
    return keras.tree.map_structure(
        lambda state: keras.ops.full(state.shape, START, dtype=state.dtype), twin.get_initial_state(batch)
    )
