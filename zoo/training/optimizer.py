"""Optimizers, learning-rate schedules and the compilation of a model, as a recipe and a task want them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.training.recipe import Recipe
from zoo.training.stages import WHOLE, Stage, body_layers
from zoo.training.tasks import Objective, TrainingTask

if TYPE_CHECKING:
    import keras

BODY_MOST = 1e-3
"""Highest learning rate of a body that is to learn slower than its head. Above it pretrained weights are lost."""


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


def slow_body(optimizer: Any, model: keras.Model, task: TrainingTask, recipe: Recipe, stage: Stage) -> None:
    """Makes an optimizer change the layers before a model's head at the recipe's share of the learning rate.

    The updates are scaled, not the gradients: Adam does not see the scale of gradients. The optimizer stays one of
    Keras' own, so that the saved model can be loaded without edgezoo. Weight decay is not scaled.

    Args:
        optimizer: the optimizer, as it is before the model is compiled.
        model: the model, of which the stage's layers are trainable.
        task: the task, which knows the model's head.
        recipe: the recipe, with the share as `body_rate`.
        stage: the stage.
    """
    if recipe.body_rate == 1 or stage.name != WHOLE:
        return
    share = min(recipe.body_rate, BODY_MOST / stage.learning_rate if stage.learning_rate else 1.0)
    # On several devices the optimizer sees the parts of a variable; its own key is the same for all of them.
    key, update = optimizer._var_key, optimizer.update_step
    slow = {key(one) for layer in body_layers(model, task) for one in layer.trainable_variables}

    def update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        update(gradient, variable, learning_rate * share if key(variable) in slow else learning_rate)

    optimizer.update_step = update_step


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
