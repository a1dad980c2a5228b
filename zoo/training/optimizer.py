"""Optimizers, learning-rate schedules and the compilation of a model, as a recipe and a task want them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.training.recipe import Recipe
from zoo.training.stages import Stage
from zoo.training.tasks import Objective

if TYPE_CHECKING:
    import keras


def make_optimizer(recipe: Recipe, stage: Stage, batches: int) -> Any:
    """Returns the optimizer of a stage with its schedule.

    Args:
        recipe: the recipe.
        stage: the stage.
        batches: number of batches in an epoch.
    """
    import keras

    rate: Any = stage.learning_rate
    if recipe.schedule == "cosine":
        warmup = min(recipe.warmup_epochs, max(0, stage.epochs - 1)) * batches
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=stage.learning_rate / 10 if warmup else stage.learning_rate,
            decay_steps=max(1, stage.epochs * batches - warmup),
            warmup_target=stage.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
    decay = recipe.weight_decay or None
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay)
    return keras.optimizers.Adam(rate, weight_decay=decay)


def compile_model(model: keras.Model, optimizer: Any, objective: Objective, recipe: Recipe) -> None:
    """Compiles a model, or its head, with an objective's loss and metrics, and builds the optimizer's variables.

    After that `model.optimizer` may be a wrapper around the optimizer (mixed precision).
    """
    import keras

    model.compile(
        optimizer,
        objective.loss,
        metrics=[keras.metrics.MeanMetricWrapper(values, name) for name, values in objective.metrics.items()],
        jit_compile=recipe.xla,
    )
    model.optimizer.build(model.trainable_variables)
