from __future__ import annotations

from typing import Any

import pytest

import zoo
from tests.branches import Aware
from zoo.errors import InputError, OptionError, UnknownModelError
from zoo.summary.table import Row, outline, summarize


def rows_of(name: str, **options: Any) -> dict[str, Row]:
    return {row.name: row for row in outline(name, **options).rows}


def fields(rows: dict[str, Row], *names: str) -> list[tuple[int, int]]:
    """Returns (receptive field, jump) of the named layers, which are the same on both axes."""
    found = []
    for name in names:
        size, jump = rows[name].receptive_field, rows[name].jump
        assert size is not None
        assert jump is not None
        assert len(set(size)) == len(set(jump)) == 1
        found.append((size[0], jump[0]))
    return found


# Calculated by hand with r' = r + (k - 1) j, j' = j s. AlexNet's 195, VGG-16's 212 and their jump of 32 are also in
# table 1 of Araujo et al., Computing Receptive Fields of Convolutional Neural Networks, Distill 2019.


def test_receptive_fields_of_alexnet() -> None:
    names = ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")
    assert fields(rows_of("alexnet"), *names) == [
        (11, 4),
        (19, 8),
        (51, 8),
        (67, 16),
        (99, 16),
        (131, 16),
        (163, 16),
        (195, 32),
    ]


def test_receptive_fields_of_vgg16() -> None:
    names = [f"block{b}_pool" for b in range(1, 6)]
    assert fields(rows_of("vgg16"), *names) == [(6, 2), (16, 4), (44, 8), (100, 16), (212, 32)]


def test_receptive_fields_of_lenet() -> None:
    names = ("conv1", "pool1", "conv2", "pool2", "flatten")
    # The flattened map is 5x5 with jump 4: its values see 16 + 4 * 4 pixels, all of a 28x28 picture.
    assert fields(rows_of("lenet"), *names) == [(5, 1), (6, 2), (14, 2), (16, 4), (32, 4)]


def test_receptive_fields_of_conv1d() -> None:
    names = ("conv1", "pool1", "conv2", "pool2", "conv3", "pool3", "global_average_pool")
    rows = rows_of("conv1d")
    assert fields(rows, *names) == [(5, 1), (6, 2), (14, 2), (16, 4), (24, 4), (28, 8), (28 + 15 * 8, 8)]
    assert rows["conv1"].receptive_field == (5,)


def test_receptive_fields_of_mobilenet_v2() -> None:
    names = ["Conv1", *(f"mobl{i}_conv_project" for i in (0, 1, 2, 3, 6, 13, 16))]
    assert fields(rows_of("mobilenet_v2"), *names) == [
        (3, 2),
        (7, 2),
        (11, 4),
        (19, 4),
        (27, 8),
        (75, 16),
        (299, 32),
        (491, 32),
    ]


def test_a_vector_has_no_receptive_field() -> None:
    for row in outline("mlp", features=5).rows:
        assert (row.receptive_field, row.jump, row.kernel, row.stride, row.padding, row.groups) == (None,) * 6


@pytest.fixture
def layers() -> Any:
    import keras

    return keras.layers


def summarized(inputs: Any, outputs: Any) -> dict[str, Row]:
    import keras

    return {row.name: row for row in summarize(keras.Model(inputs, outputs)).rows}


def test_a_residual_sum_sees_what_its_longer_branch_sees(layers: Any) -> None:
    inputs = layers.Input((16, 16, 4))
    start = layers.Conv2D(4, 3, padding="same", name="a")(inputs)
    x = layers.Conv2D(4, 3, padding="same", name="b")(start)
    x = layers.Conv2D(4, 3, padding="same", name="c")(x)
    for order in ([start, x], [x, start]):
        added = layers.Add(name="add")(order)
        rows = summarized(inputs, layers.Conv2D(4, 3, name="d")(added))
        assert fields(rows, "a", "b", "c", "add", "d") == [(3, 1), (5, 1), (7, 1), (7, 1), (9, 1)]


def test_same_padding_puts_the_odd_pixel_behind(layers: Any) -> None:
    inputs = layers.Input((224, 225, 3))
    rows = summarized(inputs, layers.Conv2D(8, 3, 2, padding="same", name="conv")(inputs))
    assert rows["conv"].output_shape == (112, 113, 8)
    # 111 * 2 + 3 - 224 = 1 pixel, and 112 * 2 + 3 - 225 = 2.
    assert rows["conv"].padding == ((0, 1), (1, 1))


def test_same_padding_adds_nothing_if_the_stride_is_larger_than_the_kernel(layers: Any) -> None:
    inputs = layers.Input((9, 9, 3))
    rows = summarized(inputs, layers.Conv2D(8, 1, 4, padding="same", name="conv")(inputs))
    assert rows["conv"].padding == ((0, 0), (0, 0))
    assert fields(rows, "conv") == [(1, 4)]


