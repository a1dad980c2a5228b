"""The input of a file: how pictures and values become what it stores, and what is assumed if the file says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from zoo.errors import InputError, ModelFileError
from zoo.inputs.preprocessing import PictureShape, is_input_range, picture_shape
from zoo.onnx.programs import require_raw_pixels
from zoo.runner.loading.session import Array, TensorInfo
from zoo.tflite import normalization, teachable
from zoo.tflite.modelfile import ModelFile
from zoo.tflite.normalization import Normalization

Range = tuple[float, float]
Scaling = Range | Literal["imagenet"]
"""How pixels are scaled: to a range, or by the mean and standard deviation of ImageNet's pixels."""

IMAGENET = Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
"""What torchvision and timm do to pixels: (pixel / 255 - mean) / std of ImageNet, here of 0..255, by channel."""

USUAL_RANGES: tuple[Range, ...] = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
"""The ranges to which pixels 0..255 are usually scaled, the narrowest first."""
LEAST_SHARE = 0.5
"""The least share of such a range that a quantized input has to cover to count as scaled to it: calibration on pictures
without black or white makes the input's range narrower, never wider."""
SLACK = 0.02
"""The share of such a range by which a quantized input may reach beyond it, for what converters round."""

NORMALIZED = "normalized_input_image_tensor"
"""The name that the Object Detection API gives to inputs that take pixels as -1..1."""


class HasInput(Protocol):
    """A file as far as its input needs it: a session, or what was read of the file."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def file(self) -> ModelFile:
        """The structure of the file."""

    @property
    def input(self) -> TensorInfo:
        """The file's one input."""


