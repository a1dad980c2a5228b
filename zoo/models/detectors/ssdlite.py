"""SSDLite, a detector for boards, on the bodies of the zoo's classifiers; a row of `ROWS` makes a model.

Liu et al., SSD: Single Shot MultiBox Detector, 2016 (https://arxiv.org/abs/1512.02325); SSDLite is from Sandler et al.,
MobileNetV2, 2018 (https://arxiv.org/abs/1801.04381), section 6.2: the head's 3x3 convolutions are separable. The head
for small objects is a feature pyramid: Lin et al., 2017 (https://arxiv.org/abs/1612.03144). The initial bias of the
scores is from Lin et al., Focal Loss, 2017 (https://arxiv.org/abs/1708.02002), section 4.1.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from zoo.models import mobilenet_v1, mobilenet_v2, mobilenet_v3
from zoo.models.detectors.recipes import RECIPE, TRANSFER_RECIPE
from zoo.models.layers import depthwise_init, image_input, make_divisible
from zoo.published import PublishedWeights
from zoo.registry import register, spec
from zoo.specs import ModelSpec, Option

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Row:
    """A body for SSDLite."""

    title: str
    classifier: str
    """The registered name of the classifier, whose spec says the body's options and the layers to begin at."""
    body: Callable[..., keras.KerasTensor]
    """Adds the body to scaled pixels, by the options that the classifier has and a detector has not."""
    weights: tuple[PublishedWeights, ...]
    params: int
    """Number of parameters with the default options."""
    macs: int


ROWS = (
    Row("MobileNetV2", "mobilenet_v2", mobilenet_v2.body, mobilenet_v2.BODY_WEIGHTS, 3_775_872, 781_479_296),
    Row("MobileNetV1", "mobilenet_v1", mobilenet_v1.body, mobilenet_v1.BODY_WEIGHTS, 4_565_376, 1_304_192_896),
    Row("MobileNetV3", "mobilenet_v3", mobilenet_v3.body, mobilenet_v3.BODY_WEIGHTS, 2_792_488, 586_029_696),
)
OWN = ("num_classes", "input_size", "dropout")
"""The options of a classifier that are none of its body's."""
EXTRA_FILTERS = (512, 256)
"""Channels of the two levels behind the body, of strides 64 and 128."""
PYRAMID_FILTERS = 96
"""Channels of all levels of the pyramid, at any width of the body."""
HEAD_MOMENTUM = 0.9
"""Momentum of the head's batch normalization. Keras' 0.99 needs more steps than a small data set has."""
RARE = -4.6
"""Initial bias of the scores: the sigmoid of it is 1%, since nearly all anchors show nothing."""


def _register(row: Row) -> None:
    """Registers the detector of a row, with the options of its body beside its own."""
    classifier = spec(row.classifier)
    of_body = tuple(option for option in classifier.options if option.name not in OWN)
    options = (
        Option("num_classes", "number of classes", minimum=1),
        *of_body,
        Option("input_size", "width and height of the pictures", minimum=32, multiple_of=32, in_name="{}"),
        Option(
            "small_objects",
            "adds a level with a stride of 8 pixels, by a feature pyramid",
            kind=bool,
            # A variant of the body may be called small.
            in_name="small_objects" if any("small" in option.choices for option in of_body) else "small",
        ),
    )
    defaults = {option.name: option.default for option in of_body} | {
        "num_classes": 80, "input_size": 320, "small_objects": False,
    }  # fmt: skip

    def build(*, num_classes: int, input_size: int, small_objects: bool, **chosen: Any) -> keras.Model:
        """Builds the detector; see `_detector`."""
        return _detector(row, num_classes, input_size, chosen, small_objects=small_objects)

    cast("Any", build).__signature__ = inspect.Signature(
        [inspect.Parameter(o.name, inspect.Parameter.KEYWORD_ONLY, default=defaults[o.name]) for o in options]
    )
    about = ModelSpec(
        name=f"ssdlite_{row.classifier}",
        summary=f"finds objects and their boxes; {row.title} with the head of SSDLite",
        paper=classifier.paper,
        url=classifier.url,
        input_shape=(320, 320, 3),
        params=row.params,
        macs=row.macs,
        options=options,
        task="detection",
        recipe=RECIPE,
        transfer_recipe=TRANSFER_RECIPE,
        weights=row.weights,
        cautions=classifier.cautions,
        backbone=classifier.backbone,
    )
    register(about)(build)


