"""What a diagnosis finds: the loss of each layer, and of the whole model."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from zoo.compress.ranges import Method, Range


@dataclass(frozen=True)
class Loss:
    """How far answers are from those of the float model."""

    divergence: float
    """The Kullback-Leibler divergence in nats, on average over the inputs; 0 where nothing is lost."""
    changed: float
    """The share of answers that are others, 0..1: named classes, or objects."""


@dataclass(frozen=True)
class Weights:
    """What it costs to round one layer's weights, all else in float."""

    int8: Loss
    """As an int8 file has them: one scale a channel, of a dense layer one in all."""
    per_tensor: Loss
    """With one scale in all."""
    four_bits: Loss
    """With 4 bits, and the scales of `int8`."""
    spread: float
    """How many times as large the weights of the largest channel are as those of a small one (the tenth percentile)."""


@dataclass(frozen=True)
class Activation:
    """What it costs to round one layer's results to 8 bits, all else in float."""

    loss: Loss
    seen: Range
    """The range of all values."""
    inner: Range
    """The range without the outermost 0.01% at each end."""
    clipped: Loss | None = None
    """The loss with that range; None where it is about as wide."""

    @property
    def outliers(self) -> float:
        """How many times as wide as without its outermost values the range is."""
        return self.seen.width / self.inner.width if self.inner.width > 0 else 1.0


@dataclass(frozen=True)
class Row:
    """One layer, by the name that it has in Keras; `input` for the model's input."""

    layer: str
    kind: str
    weights: Weights | None
    """None for a layer without a kernel."""
    activation: Activation | None
    """None where the results have the scale of another layer's, or one that is always the same."""
    readers: tuple[str, ...] = ()
    """The layers that read its results."""

    @property
    def together(self) -> tuple[str, ...]:
        """The layers that have to stay float for the loss to be gone: with the results also those that read them."""
        weights = self.weights.int8.divergence if self.weights else 0.0
        return (self.layer,) if weights > self.divergence / 2 else (self.layer, *self.readers)

    @property
    def divergence(self) -> float:
        """What the layer loses in an int8 file, by its weights and by its results."""
        weights = self.weights.int8.divergence if self.weights else 0.0
        return weights + (self.activation.loss.divergence if self.activation else 0.0)

    @property
    def per_tensor_divergence(self) -> float:
        """The same in a file whose weights have one scale a layer."""
        weights = self.weights.per_tensor.divergence if self.weights else 0.0
        return weights + (self.activation.loss.divergence if self.activation else 0.0)


@dataclass(frozen=True)
class Advice:
    """One thing to do, or to know."""

    what: str
    """One of `nothing`, `clip`, `keep_float`, `train`, `equalize`, `four_bits`."""
    layers: tuple[str, ...]
    """The layers that it is about; none if it is about the whole model."""
    text: str
    """It in words, in one line."""


@dataclass(frozen=True)
class Diagnosis:
    """What 8 bits cost a model, layer by layer."""

    model: str
    task: str
    inputs: int
    """Number of inputs whose answers were compared for each layer."""
    together: int
    """Number of inputs whose answers were compared with all layers rounded."""
    calibrated_on: int
    """Number of inputs on which ranges were measured."""
    method: Method
    """How ranges were chosen."""
    rows: tuple[Row, ...]
    """The layers, the one that loses most first."""
    whole: dict[str, Loss]
    """What is lost with all layers rounded: in `int8`, with weights `per_tensor`, and with weights of `four_bits`; and
    where uneven channels are to blame, the first two of the model with its channels balanced: `equalized` and
    `per_tensor_equalized`."""
    advice: tuple[Advice, ...] = field(default=())

    @property
    def total(self) -> float:
        """The sum of the divergences of all layers, each alone."""
        return sum(row.divergence for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        found = dataclasses.asdict(self)
        for row, plain in zip(self.rows, found["rows"], strict=True):
            plain["divergence"] = row.divergence
            if row.activation:
                plain["activation"]["outliers"] = row.activation.outliers
        return found
