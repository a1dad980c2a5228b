"""Random changes to a training picture and its boxes alike, in numpy; they are part of no model and no exported file.

Liu et al., "SSD: Single Shot MultiBox Detector" (https://arxiv.org/abs/1512.02325), sections 2.2 and 3.6: a random part
of the picture is seen, which holds the centres of the objects that count there; or the picture stands in a larger,
empty one, so that its objects are small; it is mirrored, and its colours change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from zoo.data.augment import AUGMENTS, Augment
from zoo.errors import OptionError
from zoo.inputs.boxes import Boxes
from zoo.inputs.pictures.fit import Box
from zoo.inputs.pictures.scaling import scaled

Pixels = npt.NDArray[Any]

SEEN = 0.25
"""The least share of an object's area that must be in sight for it to count."""
TRIES = 20
"""Random parts that are looked at until one holds the centre of an object; after them the whole picture is seen."""
_GRAY = np.array([0.299, 0.587, 0.114], np.float32)
"""The weights of red, green and blue in a pixel's brightness (ITU-R BT.601)."""


@dataclass(frozen=True)
class Changes:
    """How often, and how strongly, a picture is changed."""

    mirror: float = 0.0
    """Share of pictures that are mirrored left and right."""
    crop: float = 0.0
    """Share of pictures of which a part is seen."""
    least: float = 1.0
    """Width and height of such a part, at least, as a share of the picture's."""
    shape: float = 1.0
    """Most that the ratio of the sides of such a part, or of the larger picture, differs, as a factor."""
    zoom_out: float = 0.0
    """Share of pictures that stand in a larger, empty one."""
    most: float = 1.0
    """Width and height of the larger one, at most, in those of the picture."""
    brightness: float = 0.0
    """Most that is added to or taken from all pixels, as a share of 255."""
    contrast: float = 0.0
    """Most that contrast changes, as a share."""
    saturation: float = 0.0
    """Most that the strength of colours changes, as a share."""
    tint: float = 0.0
    """Most that the strength of each channel changes, as a share."""

    @classmethod
    def of(cls, preset: Augment) -> Changes:
        """Returns the changes of a preset.

        They are `none`, `light` for digits and writing, `standard` for photos, and `no-flip`, which is `standard`
        without mirroring, for photos with writing, signs, or a left and a right.

        Raises:
            OptionError: the preset is unknown.
        """
        if preset not in AUGMENTS:
            raise OptionError(f"augment={preset!r} is not one of {', '.join(AUGMENTS)}")
        if preset == "none":
            return cls()
        if preset == "light":
            return cls(crop=0.5, least=0.8, zoom_out=0.3, most=1.25, brightness=0.1)
        return cls(
            mirror=0.0 if preset == "no-flip" else 0.5, crop=0.35, least=0.45, shape=1.28, zoom_out=0.35, most=1.8,
            brightness=0.15, contrast=0.3, saturation=0.4, tint=0.1,
        )  # fmt: skip


def change(pixels: Pixels, boxes: Boxes, changes: Changes, random: np.random.Generator) -> tuple[Pixels, Boxes]:
    """Changes a picture and its boxes; the same generator in the same state gives the same changes.

    Args:
        pixels: `(height, width, 1 or 3)`, uint8, 0..255.
        boxes: its objects in its pixels, all inside of it.
        changes: what may be done.
        random: what decides.

    Returns:
        Pixels of the same shape and type, and the boxes of the objects whose centres are in sight, cut at the edge.
    """
    height, width = pixels.shape[:2]
    window = _window(boxes, (width, height), changes, random)
    if window is not None:
        pixels, boxes = seen_through(pixels, window), moved(boxes, window, (width, height))
    if random.random() < changes.mirror:
        pixels, boxes = pixels[:, ::-1], mirrored(boxes, width)
    return _recoloured(np.ascontiguousarray(pixels), changes, random), boxes


