"""Finds what a user gave that a training does not read, so that nobody believes it had an effect.

Values that come from a model's own recipe, or from a run that is trained further, are nobody's wish and not told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import OptionError
from zoo.training.recipe import Recipe, as_option
from zoo.training.setup import Setup
from zoo.training.stages import HEAD, WHOLE
from zoo.training.tasks.classification import CLASSIFICATION
from zoo.training.tasks.detection import DETECTION_TRAINING

AS_GIVEN = "as given by the data"
"""What the report of data says that are split already."""


@dataclass(frozen=True, eq=False)
class Kind:
    """What a training is, as far as it decides which fields of its recipe are read."""

    setup: Setup
    adapts: bool
    """Whether the boxes of a detector are new, so that their anchors are chosen."""

    @property
    def stages(self) -> set[str]:
        """The names of the stages."""
        return {stage.name for stage in self.setup.stages}

    @property
    def pictures(self) -> bool:
        """Whether the data are pictures."""
        return self.setup.data.sources["train"].reader.takes_pictures

    @property
    def detects(self) -> bool:
        """Whether a detector is trained."""
        return self.setup.task is DETECTION_TRAINING

    @property
    def teacher_weight(self) -> float:
        """The share of the teacher's answers in the loss; 0 without a teacher."""
        teaching = self.setup.objective.teaching
        return 0.0 if teaching is None else teaching.weight


@dataclass(frozen=True)
class _Rule:
    """When some fields of a recipe are not read, whatever their values."""

    fields: tuple[str, ...]
    unread: Callable[[Kind], bool]
    why: str


_NO_BODY = "is for epochs that train more than the head; this run trains the head alone"
_RULES = (
    _Rule(
        ("head_epochs", "head_learning_rate"),
        lambda kind: HEAD not in kind.stages,
        "is for a new head on weights that know something; this run trains none by itself",
    ),
    _Rule(("epochs",), lambda kind: kind.stages == {HEAD}, f"{_NO_BODY}: --head-epochs counts its epochs"),
    _Rule(("learning_rate",), lambda kind: kind.stages == {HEAD}, f"{_NO_BODY}: --head-learning-rate is its rate"),
    _Rule(
        ("freeze",),
        lambda kind: kind.stages == {HEAD} and kind.setup.recipe.freeze != "all",
        _NO_BODY,
    ),
    _Rule(
        ("body_rate",),
        lambda kind: WHOLE not in kind.stages,
        "is for epochs in which the head and the layers before it learn at two rates; this run has none",
    ),
    _Rule(("augment", "resize"), lambda kind: not kind.pictures, "is for pictures; these data are none"),
    _Rule(
        ("augment",),
        lambda kind: kind.pictures and all(stage.augment == "none" for stage in kind.setup.stages),
        "changes no picture here: the head learns on features that are computed once for each",
    ),
    _Rule(
        ("anchors",),
        lambda kind: not (kind.detects and kind.adapts),
        "is for a detector whose boxes are new; this run has no such boxes",
    ),
    _Rule(("label_smoothing", "balance"), lambda kind: kind.detects, "is for classifiers; this is a detector"),
    _Rule(
        ("label_smoothing",),
        lambda kind: kind.setup.task is CLASSIFICATION and kind.teacher_weight == 1,
        "changes labels, and this run learns the answers of its teacher alone: --teacher-weight is 1",
    ),
    _Rule(
        ("teacher_weight", "temperature"),
        lambda kind: kind.setup.objective.teaching is None,
        "is for a training with a teacher; this run has none",
    ),
    _Rule(
        ("temperature",),
        lambda kind: kind.setup.objective.teaching is not None and kind.teacher_weight == 0,
        "divides the answers of a teacher, which do not count here: --teacher-weight is 0",
    ),
    _Rule(
        ("warmup_epochs",),
        lambda kind: kind.setup.recipe.schedule != "cosine",
        "is for --schedule cosine; this run has another one",
    ),
    _Rule(
        ("validation",),
        lambda kind: getattr(kind.setup.data.report, "split_by", "") == AS_GIVEN,
        "holds nothing out here: the data have their own validation files",
    ),
)
_NOTHING: dict[str, Any] = {
    "epochs": 0, "head_epochs": 0, "augment": "none", "freeze": "none", "body_rate": 1.0, "label_smoothing": 0.0,
    "warmup_epochs": 0, "teacher_weight": 0.0,
}  # fmt: skip
"""Values that ask for nothing, so that nothing is lost where they are not read."""


def given_in(base: Recipe, recipe: Recipe | Mapping[str, Any] | None, values: Mapping[str, Any]) -> frozenset[str]:
    """Returns the fields of a recipe that a user gave.

    Args:
        base: the recipe without them.
        recipe: a recipe, or changes, which may be those of a file that holds all fields: only those count that differ.
        values: fields that were given one by one; all of them count.
    """
    changes = recipe if isinstance(recipe, Mapping) else {}
    return frozenset(values) | {name for name, value in changes.items() if value != getattr(base, name)}


def on_unread(kind: Kind, given: frozenset[str]) -> list[str]:
    """Returns a note on each field that was given and is not read.

    Raises:
        OptionError: `freeze` is among them, and names a layer of the head, which learns all the same.
    """
    setup, recipe = kind.setup, kind.setup.recipe
    if not setup.stages:
        return []
    if "freeze" in given and recipe.freeze not in {"none", "all"}:
        _require_before_head(setup)
    notes = []
    for rule in _RULES:
        for name in rule.fields:
            value = getattr(recipe, name)
            if name in given and value != _NOTHING.get(name) and rule.unread(kind):
                notes.append(f"{as_option(name, value)} {rule.why}")
    if setup.objective.teaching is not None and kind.teacher_weight == 0:
        notes.append("the teacher changes nothing: --teacher-weight 0 leaves the whole loss to the labels")
    return notes


def _require_before_head(setup: Setup) -> None:
    names, freeze = [layer.name for layer in setup.model.layers], setup.recipe.freeze
    head = setup.task.head_index(setup.model)
    if names.index(freeze) >= head:
        raise OptionError(
            f"freeze={freeze!r} is in the head of {setup.model.name}, which always learns; give a layer before "
            f"{names[head]}, or all for all of them"
        )
