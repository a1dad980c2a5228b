"""Finds the channels of a Keras graph that can be removed, and which of them can only be removed together.

A channel is one number of a tensor's last axis. What a convolution or a dense layer makes is new channels; activations,
pooling, normalization and depthwise convolutions pass channels on; a sum makes one channel of two. All channels that a
layer makes, and those that are one with them, are a family. Channels that anything else reads stay as they are, such as
those that a detector's head reshapes, and those of the model's inputs and outputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.compress.copying import require_graph
from zoo.compress.prune.kinds import Kind, kind_of, treats_alone
from zoo.graph import calls_of, graph_of, has_graph

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[np.int64]


@dataclass
class Weighted:
    """A layer whose weights, or whose configuration, have a number for each channel."""

    layer: Any
    kind: Kind
    ins: Array
    """The channels that it reads, in order; one that it reads several times, as behind a flattened map, as often."""
    outs: Array
    """The channels that it makes or passes on, in order."""
    positions: int
    """Number of places at which its kernel is applied, in all its calls."""

    @property
    def groups(self) -> int:
        """Number of groups of a grouped convolution, otherwise 1."""
        return int(self.layer.groups) if self.kind == "grouped" else 1


@dataclass(frozen=True, eq=False)
class Family:
    """Channels that the same layers make, of which some may be removed."""

    name: str
    """The name of the first layer that makes them."""
    channels: Array
    """The channels, in the order in which that layer makes them."""
    parts: Array
    """The part that each channel belongs to, from 0; as many channels must be left in each, for grouped layers."""
    added: bool
    """Whether a sum has made channels of several layers one: those of a residual stream."""


@dataclass(frozen=True, eq=False)
class Channels:
    """The channels of a model, as numbers from 0 to `count` - 1."""

    count: int
    layers: tuple[Weighted, ...]
    """The layers with weights of channels, in the order of the graph."""
    families: tuple[Family, ...]


def find_channels(model: keras.Model) -> Channels:
    """Returns the channels of a functional or Sequential model, and those of nested models.

    Raises:
        CompressionError: the model has no graph.
    """
    require_graph(model)
    walk = _Walk()
    for tensor in graph_of(model).inputs:
        walk.fix(walk.at(tensor))
    walk.through(model)
    for tensor in graph_of(model).outputs:
        walk.fix(walk.at(tensor))
    return walk.result()


@dataclass
class _Walk:
    """The state of a walk through a graph."""

    parents: list[int] = field(default_factory=list)
    """For each number the number that it is one with; a channel is a number that is its own."""
    known: dict[int, Array] = field(default_factory=dict)
    """The numbers of each tensor's last axis, by the tensor's identity."""
    tensors: list[Any] = field(default_factory=list)
    """The tensors, so that no identity is used twice."""
    found: dict[int, Weighted] = field(default_factory=dict)
    """The layers with weights of channels, by the layer's identity."""
    made: list[tuple[str, Array]] = field(default_factory=list)
    """The layers that make channels, by name, with these."""
    fixed: list[Array] = field(default_factory=list)
    sums: list[Array] = field(default_factory=list)
    grouped: list[tuple[Array, int]] = field(default_factory=list)
    """Numbers of which as many must be left in each of so many equal pieces."""

    def new(self, count: int) -> Array:
        """Returns new numbers."""
        first = len(self.parents)
        self.parents.extend(range(first, first + count))
        return np.arange(first, first + count, dtype=np.int64)

    def fix(self, numbers: Array) -> None:
        """Keeps channels from being removed."""
        self.fixed.append(numbers)

    def find(self, number: int) -> int:
        """Returns the channel that a number stands for."""
        parents = self.parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    def join(self, one: Array, other: Array) -> None:
        """Makes the channels of two equally long arrays one, number by number."""
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            first, second = sorted((self.find(a), self.find(b)))
            self.parents[second] = first

    def at(self, tensor: Any) -> Array:
        """Returns the numbers of a tensor's last axis; new ones, which stay, for a tensor that nothing is known of."""
        if id(tensor) not in self.known:
            size = tensor.shape[-1] if len(tensor.shape) > 1 else 1
            self.set(tensor, self.new(int(size or 1)))
            self.fix(self.known[id(tensor)])
        return self.known[id(tensor)]

    def set(self, tensor: Any, numbers: Array) -> None:
        """Notes the numbers of a tensor's last axis."""
        self.known[id(tensor)] = numbers
        self.tensors.append(tensor)

    def through(self, model: Any) -> None:
        """Follows the channels through a model, and through the models in it."""
        for call in calls_of(graph_of(model)):
            operation, inputs, outputs = call.operation, call.input_tensors, call.outputs
            if not has_graph(operation):
                self._call(operation, inputs, outputs)
                continue
            inner = graph_of(operation)
            for tensor, given in zip(inner.inputs, inputs, strict=True):
                self.set(tensor, self.at(given))
            self.through(operation)
            for tensor, made in zip(outputs, inner.outputs, strict=True):
                self.set(tensor, self.at(made))

    def _call(self, layer: Any, inputs: list[Any], outputs: list[Any]) -> None:
        ins = [self.at(tensor) for tensor in inputs]
        kind = kind_of(layer, inputs, outputs)
        out: Array | None = None
        if kind in {"dense", "grouped", "separable", "depthwise"}:
            out = self._kernel(layer, kind, ins[0], outputs[0])
        elif kind in {"vector", "same", "reshape"}:
            out = ins[0]
            if kind != "same":
                self._note(layer, kind, out, out, 0)
        elif kind == "flatten":
            out = np.tile(ins[0], math.prod(inputs[0].shape[1:-1]))
        elif kind == "join":
            out = np.concatenate(ins)
        elif kind in {"sum", "product"}:
            out = self._merge(kind, ins)
        if out is None:
            for numbers in ins:
                self.fix(numbers)
        else:
            self.set(outputs[0], out)

    def _kernel(self, layer: Any, kind: Kind, ins: Array, output: Any) -> Array:
        size, positions = int(output.shape[-1]), math.prod(int(n or 1) for n in output.shape[1:-1])
        if kind == "depthwise":
            out = np.repeat(ins, size // len(ins))
        else:
            before = self.found.get(id(layer))
            out = self.new(size) if before is None else before.outs
            if before is None:
                self.made.append((layer.name, out))
        if kind == "grouped":
            self.grouped += [(ins, layer.groups), (out, layer.groups)]
        if not treats_alone(layer):
            self.fix(out)
        self._note(layer, kind, ins, out, positions)
        return out

    def _note(self, layer: Any, kind: Kind, ins: Array, outs: Array, positions: int) -> None:
        """Notes a call; channels that a layer treats by the same weights in several calls are one."""
        before = self.found.get(id(layer))
        if before is None:
            self.found[id(layer)] = Weighted(layer, kind, ins, outs, positions)
            return
        self.join(before.ins, ins)
        self.join(before.outs, outs)
        before.positions += positions

    def _merge(self, kind: Kind, ins: list[Array]) -> Array:
        widest = max(ins, key=len)
        for numbers in ins:
            if len(numbers) == len(widest):
                self.join(widest, numbers)
        if kind == "sum":
            self.sums.append(widest)
        return widest

    def result(self) -> Channels:
        """Returns what was found, with channels instead of numbers."""
        channel = np.array([self.find(number) for number in range(len(self.parents))], np.int64)
        for one in self.found.values():
            one.ins, one.outs = channel[one.ins], channel[one.outs]
        families = tuple(self._families(channel))
        return Channels(len(channel), tuple(self.found.values()), families)

    def _families(self, channel: Array) -> Iterator[Family]:
        """Yields the families that may lose channels."""
        fixed = _mask(len(channel), [channel[numbers] for numbers in self.fixed])
        added = _mask(len(channel), [channel[numbers] for numbers in self.sums])
        owner = np.full(len(channel), -1, np.int64)
        groups: list[tuple[str, Array]] = []
        for name, numbers in self.made:
            mine = channel[numbers]
            members, there = np.unique(mine), np.unique(owner[mine])
            for other in there[there >= 0]:
                members = np.union1d(members, groups[other][1])
            first = groups[there[there >= 0].min()] if (there >= 0).any() else (name, mine)
            ordered = np.concatenate([first[1], np.setdiff1d(members, first[1])])
            owner[members] = len(groups)
            groups.append((first[0], ordered))
        for i in np.unique(owner[owner >= 0]):
            name, members = groups[i]
            _, place = np.unique(members, return_index=True)
            members = members[np.sort(place)]
            parts = self._parts(channel, members)
            if parts is not None and not fixed[members].any():
                yield Family(name, members, parts, bool(added[members].any()))

    def _parts(self, channel: Array, members: Array) -> Array | None:
        """Returns the part of each channel of a family; None if grouped layers divide it in no even way."""
        place = {int(one): i for i, one in enumerate(members)}
        labels = np.zeros(len(members), np.int64)
        for numbers, groups in self.grouped:
            mine = channel[numbers]
            inside = np.isin(mine, members)
            if not inside.any():
                continue
            if not inside.all() or len(np.unique(mine)) != len(mine) or len(mine) != len(members):
                return None
            size = len(mine) // groups
            where = np.array([place[int(one)] for one in mine])
            labels[where] = labels[where] * groups + np.arange(len(mine)) // size
        _, parts = np.unique(labels, return_inverse=True)
        return parts if len(np.unique(np.bincount(parts))) == 1 else None


def _mask(count: int, chosen: list[Array]) -> npt.NDArray[np.bool_]:
    mask = np.zeros(count, bool)
    for one in chosen:
        mask[one] = True
    return mask
