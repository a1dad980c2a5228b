"""Parameters and MACs equal published and hand-counted numbers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest

import zoo
from tests.narrow import narrow
from zoo.summary import table

if TYPE_CHECKING:
    from tests.conftest import Case
    from zoo.summary.table import Summary


@functools.cache
def outline(name: str, **options: Any) -> Summary:
    """The outline of a model, which several tests look at."""
    return table.outline(name, **options)


SSD_LEVELS = ((576, 3), (1280, 6), (512, 6), (256, 6), (256, 6), (128, 6))
"""Channels of each level of the SSD, and anchors in each of its cells."""
SSD_HEADS = sum((channels + 1) * anchors * (4 + 23) for channels, anchors in SSD_LEVELS)
SSD_EXTRAS = sum(
    (before + 1) * narrow + (9 * narrow + 1) * wide
    for before, narrow, wide in ((1280, 256, 512), (512, 128, 256), (256, 128, 256), (256, 64, 128))
)


def ssdlite_head(middle: int, last: int) -> int:
    """Counts SSDLite's head of 80 classes on maps of so many channels: a batch norm has four values for each."""

    def pointwise(channels: int, filters: int) -> int:
        return channels * filters + 4 * filters

    def depthwise(channels: int) -> int:
        return 9 * channels + 4 * channels

    extras, levels = 0, [middle, last]
    for filters in (512, 256):
        extras += pointwise(levels[-1], filters // 2) + depthwise(filters // 2) + pointwise(filters // 2, filters)
        levels.append(filters)
    ends = sum(2 * depthwise(channels) + (channels + 1) * 4 * (4 + 80) for channels in levels)
    return extras + ends


PARAMS = [
    ("alexnet", {}, 60_965_224),
    ("alexnet", {"groups": 1}, 62_378_344),
    ("vgg16", {}, 138_357_544),
    # keras.applications' count; and torchvision's, which leaves the running means and variances out.
    ("resnet", {}, 25_636_712),
    ("resnet", {"variant": 18}, 11_689_512 + 2 * 4_800),
    ("mobilenet_v2", {"alpha": 0.35}, 1_691_208),
    ("mobilenet_v2", {"alpha": 0.5}, 1_987_224),
    ("mobilenet_v2", {"alpha": 0.75}, 2_663_064),
    ("mobilenet_v2", {}, 3_538_984),
    ("mobilenet_v2", {"alpha": 1.3}, 5_431_048),
    ("mobilenet_v2", {"alpha": 1.4}, 6_156_712),
    # A fully convolutional body has the same parameters at every size.
    ("mobilenet_v2", {"input_size": 96}, 3_538_984),
    # From Keras Applications' own models.
    ("mobilenet_v1", {"alpha": 0.25}, 475_544),
    ("mobilenet_v1", {"alpha": 0.5}, 1_342_536),
    ("mobilenet_v1", {"alpha": 0.75}, 2_601_976),
    ("mobilenet_v1", {}, 4_253_864),
    ("mobilenet_v3", {"variant": "large"}, 5_507_432),
    ("mobilenet_v3", {"variant": "large", "alpha": 0.75}, 4_012_616),
    ("mobilenet_v3", {"variant": "small"}, 2_554_968),
    ("mobilenet_v3", {"variant": "small", "alpha": 0.75}, 2_051_552),
    ("mobilenet_v3", {}, 3_948_688),
    ("mobilenet_v3", {"variant": "small_minimalistic"}, 2_056_848),
    ("mlp", {}, 784 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10),
    ("mlp", {"hidden": (32,), "features": 7, "num_classes": 3}, 7 * 32 + 32 + 32 * 3 + 3),
    ("lenet", {}, 25 * 6 + 6 + 25 * 6 * 16 + 16 + 400 * 120 + 120 + 120 * 84 + 84 + 84 * 10 + 10),
    # The body is that of the classifier without its dense layer; the rest is the head, counted by hand below.
    ("ssdlite_mobilenet_v2", {}, 2_257_984 + ssdlite_head(576, 1280)),
    # keras.applications' count without a top, and what the head has on 512 and 1024, or 672 and 960 channels.
    ("ssdlite_mobilenet_v1", {}, 3_228_864 + ssdlite_head(512, 1024)),
    ("ssdlite_mobilenet_v3", {}, 1_437_608 + ssdlite_head(672, 960)),
    ("ssd_mobilenet_v2", {}, 2_257_984 + SSD_EXTRAS + SSD_HEADS),
    ("conv1d", {}, 5 * 6 * 16 + 16 + 5 * 16 * 32 + 32 + 3 * 32 * 64 + 64 + 64 * 6 + 6),
]

# Published figures in millions, from slim's mobilenet/README.md and from the papers.
MACS = [
    ("alexnet", {}, 724),
    ("alexnet", {"groups": 1}, 1135),
    ("vgg16", {}, 15_470),
    # The paper's table 1 has 3.8 and 1.8 billion, torchvision's ResNet-18 1.81.
    ("resnet", {}, 3_858),
    ("resnet", {"variant": 18}, 1_814),
    ("mobilenet_v2", {"alpha": 0.35}, 59),
    ("mobilenet_v2", {"alpha": 0.5}, 97),
    ("mobilenet_v2", {"alpha": 0.75}, 209),
    ("mobilenet_v2", {}, 301),
    ("mobilenet_v2", {"alpha": 1.3}, 509),
    ("mobilenet_v2", {"alpha": 1.4}, 582),
    # Google's table has 407, 631, 899, 1440 and 2640, which is more than convolutions and dense layers.
    ("efficientnet_lite", {}, 385),
    ("efficientnet_lite", {"variant": "lite1"}, 600),
    ("efficientnet_lite", {"variant": "lite2"}, 860),
    ("efficientnet_lite", {"variant": "lite3"}, 1383),
    ("efficientnet_lite", {"variant": "lite4"}, 2553),
    # The paper has 0.2 G and 1.0 G.
    ("mobilenet_v4", {}, 186),
    ("mobilenet_v4", {"variant": "conv_medium"}, 1080),
]


TRAINABLE = [
    # Google's `efficientnet_lite_builder_test.py`.
    ("efficientnet_lite", "lite0", 4_652_008),
    ("efficientnet_lite", "lite1", 5_416_680),
    ("efficientnet_lite", "lite2", 6_092_072),
    ("efficientnet_lite", "lite3", 8_197_096),
    ("efficientnet_lite", "lite4", 13_006_568),
    # timm's models.
    ("mobilenet_v4", "conv_small", 3_774_024),
    ("mobilenet_v4", "conv_medium", 9_715_512),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "variant", "params"), TRAINABLE)
