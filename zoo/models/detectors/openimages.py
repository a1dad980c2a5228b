"""The detector that MediaPipe's Objectron looks for objects with: an SSD on MobileNetV2, trained on Open Images.

It is published as a part of the npm package `@mediapipe/objectron`, under the licence Apache-2.0, as a TensorFlow Lite
model whose batch normalization is folded into its convolutions. Its names of classes stand before it in the same file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.published import MINUS_1_TO_1, NPM_FILES, Inside, PublishedWeights, WeightsFile

NAME = "openimages"
ADDRESS = f"{NPM_FILES}@mediapipe/objectron@0.4.1675468480/objectron_solution_packed_assets.data"
SHA256 = "470986ca5df183f41698da6de74b027d838fe289d77b5ab094497d350bee664e"
BYTES = 9_987_912
BEGIN = 184
"""The length of the names of the classes, before the model."""
SIZE = 300
"""Width and height in pixels of the pictures that it was trained on."""
LABELS = (
    "Bicycle", "Boot", "Laptop", "Person", "Chair", "Cattle", "Desk", "Cat", "Computer mouse", "Computer monitor",
    "Box", "Mug", "Coffee cup", "Stationary bicycle", "Table", "Bottle", "High heels", "Vehicle", "Footwear", "Dog",
    "Book", "Camera", "Car",
)  # fmt: skip
"""The classes in the order of the scores, behind one of the background."""
EXTRAS = 4
"""The number of levels behind the backbone, each of two convolutions."""
FIRST_LEVEL = "block_13_expand"
"""The layer of the backbone that the head's first level is made of, and behind which it stands in the file."""


def published(backbone: Sequence[str], *, head: bool, options: Mapping[str, Any] | None = None) -> PublishedWeights:
    """Describes these weights for one of the models that can take them.

    Args:
        backbone: the names of MobileNetV2's convolutions, each followed by that of its normalization.
        head: whether the model takes the head, too, whose layers are named as in `head_layers`.
        options: the options that the model needs.
    """
    norms = dict(zip(backbone[::2], backbone[1::2], strict=True))
    split = list(norms).index(FIRST_LEVEL) + 1
    first, *others = [names if head else ("",) * len(names) for names in head_layers()]
    layers = (*list(norms)[:split], *first, *list(norms)[split:], *(name for level in others for name in level))
    scores = frozenset(name for name in layers if name.startswith("ssd_class"))
    inside = Inside(BEGIN, layers, norms, scores, len(LABELS) + 1)
    file = WeightsFile(ADDRESS, options or {}, SIZE, SHA256, most_bytes=BYTES, inside=inside)
    return PublishedWeights(
        name=NAME,
        trained_on="Open Images",
        classes=len(LABELS) if head else None,
        files=(file,),
        pixels=MINUS_1_TO_1,
        source="MediaPipe Objectron",
        licence="Apache-2.0",
        labels=LABELS if head else (),
    )


def head_layers() -> list[tuple[str, ...]]:
    """Returns the names of the head's convolutions, level by level: extra layers, boxes, scores."""
    levels: list[tuple[str, ...]] = [(f"ssd_box{i}", f"ssd_class{i}") for i in range(2)]
    for i in range(EXTRAS):
        at = i + 2
        levels.append((f"ssd_extra{i}_narrow", f"ssd_extra{i}", f"ssd_box{at}", f"ssd_class{at}"))
    return levels
