"""A detector of four layers, which learns the scenes of `tests.training.scenes` in seconds."""

from __future__ import annotations

from typing import Any

import zoo
from zoo.specs import ModelSpec, Option

SIZE = 48
RECIPE: dict[str, Any] = {
    "epochs": 4, "min_steps": 200, "batch_size": 8, "learning_rate": 0.01, "warmup_epochs": 1, "resize": "stretch",
    "augment": "no-flip", "patience": 0,
}  # fmt: skip


def register_detector() -> None:
    """Registers it as `spotter`.

    Without batch normalization it learns the same on any number of devices.
    """

    @zoo.register(
        ModelSpec(
            "spotter",
            "finds squares",
            input_shape=(SIZE, SIZE, 3),
            options=(
                Option("num_classes", "number of classes", minimum=1),
                Option("norms", "whether there is batch normalization", kind=bool),
            ),
            task="detection",
            recipe=RECIPE,
            transfer_recipe=RECIPE | {"head_epochs": 1, "epochs": 1, "min_steps": 20, "body_rate": 0.3},
        )
    )
    def spotter(*, num_classes: int = 2, norms: bool = True) -> Any:
        """Builds it, with one level of a stride of 8 pixels."""
        import keras
        from keras import layers

        from zoo.models.detectors.anchored import NAME, Anchors
        from zoo.tasks.objects.anchors import default_shapes

        inputs = keras.Input((SIZE, SIZE, 3))
        x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
        for i, filters in enumerate((8, 16, 24)):
            x = layers.Conv2D(filters, 3, 2, padding="same", use_bias=False, name=f"body{i}")(x)
            x = layers.BatchNormalization(name=f"body{i}_bn")(x) if norms else x
            x = layers.ReLU(name=f"body{i}_relu")(x)
        x = layers.Conv2D(32, 3, padding="same", use_bias=False, name="ssd_conv")(x)
        x = layers.BatchNormalization(momentum=0.9, name="ssd_conv_bn")(x) if norms else x
        x = layers.ReLU(name="ssd_relu")(x)
        rare = keras.initializers.Constant(-4.6)
        boxes = layers.Reshape((144, 4), name="ssd_box0_rows")(layers.Conv2D(16, 1, name="ssd_box0")(x))
        scores = layers.Conv2D(4 * num_classes, 1, bias_initializer=rare, name="ssd_class0")(x)
        scores = layers.Reshape((144, num_classes), name="ssd_class0_rows")(scores)
        boxes = Anchors([(6, 6)], default_shapes(2)[:1], name=NAME)(boxes)
        return keras.Model(inputs, [boxes, layers.Activation("sigmoid", dtype="float32", name="scores")(scores)])
