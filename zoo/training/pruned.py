"""Prunes the model of a run, or of a file, on labelled files: `prune_run` and `prune_model`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.compress.norms import renew_norms
from zoo.compress.prune.pruning import Pruned, prune
from zoo.compress.prune.scoring import Score
from zoo.data import Data
from zoo.data.pipeline import Order
from zoo.errors import InputError
from zoo.progress import SILENT, Progress
from zoo.registry import needs_tensorflow
from zoo.tasks import TASKS
from zoo.tasks.task import StoredReader
from zoo.training import start
from zoo.training.recipe import Recipe, default_recipe
from zoo.training.records.checkpointer import MODEL
from zoo.training.records.folder import read_run
from zoo.training.records.results import TrainResult
from zoo.training.run import train_start
from zoo.training.start import Start
from zoo.training.tasks import TrainingTask
from zoo.training.watch import Watch
from zoo.weights import Built, load_model

if TYPE_CHECKING:
    import keras

FINETUNING = 1 / 2
"""The epochs of the training after a pruning, as a share of those of the run's recipe."""
SCORED_ON = 512
"""The most training files that channels are scored on."""
SCORED_AT_ONCE = 8
"""The number of files in a batch of these."""
NORMALIZED_ON, NORMALIZED_AT_ONCE = 1024, 64
"""The most training files that the statistics of batch normalization are measured on, and how many of them at once."""


@dataclass(frozen=True, eq=False)
class _Pruning(Start):
    """A start from a model that is pruned when the data are there."""

    keep: float = 1.0
    scored: Score = "taylor"
    class_names: tuple[str, ...] = ()
    """The names of the model's classes; empty if they are not known."""
    trains: bool = True
    """Whether the pruned model is trained further."""
    unpruned_score: float | None = None
    found: list[Pruned] = field(default_factory=list)
    """What was pruned."""

    def build(self, data: Data, recipe: Recipe, progress: Progress, skeleton: keras.Model | None = None) -> Built:
        """Returns the pruned model; errors as `prune_run`."""
        if self.class_names and self.class_names != data.class_names:
            raise InputError(
                f"the model of {self.run} names {', '.join(self.class_names)}, and the data have "
                f"{', '.join(data.class_names)}; prune it on its own classes, then train it on others: zoo train --from"
            )
        pruned = prune_on(self.model, self.task(), data, recipe, self.keep, score=self.scored, progress=progress)
        self.found.append(pruned)
        return Built(pruned.model, {}, notes=(f"pruned from {self.called}: {describe(pruned)}",), weights=start.OWN)

    def facts(self, built: Built, recipe: Recipe, data: Data) -> dict[str, Any]:
        """Returns the facts of the pruned model."""
        before = [self.about_pruning] if self.about_pruning else []
        found = super().facts(built, recipe, data) | {"about_pruning": "; ".join([*built.notes, *before])}
        if not self.trains:
            found["trained"] = False
        if self.unpruned_score is not None:
            found["unpruned_score"] = self.unpruned_score
        return found


def describe(pruned: Pruned) -> str:
    """Returns what a pruning has left, as part of a sentence."""
    (macs, fewer_macs), (params, fewer_params) = pruned.macs, pruned.params
    return (
        f"{fewer_macs:,} of {macs:,} multiply-accumulates are left ({pruned.share:.1%}), and {fewer_params:,} of "
        f"{params:,} parameters ({fewer_params / params:.1%}); channels scored by {pruned.score}"
    )


def prune_run(
    run: str | Path,
    keep: float,
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    score: Score = "taylor",
    finetune: bool = False,
    epochs: int | None = None,
    watch: Watch | None = None,
    progress: Progress = SILENT,
) -> tuple[TrainResult, Pruned]:
    """Prunes the best model of a run, or the model of a file, as a new run in another folder.

    The channels are scored on training files of the run, and the statistics of batch normalization are measured anew on
    them. The new run has the recipe of the old one, for a file the general one for pretrained weights, with half of the
    epochs, and with all layers learning.

    Args:
        run: the folder of the run, or the file.
        keep: the share of the multiply-accumulates to keep; see `zoo.compress.prune.pruning.prune`.
        data: other files of the same classes; by default those of the run. For a file they have to be given.
        out: the new run's folder, which must not exist; by default the first free one of `RUN-2`, `RUN-3`...
        score: how channels are scored, see `zoo.compress.prune.scoring`.
        finetune: whether to train the pruned model by that recipe; otherwise it is evaluated as it is, and `train_from`
            can train it later.
        epochs: the largest number of epochs of that recipe, if not half of the old one's.
        watch: as in `zoo.train`.
        progress: as in `zoo.train`.

    Returns:
        The result of the new run, and what was pruned.

    Raises:
        InputError: the folder holds no run or no model, or the data cannot be used or have other classes.
        OptionError, CompressionError: see `zoo.compress.prune.pruning.prune`.
        Otherwise as `zoo.train`.
    """
    folder = Path(run)
    with needs_tensorflow():
        import keras  # noqa: F401
    origin, own, path = _origin(folder, data)
    if watch is not None:
        for note in origin.notes[1:]:  # the first says that the model is trained further
            watch.note(note)
    pruning = _Pruning(
        None,
        start.OWN,
        origin.pretrained,
        origin.model if origin.model is not None else load_model(folder / MODEL),
        run=origin.run,
        folder=origin.folder,
        recipe=origin.recipe,
        about_pruning=origin.about_pruning,
        keep=keep,
        scored=score,
        class_names=tuple(read_run(folder)["labels"]) if origin.run else (),
        trains=finetune,
        unpruned_score=origin.score,
    )
    recipe = finetuning(own, epochs)
    place = Path(out) if out is not None else start.next_to(folder if origin.run else folder.with_suffix(""))
    result = train_start(pruning, path, out=place, recipe=recipe, watch=watch, progress=progress)
    return result, pruning.found[0]


