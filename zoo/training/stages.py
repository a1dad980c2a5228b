"""The stages of a training: which layers are trained, how fast, and on what."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zoo.compress.baking import is_quantization_aware
from zoo.compress.graph import is_range
from zoo.data.augment import Augment
from zoo.errors import OptionError
from zoo.training.recipe import Recipe
from zoo.training.tasks import TrainingTask

if TYPE_CHECKING:
    import keras

HEAD, WHOLE, RANGES, INT8 = "head", "whole", "ranges", "int8"
MOVING = 1 / 3
"""The share of the epochs of a training for int8 in which the ranges of activations follow the batches."""


@dataclass(frozen=True)
class Stage:
    """One stage of a training."""

    name: str
    """Name of the stage. `head` trains the head on features computed once; `whole` trains the model, or its last
    blocks. `ranges` and `int8` train a model that computes as an int8 file does: with moving ranges of activations,
    then with frozen ones."""
    epochs: int
    learning_rate: float
    freeze: str
    augment: Augment
    frozen_norms: bool
    """Whether batch normalization before the head keeps its statistics."""
    cached_features: bool = False
    """Whether the body stays as it is, so that its outputs, the features, are computed only once for each example."""
    frozen_ranges: bool = True
    """Whether the ranges of activations, where the model has any, stay as they are."""
    preliminary: bool = False
    """Whether no epoch of the stage may be the best one: the next stage begins with the last."""


def plan(model: keras.Model, recipe: Recipe, task: TrainingTask, *, pretrained: bool, new_head: bool) -> list[Stage]:
    """Returns the stages of a training.

    Raises:
        OptionError: the recipe's `freeze` names no layer or leaves no layer to train, or a stage freezes layers before
            a head that the model does not have.
    """
    if is_quantization_aware(model):
        return _plan_int8(recipe)
    stages = []
    if pretrained and new_head and recipe.head_epochs:
        stages.append(
            Stage(
                HEAD,
                recipe.head_epochs,
                recipe.head_learning_rate,
                freeze="all",
                augment="none" if task.caches_features else recipe.augment,
                frozen_norms=True,
                cached_features=task.caches_features,
            )
        )
    names = [layer.name for layer in model.layers]
    if recipe.freeze not in {"none", "all", *names}:
        raise OptionError(f"freeze={recipe.freeze!r} is no layer of {model.name}; give none, all, or a layer's name")
    if recipe.epochs and (recipe.freeze != "all" or not stages):
        if recipe.freeze == "all":
            raise OptionError(f"freeze='all' leaves {model.name} nothing to learn: its head is not new")
        stages.append(
            Stage(WHOLE, recipe.epochs, recipe.learning_rate, recipe.freeze, recipe.augment, frozen_norms=pretrained)
        )
    if not stages:
        raise OptionError(f"epochs={recipe.epochs}, head_epochs={recipe.head_epochs}: there is nothing to train")
    if any(stage.freeze != "none" for stage in stages):
        task.head_index(model)  # an error is found now, not when the stage begins
    return stages


def _plan_int8(recipe: Recipe) -> list[Stage]:
    """Returns the stages of a model that computes as an int8 file does; a single epoch has frozen ranges.

    Raises:
        OptionError: the recipe has no epochs, or keeps layers frozen, whose weights would be rounded all the same.
    """
    if not recipe.epochs:
        raise OptionError("epochs=0 leaves a training for int8 nothing to learn; give 1 or more")
    if recipe.freeze != "none":
        raise OptionError(f"freeze={recipe.freeze!r} is not for a training for int8: all layers are rounded; give none")
    moving = int(MOVING * recipe.epochs)
    last = Stage(INT8, recipe.epochs - moving, recipe.learning_rate, "none", recipe.augment, frozen_norms=True)
    first = replace(last, name=RANGES, epochs=moving, frozen_ranges=False, preliminary=True)
    return [first, last] if moving else [last]


def freeze_layers(model: keras.Model, stage: Stage, task: TrainingTask, steps: int) -> None:
    """Sets which layers a stage trains.

    Args:
        model: the model; every layer of it is set.
        stage: the stage to prepare for.
        task: the task, which knows the model's head.
        steps: number of batches in an epoch.
    """
    from keras import layers

    first = 0 if stage.freeze == "none" else task.head_index(model)
    if stage.freeze not in {"none", "all"}:
        first = min([layer.name for layer in model.layers].index(stage.freeze) + 1, first)
    body = len(body_layers(model, task)) if stage.frozen_norms else 0
    for i, layer in enumerate(model.layers):
        norm = isinstance(layer, layers.BatchNormalization)
        # The statistics of a new head are those of nothing yet.
        layer.trainable = i >= first and not (norm and i < body) and not (stage.frozen_ranges and is_range(layer))
        if norm and i >= body:
            # A momentum of 0.999, as for ImageNet, needs thousands of steps. Small data sets do not have them, so the
            # statistics are averaged over about two epochs instead.
            layer.momentum = min(layer.momentum, 1 - 1 / max(10, 2 * steps))


def body_layers(model: keras.Model, task: TrainingTask) -> list[keras.layers.Layer]:
    """Returns the layers before a model's head; all of them if the task finds no head in it."""
    try:
        return list(model.layers[: task.head_index(model)])
    except OptionError:
        return list(model.layers)
