from __future__ import annotations

import numpy as np
import pytest

import zoo
from zoo.models.mobilenet_v4 import MEAN, SIZES, STAGES, TRANSFER_RECIPE, timm_layers
from zoo.summary.table import outline

# Output width and channels of the five stages, from the paper's tables of both nets.
OUTPUTS = {
    "conv_small": ((56, 32), (28, 64), (14, 96), (7, 128), (7, 960)),
    "conv_medium": ((64, 48), (32, 80), (16, 160), (8, 256), (8, 960)),
}


@pytest.mark.parametrize("variant", STAGES)
def test_the_outputs_of_each_stage(variant: str) -> None:
    summary = outline("mobilenet_v4", variant=variant)
    assert summary.input_shape == (SIZES[variant], SIZES[variant], 3)
    shapes = {row.name: row.output_shape for row in summary.rows}
    for stage, (width, channels) in enumerate(OUTPUTS[variant], start=1):
        last = [name for name in shapes if name.startswith(f"stage{stage}_")][-1]
        assert shapes[last] == (width, width, channels)
    assert (shapes["head_conv"], shapes["flatten"]) == ((1, 1, 1280), (1280,))


def test_the_blocks_of_the_small_net() -> None:
    rows = {row.name: row for row in outline("mobilenet_v4").rows}
    starts = {name: row.kernel for name, row in rows.items() if name.endswith("_start_depthwise")}
    assert starts == {
        "stage3_block1_start_depthwise": (5, 5),
        "stage3_block6_start_depthwise": (3, 3),
        "stage4_block1_start_depthwise": (3, 3),
        "stage4_block2_start_depthwise": (5, 5),
    }
    middles = {name: row for name, row in rows.items() if name.endswith("_middle_depthwise")}
    assert len(middles) == 11  # of twelve blocks; the one like ConvNeXt's has none
    assert [name for name, row in middles.items() if row.stride == (2, 2)] == [
        "stage3_block1_middle_depthwise",
        "stage4_block1_middle_depthwise",
    ]
    # A depthwise convolution before the expansion has no activation.
    assert "stage3_block1_start_relu" not in rows
    assert sum(row.kind == "Add" for row in rows.values()) == 5 + 5


@pytest.mark.slow
@pytest.mark.parametrize("variant", STAGES)
def test_convolutions_with_a_stride_pad_all_sides_alike(variant: str) -> None:
    strided = [row for row in outline("mobilenet_v4", variant=variant).rows if row.stride == (2, 2)]
    assert len(strided) == 5
    for row in strided:
        assert row.kernel is not None
        assert row.padding == ((row.kernel[0] // 2,) * 2,) * 2


@pytest.mark.slow
def test_the_mean_pixel_is_zero() -> None:
    import keras

    model = zoo.build("mobilenet_v4", input_size=32, num_classes=2)
    centred = keras.Model(model.inputs[0], model.get_layer("center").output)
    pixels = np.broadcast_to(255 * np.array(MEAN, np.float32), (1, 32, 32, 3))
    np.testing.assert_allclose(np.asarray(centred(pixels)), 0, atol=1e-6)


@pytest.mark.parametrize("variant", STAGES)
def test_timm_names_each_layer_once(variant: str) -> None:
    rows = outline("mobilenet_v4", variant=variant).rows
    names = dict(zip([row.name for row in rows if row.params], timm_layers(variant), strict=True))
    assert len(set(names.values())) == len(names)
    assert names["stem_bn"] == "bn1"
    assert names["stage3_block1_start_depthwise"] == "blocks.2.0.dw_start.conv"
    assert names["stage4_block2_middle_bn"] == "blocks.3.1.dw_mid.bn"
    assert names["head_bn"] == "norm_head"
    assert TRANSFER_RECIPE["freeze"] in {row.name for row in rows}
