"""Trains the model of a run for its int8 file, as a stage after the others: `train_quantized`.

The float model is its own teacher by default: what is learned are its answers, not the labels. The ranges of
activations are measured on training files; they follow the batches in the first epochs and are frozen then, before the
best epoch is looked for. What the folder of the run holds is a model that computes as the file does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.compress.baking import facts_of
from zoo.compress.graph import calibrate, quantize_aware
from zoo.data import Data
from zoo.errors import InputError, OptionError
from zoo.progress import SILENT, Progress
from zoo.registry import needs_tensorflow
from zoo.training import start
from zoo.training.distillation.unlabelled import name_by, without_classes
from zoo.training.recipe import Recipe
from zoo.training.records.checkpointer import MODEL
from zoo.training.records.folder import read_run
from zoo.training.records.results import TrainResult
from zoo.training.run import train_start
from zoo.training.setup import Check
from zoo.training.start import Start
from zoo.training.tasks import CLASSIFICATION
from zoo.training.unread import given_in
from zoo.training.watch import Watch
from zoo.weights import Built, load_model

if TYPE_CHECKING:
    import keras

SHARE = 1 / 4
"""The epochs and the learning rate of this training, as a share of those of the run's recipe."""
LEAST_EPOCHS = 3
"""The fewest epochs by default."""
MEASURED_ON = 256
"""The most training files that ranges are measured on."""


@dataclass(frozen=True, eq=False)
class _Quantizing(Start):
    """A start from a float model that becomes one for int8 when the data are there."""

    weight_bits: int = 8
    per_tensor: bool = False
    class_names: tuple[str, ...] = ()
    registered: str = ""
    """The name of the model in the registry, for the run's facts; empty if it has none."""
    chosen: dict[str, Any] = field(default_factory=dict)
    """The options that it was built with."""

    def build(self, data: Data, recipe: Recipe, progress: Progress, skeleton: keras.Model | None = None) -> Built:
        """Returns the model that computes as the int8 file does; errors as `train_quantized`."""
        if self.class_names != tuple(data.class_names):
            raise InputError(
                f"the model of {self.run} names {', '.join(self.class_names)}, and the data have "
                f"{', '.join(data.class_names)}; train it on its own classes for int8"
            )
        aware = quantize_aware(self.model, weight_bits=self.weight_bits, per_tensor=self.per_tensor)
        progress.step("measuring the ranges of activations")
        calibrate(aware, np.asarray(data.sample(MEASURED_ON), np.float32))
        notes = (f"trained for int8, {describe(facts_of(aware))}",)
        return Built(aware, dict(self.chosen), notes=notes, weights=start.OWN)

    def facts(self, built: Built, recipe: Recipe, data: Data) -> dict[str, Any]:
        """Returns the facts of the model, with what it is trained for."""
        found = super().facts(built, recipe, data) | {start.QUANTIZED: facts_of(built.model)}
        # The model has no new head whatever the recipe says: its layers are those of the float model.
        found |= {"new_head": False, "pretrained": True}
        return found | ({"name": self.registered} if self.registered else {})


def describe(facts: dict[str, Any]) -> str:
    """Returns what a model is trained for, from the facts of a run, as part of a sentence."""
    bits, scales = facts["weight_bits"], "one scale a kernel" if facts["per_tensor"] else "one scale a channel"
    fewer = "" if bits == 8 else " (8 in the first and the last layer and in depthwise ones)"
    return f"weights of {bits} bits{fewer} with {scales}"


