"""A model whose layers can be quantized one at a time, without being built or traced anew.

The graph is cut into pieces. What goes into each piece is kept from the float run, so that a change of one layer costs
a run of what stands behind it only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from zoo.compress.ranges import Range, Seen, Watch, places
from zoo.graph import calls_of, graph_of

Array = npt.NDArray[Any]

PIECES = 24
"""Number of pieces that a graph is cut into, if it has as many layers."""


class Switch(keras.layers.Layer):
    """Hands on values as they are, or where it is switched on as 8 bits store them.

    It stands where an int8 file stores an activation.
    """

    def build(self, input_shape: Any) -> None:
        """Makes the ends of the range and the switch, scalars that are not trained."""
        self.low, self.high, self.on = (
            self.add_weight(shape=(), initializer="zeros", trainable=False, name=name) for name in ("low", "high", "on")
        )

    def call(self, inputs: Any) -> Any:
        """Returns the values, rounded where the switch is on."""

        def rounded() -> Any:
            return tf.quantization.fake_quant_with_min_max_vars(inputs, self.low, self.high)

        return tf.cond(tf.convert_to_tensor(self.on) > 0, rounded, lambda: tf.identity(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape

    def set_range(self, ends: Range) -> None:
        """Sets the ends, moved so that zero is one of the 256 values as in a file."""
        scale = max(ends.width, 1e-6) / 255
        zero = np.clip(np.rint(-ends.low / scale), 0, 255)
        self.low.assign(-zero * scale)
        self.high.assign((255 - zero) * scale)


@dataclass(frozen=True)
class _Piece:
    run: Any
    """A function of the tensors that go in, which returns a list of those that come out."""
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    """The identities of these tensors in the model's graph."""
    layers: frozenset[str]


class Probe:
    """Runs a model on the same inputs again and again, each time with other layers quantized.

    Args:
        model: a functional model with one input, whose layers are called once each.
        inputs: `(count, *input_shape)`.
    """

    def __init__(self, model: keras.Model, inputs: Array) -> None:
        graph = graph_of(model)
        self._outputs = [id(output) for output in graph.outputs]
        self._entry = id(graph.inputs[0])
        self._layers: dict[str, Any] = {layer.name: layer for layer in graph.layers}
        self._pieces = _cut(graph)
        self._place = {name: i for i, piece in enumerate(self._pieces) for name in piece.layers}
        self._changed: set[str] = set()
        self._kept: dict[int, Any] = {self._entry: tf.constant(inputs, tf.float32)}
        for piece in self._pieces:
            found = piece.run([self._kept[one] for one in piece.inputs])
            self._kept |= dict(zip(piece.outputs, found, strict=True))
        self.reference = self._read(self._kept)
        """The outputs with nothing quantized, one array for each."""

    @contextlib.contextmanager
    def kernel(self, name: str, values: Array) -> Iterator[None]:
        """Gives a layer another kernel inside of the block."""
        variable = self._layers[name].kernel
        before = np.asarray(variable)
        variable.assign(values)
        with self._noted(name):
            yield
        variable.assign(before)

    @contextlib.contextmanager
    def switched_on(self, name: str) -> Iterator[None]:
        """Switches a `Switch` on inside of the block."""
        self._layers[name].on.assign(1.0)
        with self._noted(name):
            yield
        self._layers[name].on.assign(0.0)

    def outputs(self) -> list[Array]:
        """Returns the outputs with what is changed at the moment."""
        values, stale = dict(self._kept), set[int]()
        for piece in self._pieces:
            if not (piece.layers & self._changed or stale & set(piece.inputs)):
                continue
            found = piece.run([values[one] for one in piece.inputs])
            values |= dict(zip(piece.outputs, found, strict=True))
            stale |= set(piece.outputs)
        return self._read(values)

    @contextlib.contextmanager
    def _noted(self, name: str) -> Iterator[None]:
        self._changed.add(name)
        yield
        self._changed.discard(name)

    def _read(self, values: dict[int, Any]) -> list[Array]:
        return [np.asarray(values[one], np.float32) for one in self._outputs]


def watch(model: keras.Model, names: Sequence[str], inputs: Array, batch: int) -> list[Seen]:
    """Returns what goes into some layers of a functional model.

    Args:
        model: with one input.
        names: the names of the layers, which read one tensor each.
        inputs: `(count, *input_shape)`.
        batch: the number of inputs that are run at once.
    """
    graph = graph_of(model)
    tensors = [model.get_layer(name).input for name in names]
    taps = keras.Model(graph.inputs[0], tensors)

    def run(some: Any) -> Any:
        found = []
        for values in keras.tree.flatten(taps(some, training=False)):
            flat = tf.reshape(values, (tf.shape(values)[0], -1))
            kept = tf.gather(flat, places(int(np.prod(values.shape[1:]))), axis=1)
            found.append((tf.reduce_min(flat), tf.reduce_max(flat), kept))
        return found

    entry = taps.inputs[0]
    concrete = tf.function(run).get_concrete_function(tf.TensorSpec(entry.shape, entry.dtype))
    watches = [Watch() for _ in names]
    for start in range(0, len(inputs), batch):
        for one, (low, high, kept) in zip(watches, concrete(tf.constant(inputs[start : start + batch])), strict=True):
            one.add_drawn(float(low), float(high), np.asarray(kept))
    return [one.seen() for one in watches]


def _cut(graph: Any) -> list[_Piece]:
    """Cuts a graph into pieces of about as many calls each."""
    calls = calls_of(graph)
    per_piece = max(1, -(-len(calls) // PIECES))
    needed_by_all = {id(output) for output in graph.outputs}
    tensors = {id(one): one for call in calls for one in (*call.input_tensors, *call.outputs)}
    pieces = []
    for start in range(0, len(calls), per_piece):
        own, later = calls[start : start + per_piece], calls[start + per_piece :]
        made = {id(one) for call in own for one in call.outputs}
        read = dict.fromkeys(id(one) for call in own for one in call.input_tensors if id(one) not in made)
        wanted = needed_by_all | {id(one) for call in later for one in call.input_tensors}
        given = [one for one in dict.fromkeys(id(t) for call in own for t in call.outputs) if one in wanted]
        run = _function([tensors[one] for one in read], [tensors[one] for one in given])
        names = frozenset(call.operation.name for call in own)
        pieces.append(_Piece(run, tuple(read), tuple(given), names))
    return pieces


def _function(inputs: list[Any], outputs: list[Any]) -> Any:
    piece = keras.Model(inputs, outputs)
    function = tf.function(lambda values: keras.tree.flatten(piece(values, training=False)))
    # One trace: TensorFlow would warn of the many functions that come from one line.
    return function.get_concrete_function([tf.TensorSpec(one.shape, one.dtype) for one in inputs])
