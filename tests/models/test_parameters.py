"""Parameters and MACs equal published and hand-counted numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import zoo
from tests.narrow import narrow
from zoo.summary.table import outline

if TYPE_CHECKING:
    from tests.conftest import Case

SSD_LEVELS = ((576, 3), (1280, 6), (512, 6), (256, 6), (256, 6), (128, 6))
"""Channels of each level of the SSD, and anchors in each of its cells."""
SSD_HEADS = sum((channels + 1) * anchors * (4 + 23) for channels, anchors in SSD_LEVELS)
SSD_EXTRAS = sum(
    (before + 1) * narrow + (9 * narrow + 1) * wide
    for before, narrow, wide in ((1280, 256, 512), (512, 128, 256), (256, 128, 256), (256, 64, 128))
)
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
    ("mlp", {}, 784 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10),
    ("mlp", {"hidden": (32,), "features": 7, "num_classes": 3}, 7 * 32 + 32 + 32 * 3 + 3),
    ("lenet", {}, 25 * 6 + 6 + 25 * 6 * 16 + 16 + 400 * 120 + 120 + 120 * 84 + 84 + 84 * 10 + 10),
    # The body is that of the classifier without its dense layer; the rest is the head, counted by hand below.
    ("ssdlite_mobilenet_v2", {}, 2_257_984 + 1_517_888),
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
]


@pytest.mark.parametrize(("name", "options", "params"), PARAMS)
def test_parameters(name: str, options: dict[str, Any], params: int) -> None:
    summary = outline(name, **options)
    assert summary.params == params
    assert sum(row.params for row in summary.rows) == params


@pytest.mark.parametrize(("name", "options", "millions"), MACS)
def test_macs(name: str, options: dict[str, Any], millions: int) -> None:
    assert round(outline(name, **options).macs / 1e6) == millions


@pytest.mark.parametrize("name", zoo.list_models())
def test_the_spec_says_what_the_default_model_has(name: str) -> None:
    spec, summary = zoo.spec(name), outline(name)
    assert (spec.params, spec.macs, spec.input_shape) == (summary.params, summary.macs, summary.input_shape)


def test_a_built_model_has_what_the_outline_says(case: Case) -> None:
    with narrow():
        summary = outline(case.name, **case.options)
    assert summary == zoo.summarize(case.model)
    assert case.model.count_params() == summary.params == sum(w.numpy().size for w in case.model.weights)


def test_batch_norm_statistics_are_not_trainable() -> None:
    summary = outline("mobilenet_v2")
    assert summary.params - summary.trainable_params == 34_112  # keras.applications has 17,056 normalized channels
    assert outline("vgg16").trainable_params == outline("vgg16").params
