"""The grouping of layers for a drawing."""

from __future__ import annotations

import pytest

import zoo
from zoo.summary.blocks import blocks
from zoo.summary.table import outline, summarize


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_layer_is_in_one_block_and_in_order(name: str) -> None:
    summary = outline(name)
    found = blocks(summary)
    assert [row for block in found for row in block.rows] == list(summary.rows)
    assert sum(block.params for block in found) == summary.params
    assert sum(block.macs for block in found) == summary.macs
    assert (found[0].kind, found[0].output_shape, found[0].params) == ("input", summary.input_shape, 0)
    assert found[-1].output_shape == summary.rows[-1].output_shape
    assert found[-1].receptive_field == summary.rows[-1].receptive_field
    names = [block.name for block in found]
    assert len(set(names)) == len(names)


def test_the_stages_of_vgg16() -> None:
    found = blocks(outline("vgg16"))
    assert [block.name for block in found[1:6]] == ["block1", "block2", "block3", "block4", "block5"]
    assert found[3].label == ("3 × conv 3×3", "max pool 2×2")
    # With convolutions of 3x3 and pooling of 2x2, counted from the input: 1 + 2 + 2 + 1 = 6, and so on.
    assert [block.receptive_field for block in found[1:6]] == [(6, 6), (16, 16), (44, 44), (100, 100), (212, 212)]
    assert [block.name for block in found[6:]] == ["fc1", "fc2", "logits"]
    assert found[6].label == ("flatten", "dense")


def test_the_inverted_residuals_of_mobilenet_v2() -> None:
    found = blocks(outline("mobilenet_v2"))
    depthwise = [block for block in found if block.kind == "depthwise"]
    # The paper's table 2 has 1 + 2 + 3 + 4 + 3 + 3 + 1 blocks; the input is added in all but the first of each row.
    assert len(depthwise) == 17
    assert sum("+ input" in block.label for block in depthwise) == 17 - 7
    assert depthwise[0].label == ("dw 3×3", "1×1 → 16")
    assert depthwise[1].label == ("1×1 → 96", "dw 3×3 /2", "1×1 → 24")
    assert depthwise[2].label == ("1×1 → 144", "dw 3×3", "1×1 → 24", "+ input")
    others = [(block.name, block.kind) for block in found if block.kind != "depthwise"]
    assert others == [
        ("input", "input"),
        ("Conv1", "convolution"),
        ("Conv_1", "convolution"),
        ("global_average_pool", "pooling"),
        ("logits", "dense"),
    ]


def test_alexnet_keeps_its_five_convolutions_apart() -> None:
    found = blocks(outline("alexnet"))
    assert [block.name for block in found] == ["input", *(f"conv{i}" for i in range(1, 6)), "fc6", "fc7", "logits"]
    assert found[2].label == ("conv 5×5", "2 groups", "max pool 3×3 /2")


def test_depthwise_separable_blocks_and_what_has_no_rule() -> None:
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.AveragePooling2D(2, name="shrink"),
            layers.DepthwiseConv2D(3, padding="same", name="deep1_dw"),
            layers.Conv2D(8, 1, name="deep1_pw"),
            layers.DepthwiseConv2D((3, 1), padding="same", name="deep_dw"),
            layers.Conv2D(8, 1, name="deep_pw"),
            layers.Conv2D(8, 1, name="mix"),
            layers.Flatten(),
        ]
    )
    found = blocks(summarize(model))
    assert [block.name for block in found] == ["input", "shrink", "deep1", "deep_dw", "mix"]
    assert found[3].label == ("dw 3×1", "1×1 → 8")
    # The model does not end in a dense layer, so the flattening stays where it is.
    assert found[-1].output_shape == (4 * 4 * 8,)


def test_a_vector_as_input() -> None:
    found = blocks(outline("mlp", features=12))
    assert [(block.name, block.receptive_field) for block in found] == [
        ("input", None),
        ("fc1", None),
        ("fc2", None),
        ("logits", None),
    ]
