"""How a model prepares its pixels: what a foreign one does, and how ours comes to do the same."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.errors import WeightsError
from zoo.models.vgg16 import MEAN

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

TOLERANCE = 1e-5
"""Of the range that 0..255 becomes: differences below are those of float32 arithmetic."""


@dataclass(frozen=True)
class Preparation:
    """Channel `c` that enters the first convolution is `scale[c] * pixel[order[c]] + offset[c]`, pixels RGB."""

    scale: tuple[float, ...] = (1.0, 1.0, 1.0)
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)
    order: tuple[int, ...] = (0, 1, 2)

    def is_near(self, other: Preparation) -> bool:
        """Whether the difference is rounding."""
        reach = 255 * np.abs(other.scale)
        scale, offset = np.subtract(self.scale, other.scale), np.subtract(self.offset, other.offset)
        near = (np.abs(255 * scale) <= TOLERANCE * reach) & (np.abs(offset) <= TOLERANCE * reach)
        return self.order == other.order and bool(near.all())

    def in_rgb(self) -> Preparation:
        """The same values, in the order of the pixels' own channels."""
        places = np.argsort(self.order)
        return Preparation(tuple(self.scale[c] for c in places), tuple(self.offset[c] for c in places))


RAW = Preparation()
MINUS_1_TO_1 = Preparation((1 / 127.5,) * 3, (-1.0,) * 3)
BGR_MINUS_MEAN = Preparation(offset=tuple(-mean for mean in reversed(MEAN)), order=(2, 1, 0))
"""keras.applications' "caffe" mode."""
CENTERED = Preparation((1 / 127.5,) * 3, tuple(-mean / 127.5 for mean in MEAN))
"""What our VGG-16 does."""


def preparation_of(model: keras.Model, layer: Any, what: str) -> Preparation:
    """Finds out what a whole model does to pixels before they enter its first convolution, by showing it some.

    Args:
        model: with one input of RGB pictures.
        layer: the convolution.
        what: the file's name, for the error.

    Raises:
        WeightsError: it is nothing like a scale and an offset for each channel.
    """
    shape = [size or 64 for size in model.inputs[0].shape[1:]]
    if len(shape) != 3 or shape[-1] != 3:
        raise WeightsError(f"{what} takes inputs of shape {tuple(shape)}, not RGB pictures")
    shown = np.random.default_rng(0).integers(0, 256, (1, *shape)).astype(model.inputs[0].dtype)
    with _watched(layer) as seen, warnings.catch_warnings():
        # Keras warns of an input that is not wrapped as the model's author wrapped his.
        warnings.simplefilter("ignore")
        model(shown, training=False)
    pixels, values = shown.astype(np.float64), seen[0].astype(np.float64)
    # Old models pad below and to the right before a first convolution without padding.
    values = values[:, : shape[0], : shape[1]]
    if values.shape != pixels.shape:
        raise WeightsError(
            f"{what} makes pictures of {shape[0]}x{shape[1]} pixels {values.shape[1]}x{values.shape[2]}x"
            f"{values.shape[3]} before {layer.name!r}: the zoo's model cannot do that. `zoo export` takes the file as "
            "it is"
        )
    fits = [_fit(pixels, values[..., c]) for c in range(3)]
    if any(fit is None for fit in fits) or sorted(fit[0] for fit in fits if fit) != [0, 1, 2]:
        raise WeightsError(
            f"{what} prepares its pixels before {layer.name!r} by more than a scale and an offset for each channel: "
            "the zoo's model cannot do that. `zoo export` takes the file as it is"
        )
    order, scale, offset = zip(*(fit for fit in fits if fit), strict=True)
    return Preparation(scale, offset, order)


def _fit(pixels: Array, values: Array) -> tuple[int, float, float] | None:
    """`(channel, scale, offset)` of values that are one channel of the pixels, scaled."""
    for channel in range(3):
        ones = np.ones(values.size)
        system = np.stack([pixels[..., channel].ravel(), ones], axis=1)
        (scale, offset), *_ = np.linalg.lstsq(system, values.ravel(), rcond=None)
        error = np.abs(system @ (scale, offset) - values.ravel()).max()
        if abs(scale) > 0 and error <= TOLERANCE * 255 * abs(scale):
            return channel, float(scale), float(offset)
    return None


@contextlib.contextmanager
def _watched(layer: Any) -> Iterator[list[Array]]:
    """Yields a list that what enters a layer is added to, wherever in a model's nested models it stands."""
    seen: list[Array] = []
    original = layer.call

    def call(values: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(np.asarray(values))
        return original(values, *args, **kwargs)

    # Past Keras' own `__setattr__`, which has no part in this.
    object.__setattr__(layer, "call", call)
    try:
        yield seen
    finally:
        object.__delattr__(layer, "call")


def fold(kernel: Array, theirs: Preparation, ours: Preparation) -> Array | None:
    """The first kernel of a foreign model, for a model that prepares pixels our way; same outputs.

    Args:
        kernel: `(height, width, 3, filters)`.
        theirs: what the kernel was trained with.
        ours: in RGB order.

    Returns:
        The kernel; None where no kernel could: what the zeros around the picture stand for would have to change.
    """
    rgb = theirs.in_rgb()
    factors = np.array(rgb.scale) / np.array(ours.scale)
    moved = np.array(rgb.offset) - factors * np.array(ours.offset)
    if np.any(np.abs(moved) > TOLERANCE * 255 * np.abs(rgb.scale)):
        return None
    factors[np.abs(factors - 1) < TOLERANCE] = 1  # exactly theirs where it is the same preparation
    turned = kernel[:, :, np.argsort(theirs.order), :]
    folded: Array = (turned * factors[:, np.newaxis]).astype(np.float32)
    return folded


def adopt(model: keras.Model, theirs: Preparation) -> None:
    """Makes our model prepare its pixels as another does, but for the channels' order."""
    rgb = theirs.in_rgb()
    uniform = len(set(rgb.scale)) == len(set(rgb.offset)) == 1
    for layer in model.layers:
        if layer.name == "rescale":
            layer.scale = rgb.scale[0] if uniform else list(rgb.scale)
            layer.offset = rgb.offset[0] if uniform else list(rgb.offset)
        elif layer.name == "center":
            layer.offset = [0.0, 0.0, 0.0]
    # What was traced before has the old numbers in it.
    model.predict_function = model.test_function = model.train_function = None
