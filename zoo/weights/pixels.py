"""Makes a model of the zoo treat its pixels as the weights of a file expect it, whatever the architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import WeightsError
from zoo.inputs.preprocessing import is_picture
from zoo.published import Preparation
from zoo.weights.formats.files import Contents, Layer
from zoo.weights.preprocessing import Array, enters_as_shown, fold, own_preparation, preparation_of, rescalings

if TYPE_CHECKING:
    import keras


def other_pixels(
    model: keras.Model, first: Layer, found: Layer, contents: Contents, taken: dict[str, tuple[Array, ...]]
) -> tuple[Preparation | None, str]:
    """Fits a model to a file's pixels where nothing is published of its architecture.

    Args:
        model: one of the zoo; its weights need not be allocated.
        first: its first layer with weights.
        found: that of the file.
        contents: the contents of the file.
        taken: what the model takes from the file, by our layer's name; the first kernel changes where it can carry the
            difference.

    Returns:
        What our model has to adopt, or None; and where the file does not say how its pixels are prepared, what was
        assumed.

    Raises:
        WeightsError: the file prepares its inputs in a way that the model cannot.
    """
    shape, path = tuple(model.inputs[0].shape[1:]), str(contents.path)
    if contents.model is None and not contents.stages:
        says = not rescalings(model) or is_own(contents, first.kind)
        return None, "" if says else _assumed(model, path)
    if not is_picture(shape):
        _require_plain_values(model, found, contents)
        return None, ""
    channels = int(shape[-1])
    layer = None if contents.model is None else layer_of(contents.model, found)
    if layer is not None:
        theirs = preparation_of(contents.model, layer, path, channels)
    else:
        theirs = configured(contents, channels) or Preparation.none(channels)
    own = own_preparation(model, channels)
    if theirs.is_near(own):
        return None, ""
    if theirs.is_near(Preparation.none(channels)):
        # Nothing in the graph: it was done outside.
        return None, _assumed(model, path)
    if channels == 3 and taken[first.name][0].ndim == 4:
        return take_pixels(first, theirs, own, taken, path), ""
    if theirs.order != own.order:
        raise WeightsError(
            f"{path} takes the channels of its pixels in another order before {found.name!r}: the zoo's {model.name} "
            "cannot do that. `zoo export` takes the file as it is"
        )
    return theirs, ""


def _assumed(model: keras.Model, path: str) -> str:
    return (
        f"as edgezoo's own {model.name} prepares them; if yours were others, such as 0..1, `zoo export {path} "
        "--input-range 0,1` takes a whole model as it is"
    )


def _require_plain_values(model: keras.Model, found: Layer, contents: Contents) -> None:
    """Refuses a file that scales values, for a model that takes them as they are.

    Raises:
        WeightsError: it does.
    """
    if contents.model is not None:
        layer = layer_of(contents.model, found)
        plain = layer is None or enters_as_shown(contents.model, layer)
    else:
        plain = not any(stage.kind in {"rescaling", "normalization"} for stage in contents.stages)
    if not plain:
        raise WeightsError(
            f"{contents.path} changes its values before {found.name!r}, by a normalization for one; the zoo's "
            f"{model.name} takes them as they are. `zoo export` takes the file as it is"
        )


def take_pixels(
    first: Layer, theirs: Preparation, own: Preparation, taken: dict[str, tuple[Array, ...]], path: str
) -> Preparation | None:
    """Makes the first kernel fit our preparation of pixels; returns what our model has to adopt where no kernel can."""
    if theirs.is_near(own):
        return None
    if own.order != tuple(range(len(own.order))):
        raise WeightsError(
            f"{path} prepares its pixels in another way than the model, which turns the order of its channels; "
            "`zoo export` takes a whole model as it is"
        )
    kernel, *others = taken[first.name]
    if kernel.ndim != 4 or kernel.shape[2] != 3:
        raise WeightsError(
            f"{path}: layer {first.name!r} is no convolution of RGB pixels, so that its publisher's preparation of "
            "pixels cannot be taken over; leave `pixels` out of the published weights"
        )
    folded = fold(kernel, theirs, own)
    taken[first.name] = (kernel[:, :, np.argsort(theirs.order), :] if folded is None else folded, *others)
    return theirs if folded is None else None


def configured(contents: Contents, channels: int = 3) -> Preparation | None:
    """What the `Rescaling` layer of a model does that Keras 3 cannot run; None where it has none."""
    for stage in contents.stages:
        if stage.kind == "rescaling":
            scale, offset = (np.broadcast_to(stage.config[key], channels) for key in ("scale", "offset"))
            return Preparation(tuple(map(float, scale)), tuple(map(float, offset)), tuple(range(channels)))
    return None


def layer_of(model: Any, wanted: Layer) -> Any:
    """The Keras layer whose weights these are."""
    for layer in model.layers:
        if hasattr(layer, "layers") and hasattr(layer, "inputs"):
            found = layer_of(layer, wanted)
            if found is not None:
                return found
        elif layer.weights and layer.weights[0] is wanted.arrays[0]:
            return layer
    return None


def is_own(contents: Contents, kind: str) -> bool:
    """Whether a file of weights is one of ours: those name the scaling and the end of our graph, too."""
    group = contents.group_of(kind)
    return group is not None and "rescaling" in group.kinds and not group.kinds.isdisjoint({"softmax", "anchors"})