def moved(boxes: Boxes, window: Box, size: tuple[int, int]) -> Boxes:
    """Returns the objects of which centre and a quarter are in a window, in its pixels, cut at its edge.

    Args:
        boxes: objects in pixels of the picture.
        window: a part of the picture, or more than all of it, in its pixels.
        size: width and height of what is seen through the window.
    """
    centres = (boxes.boxes[:, :2] + boxes.boxes[:, 2:]) / 2
    low, high = np.array([window.left, window.top]), np.array([window.right, window.bottom])
    kept = ((centres > low) & (centres < high)).all(axis=1)
    # Of what is larger than the window, the centre may be in sight and little else.
    visible = np.minimum(boxes.boxes[:, 2:], high) - np.maximum(boxes.boxes[:, :2], low)
    kept &= visible.prod(axis=1) >= SEEN * (boxes.boxes[:, 2:] - boxes.boxes[:, :2]).prod(axis=1)
    scale = np.array(size) / (high - low)
    inside = (boxes.boxes[kept] - np.tile(low, 2)) * np.tile(scale, 2)
    labels = tuple(label for label, keep in zip(boxes.labels, kept, strict=True) if keep)
    return Boxes(labels, np.clip(inside, 0, np.tile(size, 2)))


def mirrored(boxes: Boxes, width: int) -> Boxes:
    """Returns the objects of a picture that is mirrored left and right."""
    left, top, right, bottom = boxes.boxes.T
    return Boxes(boxes.labels, np.stack([width - right, top, width - left, bottom], axis=1))


def seen_through(pixels: Pixels, window: Box) -> Pixels:
    """Returns what is seen of a picture through a window, in the picture's own size; the mean colour is outside of it.

    Args:
        pixels: `(height, width, 1 or 3)`, uint8.
        window: a part of the picture, or more than all of it, in its pixels.
    """
    height, width, channels = pixels.shape
    picture = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    inner = Box(max(0, window.left), max(0, window.top), min(width, window.right), min(height, window.bottom))
    across, down = width / window.width, height / window.height
    left, top = round((inner.left - window.left) * across), round((inner.top - window.top) * down)
    right, bottom = round((inner.right - window.left) * across), round((inner.bottom - window.top) * down)
    mean = tuple(int(value) for value in pixels.mean(axis=(0, 1)).round())
    made = Image.new(picture.mode, (width, height), mean if channels > 1 else mean[0])
    if right > left and bottom > top:
        made.paste(scaled(picture, (right - left, bottom - top), inner), (left, top))
    return np.asarray(made).reshape(pixels.shape)


def _window(boxes: Boxes, size: tuple[int, int], changes: Changes, random: np.random.Generator) -> Box | None:
    """Returns the part of the picture to see, or more than all of it; None for the picture as it is."""
    width, height = size
    drawn = random.random()
    if drawn < changes.zoom_out:
        times = random.uniform(1, changes.most)
        # Of two shares of the area, one for each axis, neither makes the larger picture smaller than the picture.
        ratio = changes.shape ** (random.uniform(-0.5, 0.5) if changes.shape > 1 else 0.0)
        sides = [max(1.0, times * ratio) * width, max(1.0, times / ratio) * height]
        left, top = (-random.uniform(0, larger - side) for larger, side in zip(sides, size, strict=True))
        return Box(left, top, left + sides[0], top + sides[1])
    if drawn >= changes.zoom_out + changes.crop:
        return None
    for _ in range(TRIES):
        across, down = random.uniform(changes.least, 1, 2)
        if max(across / down, down / across) > changes.shape + 1e-9:
            # The longer side gives way, down to what is allowed.
            across, down = min(across, down * changes.shape), min(down, across * changes.shape)
        left, top = random.uniform(0, (1 - across) * width), random.uniform(0, (1 - down) * height)
        window = Box(left, top, left + across * width, top + down * height)
        if not len(boxes) or len(moved(boxes, window, size)):
            return window
    return None


def _recoloured(pixels: Pixels, changes: Changes, random: np.random.Generator) -> Pixels:
    brightness = random.uniform(-changes.brightness, changes.brightness) * 255
    contrast = 1 + random.uniform(-changes.contrast, changes.contrast)
    saturation = 1 + random.uniform(-changes.saturation, changes.saturation)
    tint: Pixels = np.asarray(1 + random.uniform(-changes.tint, changes.tint, pixels.shape[-1]))
    if (brightness, contrast, saturation) == (0, 1, 1) and (tint == 1).all():
        return pixels
    # All of it is linear in a pixel's channels: one product instead of five passes over the picture.
    mix = np.eye(len(tint), dtype=np.float32)
    if len(tint) == 3:
        mix = saturation * mix + (1 - saturation) * _GRAY[:, np.newaxis]
    shift = (1 - contrast) * pixels.mean() + brightness
    values = pixels.astype(np.float32) @ (contrast * mix * tint).astype(np.float32) + (shift * tint).astype(np.float32)
    changed: Pixels = np.rint(np.clip(values, 0, 255, out=values), out=values).astype(np.uint8)
    return changed
