"""The stages of a training: which layers each one trains, how fast, and on what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.data.augment import Augment
from zoo.errors import OptionError
from zoo.graph import head_index
from zoo.training.recipe import Recipe

if TYPE_CHECKING:
    import keras

HEAD, WHOLE = "head", "whole"


@dataclass(frozen=True)
class Stage:
    """One stage of a training."""

    name: str
    """Name of the stage. `head` trains the last dense layer on features computed once; `whole` trains the model, or its
    last blocks."""
    epochs: int
    learning_rate: float
    freeze: str
    augment: Augment
    frozen_norms: bool
    """Whether batch normalization keeps its statistics."""


def plan(model: keras.Model, recipe: Recipe, *, pretrained: bool, new_head: bool) -> list[Stage]:
    """Returns the stages of a training.

    Raises:
        OptionError: the recipe's `freeze` names no layer, or leaves no layer to train.
    """
    stages = []
    if pretrained and new_head and recipe.head_epochs:
        stages.append(Stage(HEAD, recipe.head_epochs, recipe.head_learning_rate, "all", "none", True))
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
    return stages


def prepare(model: keras.Model, stage: Stage, steps: int) -> None:
    """Sets which layers a stage trains.

    Args:
        model: all layers of it are set.
        stage: the stage to prepare for.
        steps: batches in an epoch.
    """
    from keras import layers

    head = head_index(model)
    last = {"none": -1, "all": head - 1}.get(stage.freeze)
    if last is None:
        last = min([layer.name for layer in model.layers].index(stage.freeze), head - 1)
    for i, layer in enumerate(model.layers):
        norm = isinstance(layer, layers.BatchNormalization)
        layer.trainable = i > last and not (norm and stage.frozen_norms)
        if norm and not stage.frozen_norms:
            # A momentum of 0.999, as for ImageNet, needs thousands of steps. Small data sets do not have them, so the
            # statistics are averaged over about two epochs instead.
            layer.momentum = min(layer.momentum, max(0.9, 1 - 1 / max(1, 2 * steps)))
