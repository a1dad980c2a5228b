"""Random changes to training pictures, as Keras layers on batches; they are part of no model and no exported file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from zoo.errors import OptionError

if TYPE_CHECKING:
    import tensorflow as tf

Augment = Literal["none", "light", "no-flip", "standard"]
AUGMENTS: tuple[Augment, ...] = get_args(Augment)


def augmentation(preset: Augment) -> list[Any]:
    """Returns the layers of a preset; their inputs and outputs are `(batch, height, width, channels)` float32, 0..255.

    - `none`: no layers;
    - `light`: shifts and zooms of at most 5 % and brightness of at most 10 %, which do not change the meaning of digits
      and writing;
    - `no-flip`: as `standard`, without mirroring: for photos with writing, signs, or a left and a right;
    - `standard`: mirrors left and right, shifts and zooms of at most 10 %, turns of at most 15 degrees, brightness and
      contrast of at most 20 %: for photos.

    Borders are filled by reflection.

    Raises:
        OptionError: the preset is unknown.
    """
    if preset not in AUGMENTS:
        raise OptionError(f"augment={preset!r} is not one of {', '.join(AUGMENTS)}")
    if preset == "none":
        return []
    from keras import layers

    if preset == "light":
        return [
            layers.RandomTranslation(0.05, 0.05, seed=0),
            layers.RandomZoom(0.05, seed=0),
            layers.RandomBrightness(0.1, value_range=(0, 255), seed=0),
        ]
    flip = [layers.RandomFlip("horizontal", seed=0)] if preset == "standard" else []
    return [
        *flip,
        layers.RandomTranslation(0.1, 0.1, seed=0),
        layers.RandomZoom(0.1, seed=0),
        layers.RandomRotation(15 / 360, seed=0),
        layers.RandomBrightness(0.2, value_range=(0, 255), seed=0),
        layers.RandomContrast(0.2, value_range=(0, 255), seed=0),
    ]


def apply(layers: list[Any], images: tf.Tensor, stamp: tf.Tensor) -> tf.Tensor:
    """Applies layers to a batch; the result depends on the stamp, but not on the batches before.

    So a training that is resumed in its fifth epoch gets the same pictures as an uninterrupted one.

    Args:
        layers: from `augmentation`.
        images: `(batch, height, width, channels)` float32.
        stamp: two numbers that differ from batch to batch.
    """
    import tensorflow as tf

    for i, layer in enumerate(layers):
        state = layer.generator.state
        state.assign(tf.cast(stamp * 31 + i, state.dtype))
        images = layer(images, training=True)
    return tf.clip_by_value(images, 0.0, 255.0)
