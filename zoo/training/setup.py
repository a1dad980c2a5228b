"""The set-up of a training: all that is decided before the first step, in one frozen object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data import Data
from zoo.training.distillation.teacher import Teacher, teaching
from zoo.training.distributed.strategy import Strategy
from zoo.training.needs import require_ready
from zoo.training.recipe import Recipe
from zoo.training.records.checkpoint import Checkpoint
from zoo.training.stages import Stage, plan
from zoo.training.tasks import Objective, TrainingTask
from zoo.training.watch import NullWatch, Watch

if TYPE_CHECKING:
    import keras

Check = Callable[["keras.Model", Data], None]
"""Refuses a training before it begins, by raising an error; called with the model and the data."""


@dataclass(frozen=True, eq=False)
class Setup:
    """A training that is ready to begin or to continue; `zoo.training.loop.fit` trains it."""

    folder: Path
    """The run's folder; of several workers, only the chief has one."""
    run: dict[str, Any]
    """The facts of the run, as they stand in its `recipe.toml`."""
    model: keras.Model
    """The model as the strategy trains it, with the weights that the training begins with."""
    data: Data
    recipe: Recipe
    stages: tuple[Stage, ...]
    strategy: Strategy
    task: TrainingTask
    objective: Objective
    """What the task trains this model for on these data."""
    checkpoint: Checkpoint | None
    """The checkpoint to continue from; None for a new training, and for all workers but the chief."""
    watch: Watch

    @property
    def holds_out(self) -> bool:
        """Whether files are held out for validation."""
        return len(self.data.sources["validation"]) > 0

    @property
    def batches(self) -> int:
        """Number of batches in an epoch."""
        return -(-self.data.order.length // self.recipe.batch_size)


def prepare(
    *,
    folder: Path,
    run: dict[str, Any],
    model: keras.Model,
    data: Data,
    recipe: Recipe,
    task: TrainingTask,
    strategy: Strategy,
    checkpoint: Checkpoint | None = None,
    teacher: Teacher | None = None,
    watch: Watch | None = None,
) -> Setup:
    """Prepares a training; every worker must call it.

    Args:
        folder: the run's folder, which `fit` expects to exist.
        run: the facts of the run; its table `model` says whether the weights are pretrained and whether the head is
            new, and may say `trained = false`: then the model is evaluated as it is.
        model: the model with its initial weights, on one device.
        data: data that the task has loaded for this model.
        recipe: the recipe.
        task: what the model is trained for.
        strategy: the processes and devices of the training.
        checkpoint: the checkpoint to continue from.
        teacher: the model whose answers are learned, too.
        watch: receives the progress; nobody by default.

    Raises:
        OptionError: the recipe or the teacher does not fit the model.
        MissingDependencyError, OutputError: the end of the training would fail, see `zoo.training.needs`.
    """
    if strategy.is_chief:
        require_ready(folder, model)
    about = run["model"]
    stages = []
    if about.get("trained") is not False:
        stages = plan(model, recipe, task, pretrained=about["pretrained"], new_head=about["new_head"])
    model = strategy.replicate(model)
    objective = task.objective(model, data, recipe)
    if teacher is not None:
        added = teaching(strategy.replicate(teacher.model), model, task, objective, recipe)
        objective = replace(objective, teaching=added)
    return Setup(
        folder=folder,
        run=run,
        model=model,
        data=data,
        recipe=recipe,
        stages=tuple(stages),
        strategy=strategy,
        task=task,
        objective=objective,
        checkpoint=checkpoint,
        watch=watch or NullWatch(),
    )
