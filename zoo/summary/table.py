"""The layer table of a Keras model: shapes, kernels, parameters, MACs and receptive fields."""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo import models
from zoo.errors import InputError
from zoo.graph import kind_of, unallocated

if TYPE_CHECKING:
    import keras

Axes = tuple[int, ...]
"""One number per spatial axis: `(height, width)`, or `(steps,)` in a 1-D net."""

_CONVOLUTIONS = (
    "Conv1D",
    "Conv2D",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "SeparableConv1D",
    "SeparableConv2D",
)
_POOLINGS = ("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D")
_WHOLE_MAP = (
    "Flatten",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
)
_ZERO_PADDINGS = ("ZeroPadding1D", "ZeroPadding2D")


@dataclass(frozen=True)
class Row:
    """A row for one layer. A zero-padding layer has no row: it is part of the padding of the next layer."""

    name: str
    kind: str
    """Class of the layer in Keras."""
    output_shape: tuple[int, ...]
    """Shape of the output without the batch."""
    kernel: Axes | None
    """Size of the window; like the next three fields, None for a layer without a window."""
    stride: Axes | None
    padding: tuple[tuple[int, int], ...] | None
    """Pixels added (before, after) on each spatial axis."""
    groups: int | None
    params: int
    macs: int
    receptive_field: Axes | None
    """Input pixels that one output value depends on, per axis; None for an input without spatial axes."""
    jump: Axes | None
    """Input pixels between two neighbouring output values, per axis."""


@dataclass(frozen=True)
class Summary:
    """A model's layer table and its totals."""

    model: str
    input_shape: tuple[int, ...]
    rows: tuple[Row, ...]
    params: int
    trainable_params: int
    macs: int


@dataclass(frozen=True)
class _Field:
    """The receptive field of a tensor: the state of the recurrence, and zero padding that is not yet in a row."""

    size: Axes
    jump: Axes
    pending: tuple[tuple[int, int], ...]

    def through(self, kernel: Axes, stride: Axes) -> _Field:
        """Returns the field after a layer: r' = r + (k - 1) j and j' = j s, on each axis.

        This is the standard recurrence, e.g. Araujo et al., Computing Receptive Fields of Convolutional Neural
        Networks, Distill 2019, eq. 2, run from the input on.
        """
        return _Field(
            tuple(r + (k - 1) * j for r, k, j in zip(self.size, kernel, self.jump, strict=True)),
            tuple(j * s for j, s in zip(self.jump, stride, strict=True)),
            tuple((0, 0) for _ in kernel),
        )


def summarize(model: keras.Model) -> Summary:
    """Describes a functional model layer by layer; nested models are opened.

    MACs are the multiply-accumulates of convolutions and dense layers for one input, biases and everything
    else not counted, as in the papers.

    Raises:
        InputError: a layer's output has an open size, so that there is nothing to count.
    """
    fields: dict[int, _Field | None] = {}
    rows: list[Row] = []
    for tensor in model.inputs:
        axes = len(tensor.shape) - 2
        start = _Field((1,) * axes, (1,) * axes, ((0, 0),) * axes) if axes > 0 else None
        fields[id(tensor)] = start
    _walk(model, fields, rows)
    return Summary(
        model=model.name,
        input_shape=tuple(model.inputs[0].shape[1:]),
        rows=tuple(rows),
        params=model.count_params(),
        trainable_params=sum(math.prod(w.shape) for w in model.trainable_weights),
        macs=sum(row.macs for row in rows),
    )


def outline(name: str, **options: Any) -> Summary:
    """Describes a registered model without allocating its weights: VGG-16 takes milliseconds, not gigabytes.

    Raises:
        UnknownModelError: no model has this name.
        OptionError: an option it does not take, or a value it does not allow.
        MissingDependencyError: TensorFlow is not installed.
    """
    models.spec(name)
    with unallocated():
        return summarize(models.build(name, **options))


