"""Finds the weights in a file that a model of the zoo can use: all of them, or the backbone's without the head's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from zoo import models
from zoo.errors import WeightsError
from zoo.published import RAW, Backbone, Original, Preparation
from zoo.text import count_of
from zoo.weights import detectors, originals
from zoo.weights.detectors import Shapes
from zoo.weights.fitting import dense_shape, head_arrays, head_fault, is_head, misfit
from zoo.weights.formats.files import Contents, Layer, layers_of
from zoo.weights.pixels import configured, is_own, layer_of, other_pixels, take_pixels
from zoo.weights.preprocessing import Array, own_preparation, preparation_of, rescalings

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Fit:
    """The weights that a model takes from a file."""

    arrays: dict[str, tuple[Array, ...]]
    """The arrays of each of our layers, by the layer's name."""
    heads: tuple[str, ...]
    """The names of our layers that have units for each class: a classifier's dense layer; none if our model does not
    end in such layers."""
    classes: int | None
    """Number of classes of the file's head; None if it has no head, or none that our model could use."""
    adopt: Preparation | None = None
    """How our model has to prepare its pixels, where not in its own way."""
    assumed: str = ""
    """Where the file does not say how pixels are prepared: what was assumed, as part of a sentence."""
    why: str = ""
    """The reason why the file's head cannot be used, if `classes` is None."""
    shapes: Shapes | None = None
    """The anchors that the file's boxes are relative to, where it holds a detector's and says so."""
    has_boxes: bool = False
    """Whether the file's layers for a detector's boxes are taken."""


def fit(model: keras.Model, contents: Contents, pixels: Preparation | None = None) -> Fit:
    """Matches the layers of a model with those of a file.

    Args:
        model: a model of the zoo; its weights need not be allocated, and the number of its classes does not matter.
        contents: the contents of the file.
        pixels: how the file's publisher prepares pixels, for a file that does not say it.

    Raises:
        WeightsError: a layer before the head does not fit; the message names the first such layer.
    """
    ours = list(layers_of(model))
    if not ours:
        raise WeightsError(f"{model.name} has no weights to load")
    detects = detectors.detects(model)
    body = detectors.body_of(ours) if detects else ours[:-1] if is_head(ours[-1], model) else ours
    head = ours[len(body) :]
    original, backbone = None, None
    if contents.named is not None:
        original, theirs = originals.match(contents.named, ours, _originals_of(model), contents.path)
    else:
        backbone = _backbone_of(model, ours)
        theirs = _in_our_order(contents, ours, backbone)
    core = [layer.name for layer in ours].index(backbone.last) + 1 if backbone else len(body)
    for layer, found in zip(ours[:core], [*theirs, *[None] * core], strict=False):
        _require(layer, found, model.name, contents)
    count = len(body) if _same(body, theirs) else core
    rest = theirs[count:]
    taken = {
        layer.name: tuple(map(np.asarray, found.arrays)) for layer, found in zip(body[:count], theirs, strict=False)
    }
    about = original or backbone
    expected = pixels or (about.pixels if about else None)
    adopted, assumed = _pixels(model, ours[0], theirs[0], expected, contents, taken)
    if assumed and original:
        assumed = f"as {original.program} prepares them"
    if detects:
        return _with_detector_head(model, Fit(taken, (), None, adopted, assumed), head, rest, contents)
    none = Fit(taken, tuple(layer.name for layer in head), None, adopted, assumed)
    if not head:
        if rest:
            raise WeightsError(_too_few(model.name, ours, contents))
        return none
    if count < len(body) and rest:
        return replace(none, why=f"its layers behind the backbone do not fit those of {model.name}")
    (last,) = head
    why = head_fault(last, rest, backbone, contents)
    if why:
        if not about and len(rest) != 1:
            raise WeightsError(_too_few(model.name, ours, contents))
        return replace(none, why=why)
    arrays = head_arrays(last, rest[0], softmax=backbone is not None)
    taken[last.name] = arrays
    return replace(none, classes=arrays[0].shape[-1])


def _with_detector_head(
    model: keras.Model, body: Fit, head: Sequence[Layer], rest: Sequence[Layer], contents: Contents
) -> Fit:
    """Adds a detector's head to the body that was found, if the file has one of the same kind."""
    found = detectors.take_head(model, head, rest, contents)
    return replace(
        body,
        arrays=body.arrays | found.arrays,
        heads=found.of_classes,
        classes=found.classes,
        why=found.why,
        shapes=found.shapes,
        has_boxes=bool(found.arrays),
    )