class Entry(NamedTuple):
    """An input that is ready to take pictures, or values."""

    tensor: TensorInfo
    picture: PictureShape | None
    """How the input takes pictures; None if it takes none."""
    takes_values: bool
    """Whether it may take values from a `.npy` or `.csv` file as well: its shape alone does not tell."""
    stores_pixels: bool
    """Whether a quantized input stores pixels as they are."""
    normalization: Normalization | None
    """What is done to pixels before they are stored; None if they stay as they are."""
    unsure: str = ""
    """What is assumed of the pixels' scaling where the file does not say it; empty if nothing is."""
    known: str = ""
    """Which program's files are known to want this scaling, where the file itself does not say it; empty if it does."""

    def stored(self, values: Array) -> Array:
        """Returns pixels or values of the input's shape, with the batch, as the input stores them.

        Raises:
            InputError: see `TensorInfo.store`.
        """
        if self.normalization is not None:
            values = self._normalized(values)
        return self.tensor.store(values, pixels=self.stores_pixels)

    def _normalized(self, values: Array) -> Array:
        assert self.normalization is not None  # noqa: S101  # the caller has looked
        if self.picture is not None and self.picture.channel_axis == "first" and values.ndim == 4:
            scaled: Array = self.normalization(values.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
            return scaled
        return self.normalization(values)


def open_entry(session: HasInput, card: Mapping[str, Any], input_range: Scaling | None = None) -> Entry:
    """Checks a file's input, and finds out how pictures get into it.

    Args:
        session: the file.
        card: the file's card; empty for a file that another tool made.
        input_range: the range to which the user says that pixels are scaled, or `imagenet`; None for what the
            file says.

    Raises:
        ModelFileError: the input is of a type that takes no numbers, or nothing says how it holds pixels; the file was
            made for another program; or the metadata is damaged.
        InputError: the range is not allowed, or the file takes none.
    """
    tensor, path = session.input, session.path
    require_raw_pixels(card, path)
    if tensor.dtype.kind not in "fiu":
        raise ModelFileError(
            f"{path} takes an input of type {tensor.dtype.name}, neither pictures nor numbers. In Python, "
            f"zoo.runner.load({str(path)!r}).run(array) runs it as it is"
        )
    picture = picture_shape(tensor.shape[1:])
    about = card.get("input")
    says_values = isinstance(about, dict) and about.get("values") == "as in training"
    takes_values = picture is None or (picture.channel_axis != "last" and (says_values or not card))
    if input_range is not None:
        return _in_range(session, card, picture, input_range)
    if picture is None or card:
        return Entry(tensor, picture, takes_values, picture is not None and not says_values, None)
    stated = _stated(session, picture.channels)
    if tensor.dtype.kind == "f" and stated is None and tensor.name.split(":")[0] == NORMALIZED:
        stated = Normalization.from_range(-1, 1)
    if tensor.dtype.kind == "f":
        unsure = ""
        if stated is None and normalization.ENTRY not in session.file.metadata:
            if teachable.is_its_file(session.file):
                scaled = Normalization.from_range(*teachable.RANGE)
                return Entry(tensor, picture, takes_values, False, scaled, known=teachable.said_of_range(path))
            unsure = (
                f"{path} was not made by this package and does not say how its pixels are scaled; it gets 0..255. "
                "If the answers are wrong, try --input-range -1,1 or 0,1, or imagenet for a net from PyTorch"
            )
        return Entry(tensor, picture, takes_values, False, _or_none(stated), unsure)
    if tensor.scale:
        return _quantized(session, picture, stated, takes_values=takes_values)
    limits = np.iinfo(tensor.dtype)
    if limits.max < 255:
        raise ModelFileError(
            f"{path} takes an input of type {tensor.dtype.name} without a scale, which does not say how it holds "
            f"pixels 0..255; give their range: --input-range {limits.min},{limits.max}"
        )
    return Entry(tensor, picture, takes_values, True, None)


def _in_range(session: HasInput, card: Mapping[str, Any], picture: PictureShape | None, asked: Scaling) -> Entry:
    how = _asked(session, card, picture, asked)
    tensor = session.input
    if tensor.dtype.kind != "f" and not tensor.scale:
        return Entry(tensor, picture, False, False, _Whole(how.mean, how.std))
    return Entry(tensor, picture, False, False, _or_none(how) if tensor.dtype.kind == "f" else how)


def _asked(session: HasInput, card: Mapping[str, Any], picture: PictureShape | None, asked: Scaling) -> Normalization:
    """Returns the normalization that the user asks for, if the file takes one."""
    try:
        low, high = (0.0, 1.0) if asked == "imagenet" else (float(end) for end in asked)
    except (TypeError, ValueError):
        raise InputError(
            f"input_range={asked!r} is not allowed; give two finite numbers, the lower one first, e.g. (-1, 1), or "
            "'imagenet'"
        ) from None
    if card or picture is None:
        raise InputError(f"{session.path} takes no input range: it is made by this package, or does not take pictures")
    if not is_input_range(low, high):
        raise InputError(f"input range {low:g},{high:g} is not allowed: give two finite numbers, the lower one first")
    if asked != "imagenet":
        return Normalization.from_range(low, high)
    if picture.channels != len(IMAGENET.mean):
        raise InputError(
            f"{session.path} takes gray pictures, and the input range imagenet is for colour; give LOW,HIGH"
        )
    return IMAGENET


class _Whole(Normalization):
    """A normalization whose values an integer input without a scale stores: they are rounded."""

    def __call__(self, pixels: Array) -> Array:
        return np.rint(super().__call__(pixels))


def _stated(session: HasInput, channels: int) -> Normalization | None:
    found = normalization.stated(session.file)
    if found is not None and not {len(found.mean), len(found.std)} <= {1, channels}:
        raise ModelFileError(
            f"{session.path} has damaged metadata: {len(found.mean)} means and {len(found.std)} stds for "
            f"{channels} channels"
        )
    return found


def _or_none(found: Normalization | None) -> Normalization | None:
    return None if found is None or found.is_identity else found


def _quantized(session: HasInput, picture: PictureShape, stated: Normalization | None, *, takes_values: bool) -> Entry:
    """Finds the range that pixels were scaled to by the range that a quantized input holds.

    If both are the same, each pixel is stored as it is. An input calibrated on other pictures than all holds a narrower
    range; then each pixel is scaled first, and stored by the input's own scale and zero point.
    """
    tensor = session.input
    held = held_range(tensor)
    if tensor.dtype.itemsize > 1:
        # Such an input holds as much below zero as above, whatever pixels were scaled to.
        if stated is not None:
            return Entry(tensor, picture, takes_values, False, stated)
        raise ModelFileError(
            f"{session.path} takes an input of type {tensor.dtype.name} for {held[0]:.4g}..{held[1]:.4g} and does not "
            "say how its pixels are scaled; give the range: --input-range LOW,HIGH"
        )
    usual = [(ends, Normalization.from_range(*ends)) for ends in USUAL_RANGES]
    known = [(_ends(stated), stated)] if stated is not None else []
    for ends, how in [*known, *usual]:
        if _covers(held, ends):
            step = 1.5 * tensor.scale
            as_it_is = abs(held[0] - ends[0]) <= step and abs(held[1] - ends[1]) <= step
            return Entry(tensor, picture, takes_values, as_it_is, None if as_it_is else how)
    unsure = (
        f"the quantized input of {session.path} holds {held[0]:.4g}..{held[1]:.4g}, which is no usual range of pixels; "
        "each pixel is stored as it is. If the answers are wrong, give the range to which pixels were scaled in "
        "training: --input-range LOW,HIGH"
    )
    return Entry(tensor, picture, takes_values, True, None, unsure)


def held_range(tensor: TensorInfo) -> Range:
    """Returns the lowest and the highest real value that a quantized tensor can hold."""
    limits = np.iinfo(tensor.dtype)
    low, high = ((int(end) - tensor.zero_point) * tensor.scale for end in (limits.min, limits.max))
    return low, high


def _ends(how: Normalization) -> Range:
    """Returns the lowest and the highest value that a normalization makes of pixels."""
    mean, std = np.array(how.mean), np.array(how.std)
    values = np.concatenate([(0 - mean) / std, (255 - mean) / std])
    return float(values.min()), float(values.max())


def _covers(held: Range, ends: Range) -> bool:
    width = ends[1] - ends[0]
    inside = held[0] >= ends[0] - SLACK * width and held[1] <= ends[1] + SLACK * width
    return inside and held[1] - held[0] >= LEAST_SHARE * width
