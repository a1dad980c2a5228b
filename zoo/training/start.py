"""What a training begins with: a model or its name, the weights that were chosen for it, and what is said of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import models
from zoo.data import Data
from zoo.errors import InputError, OptionError, listed
from zoo.files.places import base_name
from zoo.files.reading import read_text
from zoo.progress import Progress
from zoo.specs import ModelSpec
from zoo.text import count_of
from zoo.training.precision import policy
from zoo.training.recipe import Recipe
from zoo.training.records import checkpoint
from zoo.training.records.checkpoint import Checkpoint
from zoo.training.records.checkpointer import MODEL
from zoo.training.records.folder import RECIPE, read_run
from zoo.training.records.results import METRICS
from zoo.training.tasks import Naming, TrainingTask, columns, task_named, task_of
from zoo.training.tasks.classification import CLASSIFICATION
from zoo.training.tasks.detection import DETECTION_TRAINING
from zoo.weights import Built, build_from, is_untrained, load_model
from zoo.weights.auto import AUTO, Choice, choose

if TYPE_CHECKING:
    import keras

NONE = "none"
QUANTIZED = "quantization_aware"
"""The field of a run's table `model` that says what a model is trained for in int8."""
OWN = "the model's own"
"""The weights of a run that began with a user's own model."""
FEW = 5000
"""Fewer training files than this are few for a model that begins from random weights."""


@dataclass(frozen=True, eq=False)
class Start:
    """The model that a training begins with, before it is built."""

    name: str | None
    """The model's name in the registry; None for a model that is not in it."""
    weights: str
    """`none`, the name of published weights, a file, or `OWN`."""
    pretrained: bool
    """Whether the weights know something already, which decides the recipe and what stays frozen."""
    model: keras.Model | None = None
    """A model that is there already, with its weights."""
    options: dict[str, Any] = field(default_factory=dict)
    """The options of a model that is built; `num_classes` is the data's."""
    choice: Choice | None = None
    """The weights that `auto` found; None where the user named some."""
    run: str = ""
    """The base name of the run whose best model this is; empty where no run is gone on from."""
    score: float | None = None
    """The figure that this model had in that run."""
    folder: Path | None = None
    """The folder of that run; None where no run is gone on from."""
    recipe: Recipe | None = None
    """The recipe of that run."""
    notes: tuple[str, ...] = ()
    """What the user should know, one line each."""
    about_pruning: str = ""
    """What was pruned from what to make this model; empty if nothing was."""

    @property
    def called(self) -> str:
        """The model's name for people."""
        return self.name or str(self.model.name if self.model is not None else "")

    def task(self) -> TrainingTask:
        """Returns what the model is trained for: as its spec says, or for one without a spec as its layers show.

        Raises:
            OptionError: models cannot be trained for that task.
        """
        if self.name is not None:
            return task_named(models.spec(self.name).task)
        from zoo.models.detectors.anchored import is_detector

        return DETECTION_TRAINING if is_detector(self.model) else CLASSIFICATION

    def build(self, data: Data, recipe: Recipe, progress: Progress, skeleton: keras.Model | None = None) -> Built:
        """Builds the model for the classes of the data, or returns the one that is there.

        Args:
            data: the data of the training.
            recipe: its recipe.
            progress: is told how much of a download has come.
            skeleton: see `zoo.weights.build_from`.

        Raises:
            OptionError, WeightsError: see `zoo.build`.
        """
        if self.model is not None:
            learns_head = self.run != "" and _learns_head_alone(recipe)
            return Built(self.model, self.options, new_head=learns_head, weights=OWN)
        assert self.name is not None  # noqa: S101  # either there is a model, or it has a name
        with policy(recipe):
            classes = {"num_classes": len(data.class_names)}
            return build_from(self.name, self.weights, self.options | classes, progress=progress, skeleton=skeleton)

    def facts(self, built: Built, recipe: Recipe, data: Data) -> dict[str, Any]:
        """Returns the facts of the model and its weights that a run's `recipe.toml` holds; no path of this machine."""
        again = bool(self.run) and (built.new_head or _learns_head_alone(recipe))
        found: dict[str, Any] = {
            "name": self.name or built.model.name,
            "weights": self.weights,
            "pretrained": self.pretrained or again,
            "new_head": built.new_head or again,
            "options": {key: value for key, value in built.options.items() if value is not None},
        }
        if sentence := self.on_weights(data):
            found["about_weights"] = sentence
        if self.about_pruning:
            found["about_pruning"] = self.about_pruning
        if self.run:
            found["from"] = self.run
        if self.score is not None:
            found["from_score"] = self.score
        return found

    def on_weights(self, data: Data, *, details: bool = False) -> str:
        """Returns a sentence on the weights: what `auto` found, and what random ones cost; empty if nothing is to say.

        Args:
            data: the data of the training; the fewer there are, the more random weights cost.
            details: whether to say what exactly went wrong, which may hold paths of this machine.
        """
        if self.run:
            return f"those of the best model of {self.run}"
        if self.weights != NONE:
            return self.choice.sentence() if self.choice else ""
        assert self.name is not None  # noqa: S101  # the weights of a model without a name are its own
        why = self.choice.why if self.choice else "as asked for"
        if details and self.choice and self.choice.details:
            why += f" ({self.choice.details})"
        count, source = len(data.sources["train"]), data.sources["train"]
        way = _way(models.spec(self.name), self.options, asked=self.choice is None)
        if count >= FEW or not source.reader.takes_pictures or source.reader.shape[-1] != 3 or not way:
            return f"the weights are RANDOM at the beginning: {why}"
        return (
            f"the weights are RANDOM at the beginning: {why}; "
            f"{count_of(count, 'picture is', 'pictures are')} few to start from nothing: "
            f"{self.task().trial}; {way}"
        )