def _pixels(
    model: keras.Model,
    first: Layer,
    found: Layer,
    expected: Preparation | None,
    contents: Contents,
    taken: dict[str, tuple[Array, ...]],
) -> tuple[Preparation | None, str]:
    """Fits a model to a file's pixels; see `zoo.weights.pixels.other_pixels`.

    Args:
        model: one of the zoo.
        first: its first layer with weights.
        found: that of the file.
        expected: how pixels are prepared for the weights, where the file does not say it; None where nobody knows.
        contents: the contents of the file.
        taken: what the model takes from the file; the first kernel changes where it can carry the difference.

    Raises:
        WeightsError: the file prepares its inputs in a way that the model cannot.
    """
    if expected:
        own = own_preparation(model)
        prepared, guessed = _their_pixels(first, found, expected, own, contents)
        adopted = take_pixels(first, prepared, own, taken, str(contents.path))
        assumed = "as keras.applications' preprocess_input makes them" if guessed else ""
    else:
        adopted, assumed = other_pixels(model, first, found, contents, taken)
    if adopted and not rescalings(model):
        raise WeightsError(
            f"{contents.path} scales its pixels, and {model.name} takes them as they are; `zoo export` takes the file "
            "as it is"
        )
    return adopted, assumed


def average_head(model: keras.Model, contents: Contents) -> bool:
    """Whether global average pooling follows the backbone's layers in the file."""
    ours = list(layers_of(model))
    backbone = _backbone_of(model, ours)
    if backbone is None:
        return False
    core = [layer.name for layer in ours].index(backbone.last) + 1
    rest = _in_our_order(contents, ours, backbone)[core:]
    channels = ours[core - 1].shapes[0][-1]
    return len(rest) == 1 and (dense_shape(rest[0]) or (0,))[0] == channels


def _backbone_of(model: keras.Model, ours: Sequence[Layer]) -> Backbone | None:
    """Finds the model's backbone in the specs, by its layers' names, because a user may have renamed the model."""
    names = {layer.name for layer in ours}
    specs = sorted(map(models.spec, models.list_models()), key=lambda spec: not model.name.startswith(spec.name))
    return next((spec.backbone for spec in specs if spec.backbone and spec.backbone.last in names), None)


def _originals_of(model: keras.Model) -> tuple[Original, ...]:
    """Finds the programs that the model's architecture is known in, by the beginning of the model's name."""
    names = [name for name in models.list_models() if model.name.startswith(name)]
    return models.spec(max(names, key=len)).originals if names else ()


def _in_our_order(contents: Contents, ours: Sequence[Layer], backbone: Backbone | None) -> list[Layer]:
    """Returns the file's layers, beginning with the one that matches our first layer."""
    theirs = contents.in_order([layer.kind for layer in ours])
    # In files of Keras 2 the layers of a partly trained backbone are out of order, but they have their names.
    names = _names_in_files(ours, backbone)
    known = {layer.name: layer for layer in theirs}
    if names and set(names) <= set(known):
        return [*(known[name] for name in names), *(layer for layer in theirs if layer.name not in set(names))]
    # A layer that normalizes pixels may come before it.
    first = next((i for i, layer in enumerate(theirs) if layer.kind in {"", ours[0].kind}), 0)
    return theirs[first:]


def _names_in_files(ours: Sequence[Layer], backbone: Backbone | None) -> list[str]:
    """Returns the names that keras.applications gives the backbone's layers."""
    if backbone is None or backbone.layers:
        return list(backbone.layers) if backbone else []
    names = [layer.name for layer in ours]
    return names[: names.index(backbone.last) + 1]


def _require(layer: Layer, found: Layer | None, name: str, contents: Contents) -> None:
    if found is None or found.shapes != layer.shapes:
        raise WeightsError(f"{contents.path} does not fit {name}: {misfit(layer, found)}")


def _same(ours: Sequence[Layer], theirs: Sequence[Layer]) -> bool:
    return [layer.shapes for layer in ours] == [layer.shapes for layer in theirs[: len(ours)]]


def _too_few(name: str, ours: Sequence[Layer], contents: Contents) -> str:
    count = sum(len(layer.arrays) for layer in ours)
    return f"{contents.path} does not fit {name}: it holds {count_of(contents.count, 'array')}, the model has {count}"


def _their_pixels(
    first: Layer, found: Layer, expected: Preparation, own: Preparation, contents: Contents
) -> tuple[Preparation, bool]:
    """Returns how pixels are prepared for the weights of a file, and whether that had to be assumed."""
    if contents.model is not None:
        convolution = layer_of(contents.model, found)
        seen = preparation_of(contents.model, convolution, str(contents.path))
        # If the graph leaves pixels as they are, they were prepared outside of it, as the backbone needs them.
        if not seen.is_near(RAW):
            return seen, False
    elif contents.stages:
        found_there = configured(contents)
        if found_there:
            return found_there, False
    elif is_own(contents, first.kind):
        return own, False
    return expected, True
