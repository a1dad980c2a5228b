"""A model of a user's own that brings its weights along.

Each test writes into its copy which files they are in, and how pixels are prepared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import zoo
from zoo.models.layers import classifier_head, image_input
from zoo.published import MINUS_1_TO_1, RAW, Preparation, PublishedWeights, WeightsFile  # noqa: F401  # for tests
from zoo.specs import NUM_CLASSES, ModelSpec, Option

if TYPE_CHECKING:
    import keras

FILES: tuple[WeightsFile, ...] = ()
PIXELS: Preparation | None = None  # pixels
DIGITS = PublishedWeights("digits", "ten digits", classes=10, files=FILES, pixels=PIXELS)
BREADTH = Option("breadth", "filters", minimum=1)
SIZE = Option("input_size", "width and height of the pictures", minimum=8)


@zoo.register(ModelSpec("net", "a net of one's own", options=(NUM_CLASSES, BREADTH, SIZE), weights=(DIGITS,)))
def net(*, num_classes: int = 2, breadth: int = 4, input_size: int = 16) -> keras.Model:
    """One convolution and a head."""
    import keras
    from keras import layers

    pixels, x = image_input(input_size)
    x = layers.Conv2D(breadth, 3, padding="same", activation="relu", name="conv")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(pixels, classifier_head(x, num_classes))