def _way(spec: ModelSpec, options: dict[str, Any], *, asked: bool) -> str:
    """Returns what to do for weights that know pictures already; empty where no model has any."""
    for weights in spec.weights:
        full = weights.decided | options
        if weights.file_for(spec.check(full)) is not None:
            give = f"give --weights {weights.name}"
            return give if asked else f"{give} where there is a network, or put the file in its place"
    having = models.models_by_weights(spec.task)
    return "; ".join(f"{listed(names)} can begin with --weights {name}" for name, names in having.items())


def adapt(task: TrainingTask, built: Built, data: Data, recipe: Recipe) -> Sequence[str]:
    """Adapts a built model to the data where its head is new; the same data give the same model, also in `resume`.

    Where only the classes of a detector are new, its boxes keep their anchors. The names of the classes are the data's.

    Returns:
        Notes for the user.
    """
    if isinstance(task, Naming):
        task.name_classes(built.model, data)
    return task.adapt(built.model, data, recipe) if adapts(built) else ()


def adapts(built: Built) -> bool:
    """Returns whether a built model is adapted to the data: its head is new, with the boxes of a detector."""
    return built.weights == NONE or (built.new_head and built.weights != OWN and not built.has_boxes)


def find(
    model: str | keras.Model, weights: str | Path | None, options: dict[str, Any], *, several: bool, progress: Progress
) -> Start:
    """Finds the weights that a training begins with.

    Args:
        model: the name of a model of the zoo, or a Keras model.
        weights: see `zoo.build`.
        options: the options of the model that the user gave.
        several: whether several workers train, so that TensorFlow may not be used before they are connected.
        progress: is told how much of a download has come.

    Raises:
        UnknownModelError, OptionError: see `zoo.build`.
    """
    if not isinstance(model, str):
        return Start(None, OWN, not is_untrained(model), model)
    known = {name: value for name, value in options.items() if name != "num_classes"}
    if weights is None or str(weights) != AUTO:
        return Start(model, str(weights or NONE), str(weights or NONE) != NONE, options=known)
    choice = choose(model, known, any_classes=True, tries=not several, progress=progress)
    return Start(model, choice.name, not choice.is_random, options=known, choice=choice)


