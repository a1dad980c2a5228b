"""Measures what 8 bits cost in each layer of a model, without a conversion: one layer is quantized at a time."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from zoo.compress.diagnosis.advice import EQUALIZED, advise, unevenly_lost
from zoo.compress.diagnosis.findings import Activation, Diagnosis, Loss, Row, Weights
from zoo.compress.diagnosis.probe import Probe, Switch, watch
from zoo.compress.equalize import equalize, unevenness
from zoo.compress.fake import KINDS, ActivationRange, is_rounded, on_grid
from zoo.compress.graph import INPUT, SUFFIX, calibrate, quantize_aware
from zoo.compress.ranges import Method, Range, Seen
from zoo.errors import CompressionError
from zoo.graph import calls_of, graph_of, rebuild
from zoo.progress import SILENT, Progress
from zoo.tasks import DEFAULT, Task
from zoo.tasks.divergence import divergence

Array = npt.NDArray[Any]

WORK = 1e11
"""Multiply-accumulates of all runs together, about ten seconds on two cores; it limits the number of inputs."""
FEWEST, MOST, MOST_TOGETHER = 8, 64, 400
"""The least and the largest number of inputs, whatever the model's size: for each layer alone, and for all together."""
WATCHED = 100
"""The most inputs on which ranges are measured."""
BATCH = 16
OUTLIERS = 2.0
"""How many times as wide as without its outermost values a range is that is measured without them, too."""
_OF_QUANTIZED = ("bits", "per_tensor")
"""The arguments that a plain layer has not."""
_FUSED = frozenset({"ReLU", "Activation", "LeakyReLU"})
"""Layers that a file has in the operation before them."""
_NOTHING = frozenset({"Anchors", "Dropout", "Identity", "SpatialDropout2D"})
"""Layers that are no operation of a file."""
_ADDING = frozenset({"Add", "Concatenate", "GlobalAveragePooling2D"})
"""Layers without a kernel whose results have a range of their own."""


@dataclass(frozen=True)
class _Kernel:
    """A layer with a kernel."""

    name: str
    kind: str
    kernel: Array
    channel_axes: int
    """How many of the kernel's last axes make the channels of the output."""
    per_tensor: bool
    """Whether it has one scale in an int8 file of ours anyway, as dense layers have."""
    macs: int
    spread: float
    """How many times as large as a small channel's the largest channel's weights are."""

    def rounded(self, *, bits: int = 8, per_tensor: bool = False) -> Array:
        """Returns the kernel as a file of so many bits has it."""
        last = self.kernel.ndim if per_tensor or self.per_tensor else self.kernel.ndim - self.channel_axes
        numbers, scale = on_grid(keras.ops.convert_to_tensor(self.kernel), tuple(range(last)), bits)
        return np.asarray(numbers * scale, np.float32)


def diagnose(
    model: keras.Model,
    inputs: Array,
    task: Task[Any] = DEFAULT,
    *,
    method: Method = "minmax",
    count: int | None = None,
    progress: Progress = SILENT,
) -> Diagnosis:
    """Measures what int8 of each layer's weights and of its activations costs the answers.

    Args:
        model: a float model with one input; what cannot be trained quantization-aware cannot be diagnosed, either.
        inputs: `(n, *input_shape)`: pixels 0..255, or values. Ranges are measured on up to 100 of them.
        task: what the answers are.
        method: how ranges of activations are chosen, see `zoo.compress.ranges`.
        count: the number of inputs on which answers are compared; by default 8 to 64, by the model's size.
        progress: is told how many layers have been measured.

    Raises:
        CompressionError: the model has a layer that is not known to have an int8 form; the message names it.
    """
    graph = quantize_aware(model)
    plain = _with_switches(graph)
    kernels = list(_kernels(graph))
    switches = [layer.name for layer in plain.layers if isinstance(layer, Switch)]
    progress.step("measuring ranges")
    # Examples may stand class by class.
    inputs = np.asarray(inputs[np.random.default_rng(0).permutation(len(inputs))], np.float32)
    seen = dict(zip(switches, watch(plain, switches, inputs[:WATCHED], BATCH), strict=True))
    for name, one in seen.items():
        plain.get_layer(name).set_range(_ends(graph.get_layer(name), one.range(method)))
    compared = inputs[: count or _count(kernels, len(switches))]
    probe = Probe(plain, compared)
    meter = _Meter(probe, task, progress, 3 * len(kernels) + len(switches))
    weights = {one.name: _weights(meter, one) for one in kernels}
    activations = {name: _activation(meter, graph, plain, name, seen[name], method) for name in switches}
    progress.step("measuring all layers together")
    together = _Together(probe, task, plain, inputs[: count or _count_together(kernels)])
    whole = {
        "int8": together.loss({one.name: one.rounded() for one in kernels}, switches),
        "per_tensor": together.loss({one.name: one.rounded(per_tensor=True) for one in kernels}, switches),
        "four_bits": together.loss({one.name: one.rounded(bits=4) for one in kernels}, switches),
    }
    rows = tuple(_rows(plain, {one.name: one.kind for one in kernels}, weights, activations))
    watched = min(len(inputs), WATCHED)
    found = Diagnosis(model.name, task.name, len(compared), len(together.inputs), watched, method, rows, whole)
    for name in unevenly_lost(found):
        progress.step("equalizing channels")
        with contextlib.suppress(CompressionError):  # its answers would change
            found.whole[name] = together.equalized(model, inputs[:WATCHED], per_tensor=name != EQUALIZED)
    return dataclasses.replace(found, advice=tuple(advise(found)))


