"""A multi-layer perceptron, the simplest net to begin with. Rumelhart, Hinton, Williams, Nature 323, 1986."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.errors import OptionError
from zoo.models.layers import RELU_INIT, classifier_head, image_input
from zoo.registry import register
from zoo.specs import DROPOUT, NUM_CLASSES, ModelSpec, Option

if TYPE_CHECKING:
    import keras


@register(
    ModelSpec(
        name="mlp",
        summary="flatten and dense layers; the first net of any course",
        paper="Rumelhart et al., Learning Representations by Back-Propagating Errors, 1986",
        url="https://doi.org/10.1038/323533a0",
        input_shape=(28, 28, 1),
        params=109_386,
        macs=109_184,
        options=(
            NUM_CLASSES,
            Option("hidden", "widths of the hidden layers", kind=tuple, minimum=1),
            Option("input_size", "width and height of the pictures", minimum=1, in_name="{}"),
            Option("channels", "colour channels: 1 for gray pictures, 3 for colour", choices=(1, 3), in_name="c{}"),
            Option(
                "features",
                "number of input values, for vectors instead of pictures",
                minimum=1,
                in_name="f{}",
            ),
            DROPOUT,
        ),
        recipe={"epochs": 30, "batch_size": 64},
    )
)
def mlp(
    *,
    num_classes: int = 10,
    hidden: tuple[int, ...] = (128, 64),
    input_size: int = 28,
    channels: int = 1,
    features: int | None = None,
    dropout: float = 0.0,
) -> keras.Model:
    """Builds dense layers of the `hidden` widths, on a flattened picture or on `features` values as they are.

    Raises:
        OptionError: options of vectors and of pictures are given together.
    """
    import keras
    from keras import layers

    if features is None:
        inputs, x = image_input(input_size, channels)
        x = layers.Flatten(name="flatten")(x)
    else:
        if (input_size, channels) != (28, 1):
            raise OptionError(
                f"mlp: features={features} is for vectors, and input_size and channels are for pictures; leave out one "
                "or the other"
            )
        inputs = x = keras.Input((features,), name="features")
    for i, units in enumerate(hidden, start=1):
        x = layers.Dense(units, activation="relu", kernel_initializer=RELU_INIT, name=f"fc{i}")(x)
        x = layers.Dropout(dropout, name=f"drop{i}")(x)
    return keras.Model(inputs, classifier_head(x, num_classes))