def from_run(folder: Path) -> tuple[Start, Recipe, str]:
    """Finds the best model of a run, the run's recipe, and the path of its data.

    Raises:
        InputError: the folder holds no run, or no model yet.
        WeightsError: the model is damaged.
    """
    if not folder.is_dir() or not (folder / RECIPE).exists():
        inside = folder.parent if folder.name == MODEL and (folder.parent / RECIPE).exists() else None
        raise InputError(
            f"{folder} is no folder of a run; "
            + (
                f"give the folder: --from {inside}"
                if inside
                else f"for a file: zoo train MODEL DATA --weights {folder}"
            )
        )
    run = read_run(folder)
    if not (folder / MODEL).exists():
        raise InputError(f"{folder} has no {MODEL} yet; go on with it first: zoo train --resume {folder}")
    about = run["model"]
    score, before = _figures(folder, run)
    notes = [f"begins with the best model of {folder}{before}; its recipe and its split stay but for what is given"]
    if (folder / checkpoint.FILE).exists() and not Checkpoint(folder, columns(task_of(about))).state.done:
        notes.append(f"{folder} is not finished: zoo train --resume {folder} goes on with it")
    named = about["name"] if about["name"] in models.list_models() and about["weights"] != OWN else None
    if QUANTIZED in about:  # its layers are not those that its name builds
        named = None
    options = {key: value for key, value in about["options"].items() if key != "num_classes"}
    recipe = Recipe().change(run["recipe"])
    start = Start(
        named,
        str((folder / MODEL).absolute()) if named else OWN,
        about["pretrained"],
        None if named else load_model(folder / MODEL),
        options if named else {},
        run=base_name(folder.absolute()),
        score=score,
        folder=folder,
        recipe=recipe,
        notes=tuple(notes),
        about_pruning=about_pruning(about),
    )
    return start, recipe, run["data"]["path"]


def about_pruning(model: Mapping[str, Any]) -> str:
    """Returns what the table `model` of a run, which may be a stranger's, says of its pruning; empty if nothing."""
    found = model.get("about_pruning")
    return found if isinstance(found, str) else ""


def _figures(folder: Path, run: dict[str, Any]) -> tuple[float | None, str]:
    """Returns the figure that a run ended with, alone and in words; nothing for a run without one."""
    task = task_of(run["model"])
    try:
        metrics = json.loads(read_text(folder / METRICS, "the metrics"))
        score, count, split = float(metrics[task.monitor]), int(metrics["count"]), str(metrics["split"])
    except (InputError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None, ""
    return score, f" ({task.monitor} {score:.1%} on {count_of(count, 'file')} of the {split} split)"


def next_to(folder: Path) -> Path:
    """Returns the first free folder beside a run's: `RUN-2`, `RUN-3`..."""
    number = 2
    while (free := folder.with_name(f"{folder.absolute().name}-{number}")).exists():
        number += 1
    return free


def _learns_head_alone(recipe: Recipe) -> bool:
    """Returns whether a recipe trains nothing but the head, so that going on means to train the head."""
    return recipe.freeze == "all" or not recipe.epochs


def check_own_model(start: Start, options: dict[str, Any], recipe: Recipe, strategy: str) -> None:
    """Refuses choices that are only for a model of the zoo, if the model has no name in it.

    Raises:
        OptionError: there is such a choice.
    """
    if start.name is not None:
        return
    if options:
        raise OptionError(
            f"{sorted(options)[0]!r} is neither a field of a recipe nor an option of a model that is built"
        )
    if recipe.mixed_precision:
        raise OptionError("mixed_precision is for models that are built here; build yours under Keras' own policy")
    if strategy == "multiworker":
        raise OptionError("strategy='multiworker' is for models by name: workers are connected before one is built")


def notes_on(run: dict[str, Any], score: float) -> tuple[str, ...]:
    """Returns what the user should know at the end of how the training began, one line each.

    Args:
        run: the facts of the run.
        score: the task's monitored metric at the end.
    """
    about = run["model"]
    notes = []
    if about["weights"] == NONE and isinstance(about.get("about_weights"), str):
        notes.append(about["about_weights"])
    unpruned = about.get("unpruned_score")
    if isinstance(unpruned, float):
        notes.append(f"before it was pruned, the model of {about.get('from')} had {unpruned:.1%}")
    before = about.get("from_score")
    if isinstance(before, float) and isinstance(about.get(QUANTIZED), dict):
        notes.append(f"computing as its int8 file does, it has {score:.1%}; {about.get('from')} had {before:.1%}")
    elif isinstance(before, float) and score < before and task_of(about).higher_is_better:
        notes.append(
            f"these epochs made it no better: the model of {about.get('from')} that they began with had {before:.1%}, "
            f"the best of these has {score:.1%}; try a lower --learning-rate"
        )
    return tuple(notes)