class _Meter:
    """Compares the answers of a probe with those of the float model."""

    def __init__(self, probe: Probe, task: Task[Any], progress: Progress, total: int) -> None:
        self.probe, self._task, self._progress, self._total, self._done = probe, task, progress, total, 0

    def loss(self) -> Loss:
        """Returns what is lost by what is quantized at the moment."""
        self._progress.step("measuring layers", self._done, self._total)
        self._done += 1
        return _between(self._task, self.probe.reference, self.probe.outputs())


class _Together:
    """Measures what is lost with all layers rounded, on more inputs: the losses of two forms are compared."""

    def __init__(self, probe: Probe, task: Task[Any], plain: keras.Model, inputs: Array) -> None:
        self._probe, self._task, self._plain, self.inputs = probe, task, plain, inputs
        self._reference = self._answers(plain)

    def loss(self, kernels: dict[str, Array], switches: Sequence[str]) -> Loss:
        """Returns what is lost by other kernels and switches together."""
        with contextlib.ExitStack() as stack:
            for name, kernel in kernels.items():
                stack.enter_context(self._probe.kernel(name, kernel))
            for name in switches:
                stack.enter_context(self._probe.switched_on(name))
            return _between(self._task, self._reference, self._answers(self._plain))

    def equalized(self, model: keras.Model, examples: Array, *, per_tensor: bool) -> Loss:
        """Returns what an int8 file of a model loses if its channels are balanced before."""
        graph = quantize_aware(equalize(model, examples).model, per_tensor=per_tensor)
        calibrate(graph, examples)
        return _between(self._task, self._reference, self._answers(graph))

    def _answers(self, model: keras.Model) -> list[Array]:
        outputs = model.predict(self.inputs, batch_size=BATCH, verbose=0)
        return [np.asarray(one, np.float32) for one in keras.tree.flatten(outputs)]


def _between(task: Task[Any], reference: Sequence[Array], found: Sequence[Array]) -> Loss:
    return Loss(divergence(task, reference, found), 1 - task.agreement(reference, found).share)


def _with_switches(graph: keras.Model) -> keras.Model:
    """Returns the float model: a `Switch` stands in the place of each range, a plain layer in that of a rounded one."""
    copies: list[tuple[Any, Any]] = []

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, ActivationRange):
            return Switch(name=layer.name)(args[0])
        if not is_rounded(layer):
            return layer(*args, **kwargs)
        config = layer.get_config()
        kind = next(base for base, quantized in KINDS.items() if type(layer) is quantized)
        copies.append((kind.from_config({key: config[key] for key in config if key not in _OF_QUANTIZED}), layer))
        return copies[-1][0](*args, **kwargs)

    found = rebuild(graph, call)
    for copy, layer in copies:
        copy.set_weights(layer.get_weights())
    return found


def _ends(layer: ActivationRange, chosen: Range) -> Range:
    """Returns the range that a file has in a place: that of pixels is given, and that of boxes has a limit."""
    if layer.fixed:
        return Range(*layer.start)
    limit = np.inf if layer.limit is None else layer.limit
    return Range(max(chosen.low, -limit), min(chosen.high, limit))


