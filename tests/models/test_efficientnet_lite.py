from __future__ import annotations

import numpy as np
import pytest

import zoo
from zoo.errors import OptionError
from zoo.models.efficientnet_lite import (
    ACCURACIES,
    TRANSFER_RECIPE,
    VARIANTS,
    stages_of,
    tensorflow_layers,
    timm_layers,
)
from zoo.summary.table import outline

# Channels and repeats of the seven stages, and their outputs' width: counted in Google's models.
STAGES = {
    "lite0": ((16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1), (112, 56, 28, 14, 14, 7, 7)),
    "lite1": ((16, 24, 40, 80, 112, 192, 320), (1, 3, 3, 4, 4, 5, 1), (120, 60, 30, 15, 15, 8, 8)),
    "lite2": ((16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1), (130, 65, 33, 17, 17, 9, 9)),
    "lite3": ((24, 32, 48, 96, 136, 232, 384), (1, 3, 3, 5, 5, 6, 1), (140, 70, 35, 18, 18, 9, 9)),
    "lite4": ((24, 32, 56, 112, 160, 272, 448), (1, 4, 4, 6, 6, 8, 1), (150, 75, 38, 19, 19, 10, 10)),
}


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_stages_of_each_variant(variant: str) -> None:
    shapes = {row.name: row.output_shape for row in outline("efficientnet_lite", variant=variant).rows}
    channels, repeats, widths = STAGES[variant]
    for stage in range(1, 8):
        count, width = repeats[stage - 1], widths[stage - 1]
        assert shapes[f"stage{stage}_block{count}_project_conv"] == (width, width, channels[stage - 1])
        assert f"stage{stage}_block{count + 1}_project_conv" not in shapes
    # The first and the last convolution do not grow.
    assert (shapes["stem_conv"][-1], shapes["head_conv"][-1]) == (32, 1280)


def test_kernels_strides_and_where_the_input_is_added() -> None:
    rows = {row.name: row for row in outline("efficientnet_lite").rows}
    first = [rows[f"stage{stage}_block1_depthwise"] for stage in range(1, 8)]
    assert [row.kernel[0] for row in first if row.kernel] == [3, 3, 5, 3, 5, 5, 3]
    assert [row.stride[0] for row in first if row.stride] == [1, 2, 2, 2, 1, 2, 1]
    added = [name.removesuffix("_add") for name, row in rows.items() if row.kind == "Add"]
    assert added == [
        f"stage{stage}_block{block}"
        for stage, count in enumerate(STAGES["lite0"][1], start=1)
        for block in range(2, count + 1)
    ]
    assert "stage1_block1_expand_conv" not in rows
    assert rows["stage2_block1_expand_conv"].output_shape[-1] == 6 * 16


def test_size_and_dropout_follow_the_variant() -> None:
    spec = zoo.spec("efficientnet_lite")
    found = {variant: spec.check({"variant": variant}) for variant in VARIANTS}
    assert [options["input_size"] for options in found.values()] == [224, 240, 260, 280, 300]
    assert [options["dropout"] for options in found.values()] == [0.2, 0.2, 0.3, 0.3, 0.3]
    assert spec.check({"variant": "lite4", "input_size": 64})["input_size"] == 64
    assert [spec.instance_name(options) for options in found.values()] == [
        "efficientnet_lite",
        *(f"efficientnet_lite_lite{i}" for i in range(1, 5)),
    ]
    assert spec.instance_name({"variant": "lite2", "input_size": 224}) == "efficientnet_lite_lite2_224"
    with pytest.raises(OptionError, match="variant='b0' is not allowed; give one of lite0, lite1"):
        spec.check({"variant": "b0"})


@pytest.mark.slow
def test_a_pixel_of_127_is_zero() -> None:
    layer = zoo.build("efficientnet_lite", input_size=32, num_classes=2).get_layer("rescale")
    np.testing.assert_array_equal(np.asarray(layer(np.array([127.0, 255.0, 0.0]))), [0, 1, -127 / 128])


@pytest.mark.parametrize("variant", VARIANTS)
def test_other_programs_name_each_layer_once(variant: str) -> None:
    layers = [row.name for row in outline("efficientnet_lite", variant=variant).rows if row.params]
    blocks = sum(repeats for _, _, repeats, *_ in stages_of(variant))
    for names in (tensorflow_layers(variant), timm_layers(variant)):
        assert len(set(names)) == len(names) == len(layers)
    google = dict(zip(layers, tensorflow_layers(variant), strict=True))
    assert google["stage7_block1_project_bn"] == f"efficientnet-{variant}/blocks_{blocks - 1}/tpu_batch_normalization_2"
    assert google["stage1_block1_project_conv"] == f"efficientnet-{variant}/blocks_0/conv2d"
    timm = dict(zip(layers, timm_layers(variant), strict=True))
    assert timm["stage6_block2_depthwise_bn"] == "blocks.5.1.bn2"
    assert timm["logits"] == "classifier"


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_layer_up_to_which_a_transfer_freezes_is_there(variant: str) -> None:
    assert TRANSFER_RECIPE["freeze"] in {row.name for row in outline("efficientnet_lite", variant=variant).rows}


def test_published_accuracies() -> None:
    options = zoo.spec("efficientnet_lite").check({"variant": "lite3"})
    assert (ACCURACIES.top1(options), ACCURACIES.int8_top1(options)) == (79.8, 79.0)
    assert ACCURACIES.top1(options | {"input_size": 224}) is None