def test_trainable_parameters(name: str, variant: str, params: int) -> None:
    assert outline(name, variant=variant).trainable_params == params


@pytest.mark.parametrize(("name", "options", "params"), PARAMS)
def test_parameters(name: str, options: dict[str, Any], params: int) -> None:
    summary = outline(name, **options)
    assert summary.params == params
    assert sum(row.params for row in summary.rows) == params


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options", "millions"), MACS)
def test_macs(name: str, options: dict[str, Any], millions: int) -> None:
    assert round(outline(name, **options).macs / 1e6) == millions


@pytest.mark.parametrize("name", zoo.list_models())
def test_the_spec_says_what_the_default_model_has(name: str) -> None:
    spec, summary = zoo.spec(name), outline(name)
    assert (spec.params, spec.macs, spec.input_shape) == (summary.params, summary.macs, summary.input_shape)


@pytest.mark.slow
def test_a_built_model_has_what_the_outline_says(case: Case) -> None:
    with narrow():
        summary = table.outline(case.name, **case.options)
    assert summary == zoo.summarize(case.model)
    assert case.model.count_params() == summary.params == sum(w.numpy().size for w in case.model.weights)


@pytest.mark.slow
def test_batch_norm_statistics_are_not_trainable() -> None:
    summary = outline("mobilenet_v2")
    assert summary.params - summary.trainable_params == 34_112  # keras.applications has 17,056 normalized channels
    assert outline("vgg16").trainable_params == outline("vgg16").params
