"""Finds out how a foreign model prepares its pixels, and makes the zoo's model do the same."""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.errors import WeightsError
from zoo.published import TOLERANCE, Preparation

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]


def own_preparation(model: keras.Model, channels: int = 3) -> Preparation:
    """What a model of the zoo does to pixels in the steps before its first layer with weights."""
    import keras

    scale, offset, order = np.ones(channels), np.zeros(channels), np.arange(channels)
    for step in itertools.takewhile(lambda step: not getattr(step, "weights", ()), model.operations):
        if isinstance(step, keras.layers.Rescaling):
            scale, offset = scale * step.scale, offset * step.scale + step.offset
        elif type(step).__name__ == "GetItem":  # the only one that the zoo's models have there
            scale, offset, order = scale[::-1], offset[::-1], order[::-1]
    return Preparation(tuple(map(float, scale)), tuple(map(float, offset)), tuple(map(int, order)))


def rescalings(model: keras.Model) -> list[Any]:
    """The `Rescaling` layers of a model before its first layer with weights."""
    import keras

    before = itertools.takewhile(lambda layer: not layer.weights, model.layers)
    return [layer for layer in before if isinstance(layer, keras.layers.Rescaling)]


def preparation_of(model: keras.Model, layer: Any, what: str, channels: int = 3) -> Preparation:
    """Finds out what a whole model does to pixels before they enter its first layer with weights, by showing it some.

    Args:
        model: with one input of pictures.
        layer: the layer: a convolution, or a dense layer behind a flattening.
        what: the file's name, for the error.
        channels: the channels that pictures have to have; gray ones may go without an axis for that.

    Raises:
        WeightsError: the preparation is not a scale and an offset for each channel.
    """
    shape = [size or 64 for size in model.inputs[0].shape[1:]]
    picture = tuple(shape) if len(shape) == 3 or channels != 1 else (*shape, 1)
    if len(picture) != 3 or picture[-1] != channels or len(model.inputs) != 1:
        kind = "RGB" if channels == 3 else "gray"
        raise WeightsError(f"{what} takes inputs of shape {tuple(shape)}, not {kind} pictures")
    shown, values = _shown(model, layer, tuple(shape))
    pixels = shown.reshape(1, *picture)
    if values.size == pixels.size:
        values = values.reshape(pixels.shape)  # a dense layer takes them flat
    cut = _without_padding(pixels, values)
    if cut is None:
        raise WeightsError(
            f"{what} makes pictures of {shape[0]}x{shape[1]} pixels {'x'.join(map(str, values.shape[1:]))} before "
            f"{layer.name!r}: the zoo's model cannot do that. `zoo export` takes the file as "
            "it is"
        )
    fits = [_fit(pixels, cut[..., c]) for c in range(channels)]
    if any(fit is None for fit in fits) or sorted(fit[0] for fit in fits if fit) != list(range(channels)):
        raise WeightsError(
            f"{what} prepares its pixels before {layer.name!r} by more than a scale and an offset for each channel: "
            "the zoo's model cannot do that. `zoo export` takes the file as it is"
        )
    order, scale, offset = zip(*(fit for fit in fits if fit), strict=True)
    return Preparation(scale, offset, order)


def enters_as_shown(model: keras.Model, layer: Any) -> bool:
    """Whether what a whole model is given enters its first layer with weights as it is, but for its shape."""
    shown, values = _shown(model, layer, tuple(size or 64 for size in model.inputs[0].shape[1:]))
    return shown.size == values.size and bool(np.allclose(shown.ravel(), values.ravel(), atol=255 * TOLERANCE))