def _origin(path: Path, data: str | Path | None) -> tuple[Start, Recipe, str | Path]:
    """Returns the model of a run or a file, with its recipe and its data.

    Raises:
        InputError: the path is neither, or that of a file without data.
    """
    if not path.is_file():
        begun, recipe, own = start.from_run(path)
        return begun, recipe, data or own
    if data is None:
        raise InputError(f"{path} is a file, which does not say what to train on; give its pictures, too")
    begun = Start(None, start.OWN, pretrained=True, model=load_model(path))
    return begun, _recipe_of(begun.task()), data


def _recipe_of(task: TrainingTask) -> Recipe:
    """Returns the recipe for a model that is no run's."""
    device = TASKS[task.name]
    resize = {"resize": device.resize} if isinstance(device, StoredReader) else {}
    return default_recipe(None, pretrained=True).change(resize)


def finetuning(recipe: Recipe, epochs: int | None = None) -> Recipe:
    """Returns the recipe for a pruned model: that of its run with fewer epochs, and with all layers learning.

    All layers have lost channels, those that the run kept frozen as well.

    Args:
        recipe: the recipe of the run.
        epochs: the largest number of epochs; by default half of those of the run.
    """
    before = recipe.epochs or recipe.head_epochs
    epochs = max(1, math.ceil(FINETUNING * before)) if epochs is None else epochs
    steps = math.ceil(recipe.min_steps * epochs / before)
    return recipe.change({"epochs": epochs, "min_steps": steps, "freeze": "none", "mixed_precision": False})


def prune_model(
    model: keras.Model,
    keep: float,
    data: str | Path | None = None,
    *,
    score: Score | None = None,
    progress: Progress = SILENT,
) -> Pruned:
    """Prunes a model that is no run's.

    Args:
        model: the model, which takes raw pixels; it is left as it is.
        keep: as in `prune_run`.
        data: labelled files of the model's classes, as for `zoo.train`; without them, channels can be scored by `gamma`
            only, and the statistics of batch normalization stay those of the unpruned model.
        score: as in `prune_run`; by default `taylor` if there are data.
        progress: is told how many files have been read.

    Raises:
        As `prune_run`.
    """
    if data is None:
        return prune(model, keep, score=score or "gamma")
    begun = Start(None, start.OWN, pretrained=True, model=model)
    task = begun.task()
    recipe = _recipe_of(task)
    loaded = task.load(data, tuple(model.input_shape[1:]), recipe, progress)
    return prune_on(model, task, loaded, recipe, keep, score=score or "taylor", progress=progress)


def prune_on(
    model: Any,
    task: TrainingTask,
    data: Data,
    recipe: Recipe,
    keep: float,
    *,
    score: Score = "taylor",
    streams: bool = True,
    progress: Progress = SILENT,
) -> Pruned:
    """Prunes a model on training files, and measures the statistics of batch normalization on them.

    Args:
        model: the model; it is left as it is.
        task: what it was trained for.
        data: data that the task has loaded for it.
        recipe: the recipe, which decides the loss and the random seed.
        keep: as in `prune_run`.
        score: as in `prune_run`.
        streams: see `zoo.compress.prune.pruning.prune`.
        progress: is told how many batches have been seen.

    Raises:
        OptionError: the data have other classes than the model, or as `zoo.compress.prune.pruning.prune`.
        CompressionError: as `zoo.compress.prune.pruning.prune`.
    """
    task.check(model, data)
    source = data.sources["train"]

    def batches(size: int, most: int, what: str) -> Iterator[tuple[Any, Any]]:
        count = math.ceil(min(most, len(source)) / size)
        order = Order(len(source), recipe.seed)
        for i, batch in enumerate(task.training_batches(source, size, order, "none", data).take(count), start=1):
            progress.step(what, i, count)
            yield batch

    objective = task.objective(model, data, recipe)
    scored = batches(SCORED_AT_ONCE, SCORED_ON, "scoring channels")
    targets = ((examples, objective.targets(labels)) for examples, labels in scored)
    pruned = prune(model, keep, score=score, batches=targets, loss=objective.loss.call, streams=streams)
    measured = batches(NORMALIZED_AT_ONCE, NORMALIZED_ON, "measuring batch normalization")
    renew_norms(pruned.model, (examples for examples, _ in measured))
    return pruned
