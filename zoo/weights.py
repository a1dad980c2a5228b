"""Where a model's weights come from."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import WeightsError
from zoo.registry import needs_tensorflow

if TYPE_CHECKING:
    import keras


def load_weights(model: keras.Model, path: str | Path) -> None:
    """Loads a `.weights.h5` file, or the weights of a whole model (`.keras`, `.h5`) of the same shapes.

    Raises:
        WeightsError: the file is missing or is none of these, or its weights do not fit; the message names
            the first layer that does not. The model is left as it was.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"no weights file {path}")
    before = model.get_weights()
    if path.name.endswith(".weights.h5"):
        try:
            # Of every group that is not in the file Keras warns; what does not fit, it raises.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.load_weights(path)
        except Exception as error:  # Keras raises what its readers raise
            model.set_weights(before)
            raise WeightsError(f"{path} does not fit {model.name}: {_first_line(error)}") from error
        return
    source = load_model(path)
    for ours, theirs in zip(model.weights, source.weights, strict=False):
        if ours.shape != theirs.shape:
            raise WeightsError(
                f"{path} does not fit {model.name}: layer {ours.path.rsplit('/', 1)[0]!r} has "
                f"{ours.name} {tuple(ours.shape)}, the file has {tuple(theirs.shape)} ({theirs.path})"
            )
    if len(source.weights) != len(model.weights):
        raise WeightsError(
            f"{path} does not fit {model.name}: it holds {len(source.weights)} arrays, "
            f"the model has {len(model.weights)}"
        )
    model.set_weights(source.get_weights())


def load_model(path: str | Path) -> keras.Model:
    """Loads a whole Keras model, `.keras` or `.h5`.

    Raises:
        WeightsError: the file is missing, damaged or not a Keras model.
        MissingDependencyError: TensorFlow is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"no model file {path}")
    if path.suffix not in {".keras", ".h5", ".hdf5"}:
        raise WeightsError(f"{path} is not a Keras model; give a .keras or .h5 file")
    with needs_tensorflow():
        import keras
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises what its readers raise
        raise WeightsError(f"cannot load {path} as a Keras model: {_first_line(error)}") from error


def is_untrained(model: keras.Model) -> bool:
    """Whether the weights are still those of a fresh build.

    Keras starts every bias at exactly zero, and one step of training moves it. A model without any bias
    counts as trained.
    """
    biases = [w for w in model.weights if w.path.rsplit("/", 1)[-1] in {"bias", "beta", "moving_mean"}]
    return bool(biases) and not any(w.numpy().any() for w in biases)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