def _shown(model: keras.Model, layer: Any, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Shows a model random whole numbers 0..255; returns them, and what entered the layer, each with a batch of 1."""
    shown = np.random.default_rng(0).integers(0, 256, (1, *shape)).astype(model.inputs[0].dtype)
    with _watched(layer) as seen, warnings.catch_warnings():
        # Keras warns of an input that is not wrapped as the model's author wrapped his.
        warnings.simplefilter("ignore")
        model(shown, training=False)
    return shown.astype(np.float64), seen[0].astype(np.float64)


def _without_padding(pixels: Array, values: Array) -> Array | None:
    """What entered a layer, without the zeros around the picture; None if it is smaller than the picture.

    Models pad all around before a first convolution without padding; old ones below and to the right.
    """
    if values.ndim != pixels.ndim or values.shape[-1] != pixels.shape[-1]:
        return None
    rows, columns = (theirs - ours for ours, theirs in zip(pixels.shape[1:3], values.shape[1:3], strict=True))
    if rows < 0 or columns < 0:
        return None
    cuts = [
        values[:, top : top + pixels.shape[1], left : left + pixels.shape[2]]
        for top, left in ((rows // 2, columns // 2), (0, 0))
    ]
    return next((cut for cut in cuts if _fit(pixels, cut[..., 0])), cuts[-1])


def _fit(pixels: Array, values: Array) -> tuple[int, float, float] | None:
    """`(channel, scale, offset)` of values that are one channel of the pixels, scaled."""
    for channel in range(pixels.shape[-1]):
        ones = np.ones(values.size)
        system = np.stack([pixels[..., channel].ravel(), ones], axis=1)
        (scale, offset), *_ = np.linalg.lstsq(system, values.ravel(), rcond=None)
        error = np.abs(system @ (scale, offset) - values.ravel()).max()
        if abs(scale) > 0 and error <= TOLERANCE * 255 * abs(scale):
            return channel, float(scale), float(offset)
    return None


@contextlib.contextmanager
def _watched(layer: Any) -> Iterator[list[Array]]:
    """Yields a list to which every input of a layer is added, also if the layer is in a nested model."""
    seen: list[Array] = []
    original = layer.call

    def call(values: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(np.asarray(values))
        return original(values, *args, **kwargs)

    # `object.__setattr__` is used, because that of Keras would track the new attribute.
    object.__setattr__(layer, "call", call)
    try:
        yield seen
    finally:
        object.__delattr__(layer, "call")


def fold(kernel: Array, theirs: Preparation, ours: Preparation) -> Array | None:
    """Converts the first kernel of a foreign model to our preparation of pixels, so that the outputs are the same.

    Args:
        kernel: the kernel, `(height, width, 3, filters)`.
        theirs: the preparation with which the kernel was trained.
        ours: the preparation of our model, in RGB order.

    Returns:
        The converted kernel, float32; None if no kernel gives the same outputs, because the zeros of the padding around
        the picture would stand for another colour.
    """
    rgb = theirs.in_rgb()
    factors = np.array(rgb.scale) / np.array(ours.scale)
    moved = np.array(rgb.offset) - factors * np.array(ours.offset)
    if np.any(np.abs(moved) > TOLERANCE * 255 * np.abs(rgb.scale)):
        return None
    factors[np.abs(factors - 1) < TOLERANCE] = 1  # the same preparation leaves the kernel exactly as it is
    turned = kernel[:, :, np.argsort(theirs.order), :]
    folded: Array = (turned * factors[:, np.newaxis]).astype(np.float32)
    return folded


def adopt(model: keras.Model, theirs: Preparation) -> None:
    """Makes our model prepare its pixels as another model does, apart from the order of the channels."""
    rgb = theirs.in_rgb()
    uniform = len(set(rgb.scale)) == len(set(rgb.offset)) == 1
    for i, layer in enumerate(rescalings(model)):
        # The first one does all of it; the others leave the pixels as they are.
        layer.scale, layer.offset = 1.0, [0.0, 0.0, 0.0]
        if i == 0:
            layer.scale = rgb.scale[0] if uniform else list(rgb.scale)
            layer.offset = rgb.offset[0] if uniform else list(rgb.offset)
    # Functions that were traced before contain the old numbers.
    model.predict_function = model.test_function = model.train_function = None