def _kernels(graph: keras.Model) -> Iterator[_Kernel]:
    for layer in graph.layers:
        if is_rounded(layer):
            kernel = np.asarray(layer.kernel)
            kind = next(base.__name__ for base, quantized in KINDS.items() if type(layer) is quantized)
            positions = int(np.prod(layer.output.shape[1:-1]))
            yield _Kernel(
                layer.name,
                kind,
                kernel,
                layer.output_axes,
                layer.per_tensor,
                positions * kernel.size,
                unevenness(layer),
            )


def _count(kernels: Sequence[_Kernel], switches: int) -> int:
    """Returns the number of inputs whose answers are compared."""
    # A run begins where something is quantized: on average it is half of the model.
    once = sum(one.macs for one in kernels) * (3 * len(kernels) + switches) / 2
    return int(np.clip(WORK / max(once, 1.0), FEWEST, MOST))


def _count_together(kernels: Sequence[_Kernel]) -> int:
    """Returns the number of inputs on which all layers together are measured, in about six runs of the model."""
    return int(np.clip(WORK / max(6.0 * sum(one.macs for one in kernels), 1.0), FEWEST, MOST_TOGETHER))


def _weights(meter: _Meter, kernel: _Kernel) -> Weights:
    def loss(rounded: Array) -> Loss:
        with meter.probe.kernel(kernel.name, rounded):
            return meter.loss()

    int8, per_tensor = loss(kernel.rounded()), loss(kernel.rounded(per_tensor=True))
    return Weights(int8, per_tensor, loss(kernel.rounded(bits=4)), kernel.spread)


def _activation(
    meter: _Meter, graph: keras.Model, plain: keras.Model, name: str, seen: Seen, method: Method
) -> Activation:
    """Returns what the rounding of one activation costs, and what it costs without its outermost values."""
    with meter.probe.switched_on(name):
        loss, clipped = meter.loss(), None
        whole, inner = seen.range("minmax"), seen.range("percentile")
        if method == "minmax" and whole.width > OUTLIERS * inner.width:
            plain.get_layer(name).set_range(_ends(graph.get_layer(name), inner))
            clipped = meter.loss()
            plain.get_layer(name).set_range(_ends(graph.get_layer(name), whole))
    return Activation(loss, whole, inner, clipped)


def _rows(
    plain: keras.Model, kinds: dict[str, str], weights: dict[str, Weights], activations: dict[str, Activation]
) -> list[Row]:
    """Returns a row for each layer that loses anything, those that lose most first."""
    rows: dict[str, Row] = {name: Row(name, kinds[name], one, None) for name, one in weights.items()}
    for name, activation in activations.items():
        layer = _maker(plain.get_layer(name).input, set(weights))
        is_input = name == INPUT + SUFFIX
        own = Row(INPUT, INPUT, None, None) if is_input else Row(layer.name, type(layer).__name__, None, None)
        before = rows.get(own.layer, own)
        readers = tuple(_readers(plain, name, set(weights)))
        rows[own.layer] = dataclasses.replace(before, activation=activation, readers=readers)
    return sorted(rows.values(), key=lambda row: -row.divergence)


def _maker(tensor: Any, weighted: set[str]) -> Any:
    """Returns the layer whose result an activation is: that before a ReLU, because a file has both in one operation."""
    first = tensor._keras_history.operation
    while type(layer := tensor._keras_history.operation).__name__ in _FUSED:
        tensor = layer._inbound_nodes[tensor._keras_history.node_index].input_tensors[0]
    return layer if layer.name in weighted or type(layer).__name__ in _ADDING else first


def _readers(plain: keras.Model, name: str, weighted: set[str]) -> Iterator[str]:
    """Yields the layers that read what a switch hands on, with those that hand it on to them as it is."""
    waiting = [plain.get_layer(name).output]
    while waiting:
        tensor = waiting.pop(0)
        for call in calls_of(graph_of(plain)):
            layer = call.operation
            if all(one is not tensor for one in call.input_tensors) or isinstance(layer, Switch):
                continue
            if type(layer).__name__ not in _NOTHING:
                yield layer.name
            if layer.name not in weighted and type(layer).__name__ not in _ADDING:
                waiting += call.outputs