def test_a_zero_padding_layer_is_part_of_the_next_row(layers: Any) -> None:
    inputs = layers.Input((10, 10, 1))
    x = layers.ZeroPadding2D(((1, 2), (3, 4)), name="zeros")(inputs)
    rows = summarized(inputs, layers.Conv2D(1, 3, name="conv")(x))
    assert "zeros" not in rows
    assert rows["conv"].padding == ((1, 2), (3, 4))
    assert rows["conv"].output_shape == (11, 15, 1)


def test_zero_padding_in_one_dimension(layers: Any) -> None:
    inputs = layers.Input((10, 1))
    x = layers.ZeroPadding1D((2, 1), name="zeros")(inputs)
    rows = summarized(inputs, layers.Conv1D(1, 3, name="conv")(x))
    assert rows["conv"].padding == ((2, 1),)


def test_kernels_that_are_not_square(layers: Any) -> None:
    inputs = layers.Input((20, 20, 2))
    x = layers.Conv2D(3, (3, 5), (1, 2), name="conv")(inputs)
    rows = summarized(inputs, layers.AveragePooling2D((2, 3), name="pool")(x))
    assert (rows["conv"].receptive_field, rows["conv"].jump) == ((3, 5), (1, 2))
    assert (rows["pool"].receptive_field, rows["pool"].jump) == ((4, 9), (2, 6))
    assert rows["conv"].macs == 18 * 8 * 3 * 3 * 5 * 2


def test_a_dilated_kernel_reaches_further(layers: Any) -> None:
    inputs = layers.Input((20, 20, 2))
    x = layers.Conv2D(3, 3, dilation_rate=2, padding="same", name="conv")(inputs)
    rows = summarized(inputs, x)
    assert fields(rows, "conv") == [(5, 1)]
    assert rows["conv"].kernel == (3, 3)
    assert rows["conv"].padding == ((2, 2), (2, 2))


def test_macs_of_every_kind_of_convolution(layers: Any) -> None:
    inputs = layers.Input((8, 8, 4))
    x = layers.Conv2D(8, 3, padding="same", groups=2, name="grouped")(inputs)
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="depthwise")(x)
    x = layers.SeparableConv2D(6, 3, padding="same", name="separable")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    rows = summarized(inputs, layers.Dense(5, name="dense")(x))
    assert {name: row.macs for name, row in rows.items()} == {
        "grouped": 64 * 8 * 9 * 2,
        "depthwise": 64 * 16 * 9,
        "separable": 64 * (16 * 9 + 16 * 6),
        "pool": 0,
        "dense": 6 * 5,
    }
    assert (rows["grouped"].groups, rows["depthwise"].groups, rows["separable"].groups) == (2, 8, 1)
    assert fields(rows, "pool") == [(7 + 7, 1)]


def test_a_nested_model_is_opened(layers: Any) -> None:
    import keras

    body_in = layers.Input((32, 32, 3))
    body = keras.Model(body_in, layers.Conv2D(4, 3, 2, padding="same", name="inner")(body_in), name="body")
    inputs = layers.Input((32, 32, 3))
    x = body(layers.Conv2D(3, 3, padding="same", name="outer")(inputs))
    rows = summarized(inputs, layers.Conv2D(2, 3, name="last")(x))
    assert list(rows) == ["outer", "inner", "last"]
    assert fields(rows, "outer", "inner", "last") == [(3, 1), (5, 2), (9, 2)]


@pytest.mark.parametrize("nested", [False, True])
def test_an_open_size_cannot_be_counted(layers: Any, nested: bool) -> None:
    import keras

    inputs = layers.Input((None, None, 3))
    model = keras.Model(inputs, layers.Conv2D(4, 3, 2, padding="same", name="conv")(inputs))
    if nested:
        outer = layers.Input((32, 32, 3))
        model = keras.Model(outer, model(outer))
    with pytest.raises(InputError, match=r"layer 'conv' has the open output size \(None, None, 4\); build the model"):
        summarize(model)


def test_totals() -> None:
    summary = outline("lenet")
    assert summary.model == "lenet"
    assert summary.input_shape == (28, 28, 1)
    assert summary.macs == 28 * 28 * 25 * 6 + 10 * 10 * 25 * 6 * 16 + 400 * 120 + 120 * 84 + 84 * 10
    assert summary.params == sum(row.params for row in summary.rows)


def test_an_outline_checks_its_arguments() -> None:
    with pytest.raises(UnknownModelError, match="did you mean 'lenet'"):
        outline("lenett")
    with pytest.raises(OptionError, match="groups=3"):
        outline("alexnet", groups=3)
    assert zoo.summarize is summarize


def test_an_outline_leaves_no_weights_to_be_made_later() -> None:
    from keras.src.backend.common import global_state

    outline("lenet")
    assert global_state.get_global_attribute("uninitialized_variables") == []


def test_a_model_that_is_trained_for_int8_has_the_macs_of_its_float_model(aware_lenet: Aware) -> None:
    wanted, found = summarize(aware_lenet.model), summarize(aware_lenet.aware)
    assert found.macs == wanted.macs > 0
    fields_of = [{row.name: row.receptive_field for row in one.rows} for one in (wanted, found)]
    assert fields_of[1]["conv2"] == fields_of[0]["conv2"] is not None
