"""Mixed precision: a model that computes in 16 bits and is saved in float32."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.files.reading import read_text
from zoo.training.recipe import Recipe
from zoo.training.records.folder import ARCHITECTURE, read_architecture

if TYPE_CHECKING:
    import keras


@contextlib.contextmanager
def policy(recipe: Recipe) -> Any:
    """Builds layers for mixed precision within its block, if the recipe asks for it."""
    import keras
    import tensorflow as tf

    if not recipe.mixed_precision:
        yield
        return
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16" if tf.config.list_physical_devices("GPU") else "mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def full_precision(model: keras.Model, folder: Path, recipe: Recipe) -> Callable[[], keras.Model] | None:
    """Returns a function that makes the same model in float32, which every export needs.

    The result is None if the model is in float32 already.
    """
    if not recipe.mixed_precision:
        return None

    def make() -> keras.Model:
        plain = json.loads(read_text(folder / ARCHITECTURE, "the architecture"))
        full = read_architecture(json.dumps(_in_float32(plain)), folder)
        full.set_weights(model.get_weights())
        return full

    return make


def _in_float32(config: Any) -> Any:
    """Returns a model's configuration with the dtype policy of every layer replaced."""
    if isinstance(config, list):
        return [_in_float32(item) for item in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy":
        return config | {"config": {"name": "float32"}}
    return {key: _in_float32(value) for key, value in config.items()}
