"""The recipe of a training: every value that decides its result, in one frozen object."""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from zoo import models
from zoo.data.augment import AUGMENTS, Augment
from zoo.errors import InputError, MissingDependencyError, OptionError, closest
from zoo.files.reading import read_text
from zoo.inputs.preprocessing import RESIZES, Resize
from zoo.specs import check_seed

Schedule = Literal["cosine", "plateau", "constant"]
OptimizerName = Literal["adam", "sgd"]
Anchors = Literal["fitted", "paper"]


@dataclass(frozen=True)
class Recipe:
    """The values of a training.

    With pretrained weights and a new head there are two stages: first the head alone, on features that the frozen
    layers compute once for each picture (of a detector: on augmented pictures); then fine-tuning of the last blocks and
    the head, with frozen batch normalization before the head. Otherwise there is only the second stage.
    """

    epochs: int = 40
    """Largest number of epochs of the second stage; 0 leaves it out."""
    head_epochs: int = 60
    """Largest number of epochs of the first stage."""
    batch_size: int = 32
    """Number of examples in a batch, of all devices together."""
    learning_rate: float = 1e-3
    """Highest learning rate of the second stage."""
    head_learning_rate: float = 3e-3
    """Highest learning rate of the first stage."""
    body_rate: float = 1.0
    """Learning rate of the layers before the head in the second stage, as a share of the head's; 1 for the same."""
    optimizer: OptimizerName = "adam"
    """Optimizer; `sgd` has Nesterov momentum 0.9."""
    weight_decay: float = 0.0
    """Weight decay, decoupled from the loss (AdamW)."""
    schedule: Schedule = "cosine"
    """Schedule of the learning rate. `cosine`: it rises over `warmup_epochs`, then falls to zero; `plateau`: it is
    halved after `patience` / 3 epochs without a better loss; `constant`: it does not change."""
    warmup_epochs: int = 1
    """Number of epochs in which `cosine` raises the learning rate."""
    patience: int = 10
    """Epochs without a better validation result after which a stage ends; 0 for never."""
    freeze: str = "none"
    """Layers that stay frozen in the second stage: `none`, `all` (then there is no second stage), or all up to and
    including the layer of this name."""
    label_smoothing: float = 0.0
    """Fraction of a target that is spread over all classes."""
    augment: Augment = "none"
    """Random changes to the pictures in the second stage; see `zoo.data.augmentation`."""
    balance: bool = True
    """Whether every class counts the same, however many pictures it has."""
    validation: float = 0.2
    """Share of the files held out for validation, if the data have no validation files."""
    group_by: str = ""
    """Regular expression that finds a group in a file's path; files of one group stay on one side of the split."""
    resize: Resize = "crop"
    """How pictures are resized to the model's input; see `zoo.inputs.preprocessing`."""
    min_steps: int = 0
    """Least number of steps of the second stage, or of the first if that is the only one: where the files are too few
    for that many, each epoch takes them several times, the last time no more than are needed."""
    anchors: Anchors = "fitted"
    """Anchors of a detector with a new head: `fitted` to the boxes of the training pictures, or those of the SSD
    `paper`; see `zoo.tasks.objects.anchors`."""
    teacher_weight: float = 0.5
    """Share of a teacher's answers in the loss, 0 to 1; the labels have the rest. Without a teacher it does nothing."""
    temperature: float = 3.0
    """Number by which the logits of teacher and model are divided before they are compared; the higher it is, the more
    counts what the teacher thinks of the wrong classes."""
    seed: int = 0
    """Random seed of weights, validation split, order and augmentation."""
    mixed_precision: bool = False
    """Whether to compute in float16 on a GPU, in bfloat16 elsewhere, with float32 weights."""
    xla: bool = False
    """Whether XLA compiles the steps."""

    def __post_init__(self) -> None:
        limits: dict[str, tuple[float, float]] = {
            "epochs": (0, 100_000),
            "head_epochs": (0, 100_000),
            "batch_size": (1, 65_536),
            "learning_rate": (0, 10),
            "head_learning_rate": (0, 10),
            "body_rate": (0, 1),
            "min_steps": (0, 10_000_000),
            "weight_decay": (0, 1),
            "warmup_epochs": (0, 1000),
            "patience": (0, 100_000),
            "label_smoothing": (0, 0.9),
            "validation": (0, 0.9),
            "teacher_weight": (0, 1),
            "temperature": (0.1, 100),
        }
        check_seed(self.seed)
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise OptionError(f"{name}={value!r} is not allowed; give {low} to {high}")
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                raise OptionError(f"{name}={getattr(self, name)!r} is not one of {', '.join(words)}")

    @property
    def min_batches(self) -> int:
        """Least number of batches in an epoch, of either stage."""
        whole = 0 if self.freeze == "all" else self.epochs
        return -(-self.min_steps // (whole or self.head_epochs or 1))

    def change(self, values: dict[str, Any]) -> Recipe:
        """Returns a recipe with other values, each converted to its field's type.

        Raises:
            OptionError: a recipe has no such field, or the field does not allow the value.
        """
        kinds = field_types()
        unknown = sorted(set(values) - set(kinds))
        if unknown:
            hint = closest(unknown[0], kinds)
            raise OptionError(f"a recipe has no {unknown[0]!r}; {hint}it has {', '.join(kinds)}")
        return dataclasses.replace(self, **{name: _convert(name, value, kinds[name]) for name, value in values.items()})


_WORDS: dict[str, tuple[str, ...]] = {
    "schedule": typing.get_args(Schedule),
    "optimizer": typing.get_args(OptimizerName),
    "anchors": typing.get_args(Anchors),
    "augment": AUGMENTS,
    "resize": RESIZES,
}

SCRATCH = Recipe()
"""The recipe of a training from random weights; a model's spec states what differs for it."""
TRANSFER = Recipe(epochs=20, learning_rate=1e-4)
"""The recipe of a training from pretrained weights."""


def default_recipe(model: str | None, *, pretrained: bool) -> Recipe:
    """Returns the recipe of a model as its spec states it, or a general one for a model without a spec.

    Args:
        model: the model's name in the registry; None for a model that is not in it.
        pretrained: whether its weights are pretrained.

    Raises:
        UnknownModelError: no model has this name.
        OptionError: the spec names a field that recipes do not have, or a value that the field does not allow.
    """
    base = TRANSFER if pretrained else SCRATCH
    if model is None:
        return base
    spec = models.spec(model)
    try:
        return base.change(dict(spec.transfer_recipe if pretrained else spec.recipe))
    except OptionError as error:
        raise OptionError(f"the {'transfer recipe' if pretrained else 'recipe'} of {model}: {error}") from error


def read_recipe(path: Path) -> dict[str, Any]:
    """Reads the values of a TOML file: its table `[recipe]`, or the whole file if there is no such table.

    Raises:
        InputError: the file cannot be read, is no TOML, or has values both in that table and outside of any.
    """
    content = read_toml(path)
    values: Any = content.get("recipe", content)
    if not isinstance(values, dict):
        raise InputError(f"{path} has a value named recipe; write a table [recipe] with the options below it")
    outside = [name for name, value in content.items() if not isinstance(value, dict)]
    if values is not content and outside:
        raise InputError(f"{path} has {outside[0]!r} outside of its table [recipe]; options belong below [recipe]")
    return values


def read_toml(path: Path) -> dict[str, Any]:
    """Reads a TOML file.

    Raises:
        InputError: the file cannot be read, or is no TOML.
        MissingDependencyError: on Python 3.10, tomli is not installed.
    """
    # Imported here, because Python 3.10 has no tomllib and needs tomli, which may be missing: `zoo train` reports that.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ModuleNotFoundError as error:
            raise MissingDependencyError("TOML files need tomli: pip install 'edgezoo[tensorflow]'") from error
    try:
        return tomllib.loads(read_text(path, "recipe"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not a TOML file: {error}") from error


def field_types() -> dict[str, type]:
    """Returns the type of every field by its name."""
    kinds = {}
    for name, hint in typing.get_type_hints(Recipe).items():
        # A choice of words has the type str.
        kinds[name] = str if typing.get_origin(hint) in {Literal, types.UnionType} else hint
    return kinds


def as_option(name: str, value: Any) -> str:
    """Returns a field with its value as `zoo train` takes it."""
    word = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{word}" if value else f"--no-{word}"
    return f"--{word} {value:g}" if isinstance(value, float) else f"--{word} {value}"


def _convert(name: str, value: Any, kind: type) -> Any:
    good = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if not good or (kind is not bool and isinstance(value, bool)):
        raise OptionError(f"{name}={value!r} is not allowed; give a {kind.__name__}")
    return kind(value)
