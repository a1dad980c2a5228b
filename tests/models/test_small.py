"""The small nets for learning: lenet, mlp, conv1d."""

from __future__ import annotations

import numpy as np
import pytest

import zoo
from zoo.errors import OptionError
from zoo.summary.table import outline


def test_lenet_is_figure_2() -> None:
    assert [(row.name, row.output_shape) for row in outline("lenet").rows] == [
        ("rescale", (28, 28, 1)),
        ("conv1", (28, 28, 6)),
        ("pool1", (14, 14, 6)),
        ("conv2", (10, 10, 16)),
        ("pool2", (5, 5, 16)),
        ("flatten", (400,)),
        ("fc3", (120,)),
        ("drop3", (120,)),
        ("fc4", (84,)),
        ("drop4", (84,)),
        ("logits", (10,)),
        ("softmax", (10,)),
    ]


def test_lenet_in_other_sizes() -> None:
    summary = outline("lenet", input_size=32, channels=3, num_classes=4)
    assert summary.input_shape == (32, 32, 3)
    assert summary.rows[-1].output_shape == (4,)
    assert {row.name: row.output_shape for row in outline("lenet", input_size=12).rows}["pool2"] == (1, 1, 16)


@pytest.mark.parametrize("hidden", [(), (5,), (300, 200, 100)])
def test_mlp_has_the_chosen_widths(hidden: tuple[int, ...]) -> None:
    rows = outline("mlp", hidden=hidden, num_classes=3).rows
    assert [row.output_shape for row in rows if row.kind == "Dense"] == [*((n,) for n in hidden), (3,)]


def test_mlp_on_a_vector_takes_it_as_it_is() -> None:
    model = zoo.build("mlp", features=4, hidden=(3,), num_classes=2)
    assert model.input_shape == (None, 4)
    assert "rescale" not in {layer.name for layer in model.layers}


@pytest.mark.parametrize("picture", [{"input_size": 32}, {"channels": 3}])
def test_mlp_on_a_vector_has_no_options_of_pictures(picture: dict[str, int]) -> None:
    with pytest.raises(
        OptionError, match="mlp: features=4 is for vectors, and input_size and channels are for pictures"
    ):
        outline("mlp", features=4, **picture)


def test_conv1d_takes_windows_as_they_are() -> None:
    summary = outline("conv1d", width=100, channels=3, num_classes=4)
    assert summary.input_shape == (100, 3)
    shapes = [row.output_shape for row in summary.rows if row.kind in {"Conv1D", "MaxPooling1D"}]
    assert shapes == [(100, 16), (50, 16), (50, 32), (25, 32), (25, 64), (12, 64)]
    assert summary.rows[-1].output_shape == (4,)


@pytest.mark.slow
def test_lenet_learns() -> None:
    import keras

    keras.utils.set_random_seed(0)
    # One class is bright above and dark below, the other is the opposite.
    pictures = np.random.default_rng(0).integers(0, 100, (64, 28, 28, 1)).astype(np.float32)
    labels = np.arange(64) % 2
    pictures[labels == 0, :14] += 150
    pictures[labels == 1, 14:] += 150
    model = zoo.build("lenet", num_classes=2)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(pictures, labels, epochs=5, batch_size=16, verbose=0)
    assert model.evaluate(pictures, labels, verbose=0)[1] == 1.0