def _walk(model: keras.Model, fields: dict[int, _Field | None], rows: list[Row]) -> None:
    for layer in model.layers:
        kind = kind_of(layer)
        if kind == "InputLayer":
            continue
        inputs, outputs = _tensors(layer, fields)
        field = _widest([fields.get(id(tensor)) for tensor in inputs])
        if hasattr(layer, "layers") and hasattr(layer, "inputs"):
            for tensor in layer.inputs:
                fields[id(tensor)] = field
            _walk(layer, fields, rows)
            field = fields.get(id(layer.outputs[0]))
        elif kind in _ZERO_PADDINGS and field is not None:
            padding = layer.padding if kind == "ZeroPadding2D" else (layer.padding,)
            field = _Field(field.size, field.jump, tuple((int(a), int(b)) for a, b in padding))
        else:
            field = _add_row(layer, kind, inputs[0].shape, outputs[0].shape[1:], field, rows)
        for tensor in outputs:
            fields[id(tensor)] = field


def _tensors(layer: Any, known: Container[int]) -> tuple[list[Any], list[Any]]:
    """Returns inputs and outputs of a layer's call in this graph; `layer.input` may be another graph's."""
    calls = [(node.input_tensors, node.outputs) for node in layer._inbound_nodes]
    return next((call for call in calls if all(id(tensor) in known for tensor in call[0])), calls[0])


def _add_row(
    layer: Any,
    kind: str,
    input_shape: tuple[int | None, ...],
    output_shape: tuple[int, ...],
    field: _Field | None,
    rows: list[Row],
) -> _Field | None:
    kernel = stride = padding = groups = None
    if None in output_shape:
        raise InputError(
            f"layer {layer.name!r} has the open output size {output_shape}; build the model with a fixed one"
        )
    if field is not None and kind in _CONVOLUTIONS + _POOLINGS and len(field.size) != len(output_shape) - 1:
        field = None  # a reshape between 1-D and 2-D: the recurrence ends here
    if kind in _CONVOLUTIONS + _POOLINGS:
        spatial_in, spatial_out = input_shape[1:-1], output_shape[:-1]
        axes = len(spatial_out)
        kernel = _axes(layer.kernel_size if kind in _CONVOLUTIONS else layer.pool_size, axes)
        dilation = _axes(getattr(layer, "dilation_rate", 1), axes)
        reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
        stride = _axes(layer.strides, axes)
        pending = field.pending if field else ((0, 0),) * axes
        padding = tuple(
            _same_padding(n or 0, out, k, s) if layer.padding == "same" else zero
            for n, out, k, s, zero in zip(spatial_in, spatial_out, reach, stride, pending, strict=True)
        )
        if kind in _CONVOLUTIONS:
            depthwise = kind.startswith("Depthwise")
            groups = int(input_shape[-1] or 0) if depthwise else int(getattr(layer, "groups", 1))
        field = field.through(reach, stride) if field else None
    elif kind in _WHOLE_MAP and field is not None:
        # One window that covers the whole map; what is left has no spatial axes, only the field's size.
        spatial = tuple(n or 1 for n in input_shape[1:-1])
        if len(spatial) == len(field.size):
            field = field.through(spatial, (1,) * len(spatial))
    rows.append(
        Row(
            name=layer.name,
            kind=kind,
            output_shape=output_shape,
            kernel=kernel,
            stride=stride,
            padding=padding,
            groups=groups,
            params=layer.count_params(),
            macs=_macs(layer, kind, output_shape),
            receptive_field=field.size if field else None,
            jump=field.jump if field else None,
        )
    )
    return field


def _macs(layer: Any, kind: str, output_shape: tuple[int, ...]) -> int:
    """Returns the multiply-accumulates of one layer: every kernel weight is used once at each output position."""
    if kind != "Dense" and kind not in _CONVOLUTIONS:
        return 0
    names = ("depthwise_kernel", "pointwise_kernel") if kind.startswith("Separable") else ("kernel",)
    weights: int = sum(math.prod(getattr(layer, name).shape) for name in names)
    return weights * math.prod(output_shape[:-1])


def _same_padding(size: int, out: int, reach: int, stride: int) -> tuple[int, int]:
    total = max((out - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def _axes(value: int | tuple[int, ...], axes: int) -> Axes:
    return (int(value),) * axes if isinstance(value, int) else tuple(int(v) for v in value)


def _widest(fields: list[_Field | None]) -> _Field | None:
    """Returns the largest receptive field of a layer's inputs, e.g. of a residual sum, which depends on all of them."""
    known = [field for field in fields if field is not None]
    return max(known, key=lambda field: field.size) if known else None