def _detector(
    row: Row, num_classes: int, input_size: int, chosen: Mapping[str, Any], *, small_objects: bool
) -> keras.Model:
    """Builds a detector, with two outputs for each of its anchors.

    `boxes`, `(batch, anchors, 4)`, are coded relative to the anchors as SSD does it; `scores`,
    `(batch, anchors, num_classes)`, are independent probabilities, without one of the background.
    """
    import keras
    from keras import layers

    from zoo.models.detectors.anchored import NAME, PER_CELL, Anchors
    from zoo.tasks.objects.anchors import default_shapes

    pixels, x = image_input(input_size)
    backbone = keras.Model(pixels, row.body(x, **chosen))
    taps = spec(row.classifier).taps_for(chosen)
    maps = {stride: backbone.get_layer(name).output for stride, name in taps.items()}
    levels = _pyramid(maps) if small_objects else _levels(maps, chosen.get("alpha", 1.0))
    prefix = "fpn" if small_objects else "ssd"
    boxes, scores = [], []
    for i, level in enumerate(levels):
        count = level.shape[1] * level.shape[2] * PER_CELL
        one = _depthwise(level, 1, f"{prefix}_box{i}")
        one = layers.Conv2D(PER_CELL * 4, 1, kernel_initializer=_narrow(), name=f"{prefix}_box{i}")(one)
        boxes.append(layers.Reshape((count, 4), name=f"{prefix}_box{i}_rows")(one))
        one = _depthwise(level, 1, f"{prefix}_class{i}")
        one = layers.Conv2D(
            PER_CELL * num_classes,
            1,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            bias_initializer=keras.initializers.Constant(RARE),
            name=f"{prefix}_class{i}",
        )(one)
        scores.append(layers.Reshape((count, num_classes), name=f"{prefix}_class{i}_rows")(one))
    # Reshaping, joining and the sigmoid stand last, so that an accelerator that lacks one of them runs all before it.
    all_boxes = layers.Concatenate(axis=1, name=f"{prefix}_boxes")(boxes)
    all_scores = layers.Concatenate(axis=1, name=f"{prefix}_scores")(scores)
    grids = [(level.shape[1], level.shape[2]) for level in levels]
    all_boxes = Anchors(grids, default_shapes(len(grids)), name=NAME)(all_boxes)
    return keras.Model(pixels, [all_boxes, layers.Activation("sigmoid", dtype="float32", name="scores")(all_scores)])


def _levels(maps: Mapping[int, keras.KerasTensor], alpha: float) -> list[keras.KerasTensor]:
    """Returns the feature maps of SSDLite, of strides 16, 32, 64 and 128."""
    found = [maps[16], maps[32]]
    for i, filters in enumerate(make_divisible(filters * alpha) for filters in EXTRA_FILTERS):
        x = _pointwise(found[-1], filters // 2, f"ssd_extra{i}_narrow")
        x = _depthwise(x, 2, f"ssd_extra{i}")
        found.append(_pointwise(x, filters, f"ssd_extra{i}_widen"))
    return found


def _pyramid(maps: Mapping[int, keras.KerasTensor]) -> list[keras.KerasTensor]:
    """Returns the feature maps of a pyramid, of strides 8, 16, 32, 64 and 128, all with `PYRAMID_FILTERS` channels."""
    from keras import layers

    sides = [
        _pointwise(maps[stride], PYRAMID_FILTERS, f"fpn_side{i}", activation=False)
        for i, stride in enumerate((8, 16, 32))
    ]
    x = sides[2]
    found = [x]
    for i in (1, 0):
        x = layers.UpSampling2D(2, interpolation="nearest", name=f"fpn_up{i}")(x)
        x = layers.Add(name=f"fpn_add{i}")([x, sides[i]])
        found.insert(0, x)
    found = [
        _pointwise(_depthwise(x, 1, f"fpn_smooth{i}"), PYRAMID_FILTERS, f"fpn_smooth{i}_out")
        for i, x in enumerate(found)
    ]
    for i in (3, 4):
        found.append(_pointwise(_depthwise(found[-1], 2, f"fpn_extra{i}"), PYRAMID_FILTERS, f"fpn_extra{i}_out"))
    return found


def _pointwise(x: keras.KerasTensor, filters: int, name: str, *, activation: bool = True) -> keras.KerasTensor:
    from keras import layers

    x = layers.Conv2D(filters, 1, use_bias=False, kernel_initializer=_narrow(), name=name)(x)
    x = layers.BatchNormalization(epsilon=1e-3, momentum=HEAD_MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(6, name=f"{name}_relu")(x) if activation else x


def _depthwise(x: keras.KerasTensor, stride: int, name: str) -> keras.KerasTensor:
    from keras import layers

    x = layers.DepthwiseConv2D(
        3, stride, padding="same", use_bias=False, depthwise_initializer=depthwise_init(3), name=f"{name}_depthwise"
    )(x)
    x = layers.BatchNormalization(epsilon=1e-3, momentum=HEAD_MOMENTUM, name=f"{name}_depthwise_bn")(x)
    return layers.ReLU(6, name=f"{name}_depthwise_relu")(x)


def _narrow() -> keras.initializers.Initializer:
    import keras

    return keras.initializers.TruncatedNormal(stddev=0.03)


for _row in ROWS:
    _register(_row)
