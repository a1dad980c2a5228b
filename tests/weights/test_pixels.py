"""Files of architectures that nobody publishes weights of: how their pixels were prepared is found out all the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.errors import WeightsError
from zoo.weights import build_from

Array = Any


def lenet_like(before: Callable[[Any, Any], Any], shape: tuple[int, ...] = (28, 28, 1)) -> Any:
    """A user's own model with the layers of LeNet behind pixels that he prepared himself."""
    import keras
    from keras import layers

    pixels = keras.Input(shape)
    x = before(layers, pixels)
    for filters, padding in ((6, "same"), (16, "valid")):
        x = layers.MaxPooling2D(2)(layers.Conv2D(filters, 5, padding=padding, activation="relu")(x))
    x = layers.Flatten()(x)
    for units in (120, 84):
        x = layers.Dense(units, activation="relu")(x)
    return keras.Model(pixels, layers.Dense(4, activation="softmax")(x))


def mlp_like(before: Callable[[Any, Any], Any], shape: tuple[int, ...]) -> Any:
    import keras
    from keras import layers

    inputs = keras.Input(shape)
    x = layers.Dense(8, activation="relu")(before(layers, inputs))
    return keras.Model(inputs, layers.Dense(4, activation="softmax")(x))


def same(ours: Any, theirs: Any, pixels: Array) -> None:
    expected = np.asarray(theirs(pixels.reshape(-1, *theirs.input_shape[1:]), training=False))
    assert np.ptp(expected, axis=0).max() > 1e-3, "the inputs give the same answer: the comparison shows little"
    np.testing.assert_allclose(np.asarray(ours(pixels, training=False)), expected, atol=1e-4)


PREPARED: dict[str, tuple[Callable[[Any, Any], Any], tuple[int, ...]]] = {
    "0..1": (lambda layers, x: layers.Rescaling(1 / 255)(x), (28, 28, 1)),
    "a normalization": (lambda layers, x: layers.Normalization(mean=[33.0], variance=[6000.0])(x), (28, 28, 1)),
    "no axis for channels": (
        lambda layers, x: layers.Rescaling(1 / 255)(layers.Reshape((28, 28, 1))(x)), (28, 28),
    ),
    "colour, 0..1": (lambda layers, x: layers.Rescaling(1 / 255)(x), (28, 28, 3)),
    "colour, BGR": (lambda layers, x: layers.Rescaling(1 / 255)(x[..., ::-1]), (28, 28, 3)),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("how", PREPARED)
def test_pixels_are_prepared_as_the_file_does_it(
    how: str, randomize: Callable[..., Any], inputs_for: Callable[..., Array], tmp_path: Path
) -> None:
    before, shape = PREPARED[how]
    theirs = randomize(lenet_like(before, shape))
    theirs.save(tmp_path / "theirs.keras")
    options: dict[str, Any] = {"channels": shape[2] if len(shape) == 3 else 1}
    built = build_from("lenet", tmp_path / "theirs.keras", options)
    pixels = inputs_for(built.model.input_shape[1:])
    same(built.model, theirs, pixels)
    assert "the model's first layers now do the same" in built.notes[0]
    # And from our own file once more, into a model that is there.
    built.model.save(tmp_path / "ours.keras")
    again = zoo.build("lenet", num_classes=4, **options)
    zoo.load_weights(again, tmp_path / "ours.keras")
    same(again, theirs, pixels)


def test_a_dense_layer_that_takes_pixels_flat(
    randomize: Callable[..., Any], inputs_for: Callable[..., Array], tmp_path: Path
) -> None:
    theirs = randomize(mlp_like(lambda layers, x: layers.Flatten()(layers.Rescaling(1 / 255)(x)), (12, 12, 1)))
    theirs.save(tmp_path / "theirs.h5")
    ours = zoo.build("mlp", weights=tmp_path / "theirs.h5", hidden=(8,), input_size=12)
    same(ours, theirs, inputs_for((12, 12, 1)))


@pytest.mark.slow
def test_our_own_files_are_taken_without_a_word(tmp_path: Path) -> None:
    for name, options in (("lenet", {}), ("mlp", {"features": 5, "hidden": (8,)}), ("conv1d", {})):
        model = zoo.build(name, num_classes=4, **options)  # type: ignore[arg-type]
        for file in ("w.keras", "w.weights.h5"):
            (model.save if file == "w.keras" else model.save_weights)(tmp_path / file)
            assert build_from(name, tmp_path / file, {"num_classes": 4, **options}).notes == ()


def test_a_file_that_does_not_say_it_is_told(tmp_path: Path) -> None:
    plain = lenet_like(lambda layers, x: x)
    plain.save(tmp_path / "plain.keras")
    plain.save_weights(tmp_path / "plain.weights.h5")
    for file in ("plain.keras", "plain.weights.h5"):
        (note,) = build_from("lenet", tmp_path / file, {"num_classes": 4}).notes
        assert "does not say how its pixels are prepared; they are taken to be as edgezoo's own lenet" in note
        assert "--input-range 0,1" in note


def test_values_that_the_file_normalizes_are_refused(tmp_path: Path) -> None:
    theirs = mlp_like(lambda layers, x: layers.Normalization(mean=[1.0] * 5, variance=[4.0] * 5)(x), (5,))
    theirs.save(tmp_path / "theirs.keras")
    with pytest.raises(WeightsError, match="changes its values before .* takes them as they are. `zoo export` takes"):
        zoo.build("mlp", weights=tmp_path / "theirs.keras", features=5, hidden=(8,))


def test_what_is_more_than_a_scale_is_refused(tmp_path: Path) -> None:
    lenet_like(lambda layers, x: layers.Rescaling(1 / 255)(x) ** 2).save(tmp_path / "theirs.keras")
    with pytest.raises(WeightsError, match="by more than a scale and an offset for each channel"):
        zoo.build("lenet", weights=tmp_path / "theirs.keras")


def test_a_folder_of_a_run_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"")
    with pytest.raises(
        WeightsError, match=r"is a folder of a run; give its model, .*model\.keras, or train it further"
    ):
        zoo.build("lenet", weights=tmp_path)