def train_quantized(
    run: str | Path,
    data: str | Path | None = None,
    *,
    weight_bits: int = 8,
    per_tensor: bool = False,
    out: str | Path | None = None,
    recipe: dict[str, Any] | None = None,
    teacher: str | Path | None = None,
    watch: Watch | None = None,
    progress: Progress = SILENT,
    check: Check | None = None,
    **values: Any,
) -> TrainResult:
    """Trains the best model of a run for its int8 file (quantization-aware training), as a new run in another folder.

        result = zoo.training.train_quantized("runs/lenet-digits", weight_bits=4)

    Batch normalization is folded, and weights and activations are rounded as in the file. Data, recipe and split are
    those of the run, with a quarter of its epochs (three at least) and of its learning rate. An export to int8 of the
    result needs no calibration. Runs on one device.

    Args:
        run: the folder of the run.
        data: other files of the same classes, or a folder of pictures without classes, which the run's model names (in
            a CSV file beside `out`); by default the files of the run.
        weight_bits: the number of bits of a weight, 2 to 8, see `zoo.compress.graph.quantize_aware`. The file is an
            int8 one in any case; with 4 bits a channel has 15 different values.
        per_tensor: whether each kernel has one scale, as some accelerators want it.
        out: the new run's folder, which must not exist; by default the first free one of `RUN-2`, `RUN-3`...
        recipe: changes to that recipe.
        teacher: the file of another teacher than the run's model; see `zoo.train`. The recipe's `teacher_weight` is 1
            unless it is changed: then the labels count, too.
        watch: as in `zoo.train`.
        progress: as in `zoo.train`.
        check: as in `zoo.train`.
        **values: fields of the recipe that win over `recipe`.

    Raises:
        InputError: the folder holds no run or no model, or the data cannot be used or have other classes.
        CompressionError: the model holds a layer whose integer arithmetic is not simulated; the message names it.
        OptionError: the number of bits, or a field of the recipe, is not allowed.
        Otherwise as `zoo.train`.
    """
    folder = Path(run)
    with needs_tensorflow():
        import keras  # noqa: F401
    begun, own, path = start.from_run(folder)
    changes = (recipe or {}) | {name: value for name, value in values.items() if value is not None}
    base = for_int8(own)
    wanted = base.change(changes)
    if wanted.mixed_precision:
        raise OptionError("mixed_precision=True is not for a training for int8, which rounds float32; leave it out")
    model = begun.model if begun.model is not None else load_model(folder / MODEL)
    quantize_aware(model, weight_bits=weight_bits, per_tensor=per_tensor)  # an error is found before the data are read
    about = read_run(folder)
    target = Path(out) if out is not None else start.next_to(folder)
    notes, source = begun.notes, Path(data or path)
    named_by_model = data is not None and begun.task() is CLASSIFICATION
    files = without_classes(source, model.input_shape[1:]) if named_by_model else []
    if files:
        source = target.with_name(f"{target.name}-answers.csv")
        named = name_by(model, files, tuple(about["labels"]), source, resize=wanted.resize, progress=progress)
        notes = (*notes, named)
    quantizing = _Quantizing(
        None,
        start.OWN,
        pretrained=True,
        model=model,
        run=begun.run,
        score=begun.score,
        folder=begun.folder,
        recipe=begun.recipe,
        notes=notes,
        about_pruning=begun.about_pruning,
        weight_bits=weight_bits,
        per_tensor=per_tensor,
        class_names=tuple(about["labels"]),
        registered=begun.name or "",
        chosen=dict(about["model"]["options"]),
    )
    try:
        return train_start(
            quantizing,
            source,
            out=target,
            recipe=wanted,
            teacher=folder / MODEL if teacher is None else Path(teacher),
            watch=watch,
            progress=progress,
            check=check,
            given=given_in(base, recipe, {name: value for name, value in values.items() if value is not None}),
        )
    finally:
        if files and not target.exists():  # the training was refused
            source.unlink(missing_ok=True)


def for_int8(recipe: Recipe) -> Recipe:
    """Returns the recipe of a training for int8: that of the run with fewer epochs, a lower rate, and a teacher alone.

    All layers learn, those that the run kept frozen as well: their weights are rounded, too.
    """
    epochs = max(LEAST_EPOCHS, math.ceil(SHARE * (recipe.epochs or recipe.head_epochs)))
    return recipe.change(
        {
            "epochs": epochs,
            "learning_rate": SHARE * recipe.learning_rate,
            "freeze": "none",
            "body_rate": 1.0,
            "teacher_weight": 1.0,
            "temperature": 1.0,
        }
    )
