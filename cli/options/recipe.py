"""The options of `zoo train` that change a model's recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from zoo.cli.types import GROUP_BY_HELP, RESIZE_HELP, SEED

Command = TypeVar("Command", bound=Callable[..., Any])


def _recipe_option(name: str, text: str, **settings: Any) -> Callable[[Command], Command]:
    """Returns an option for one field of a recipe, which the recipe sets where the user does not."""
    return click.option(name, help=f"{text}  [default: by the recipe]", **settings)


_RECIPE_OPTIONS = (
    _recipe_option("--epochs", "Largest number of epochs for the whole model, or for fine-tuning.", type=int),
    _recipe_option("--head-epochs", "Largest number of epochs for a new head on frozen layers.", type=int),
    _recipe_option("--batch-size", "Number of examples in one training step.", type=int),
    _recipe_option("--learning-rate", "Highest learning rate of the schedule.", type=float),
    _recipe_option("--head-learning-rate", "Highest learning rate while only the head is trained.", type=float),
    _recipe_option(
        "--body-rate",
        "Learning rate of the layers before the head, as a share of the head's, while both are trained.",
        type=float,
    ),
    _recipe_option("--optimizer", "Optimizer; sgd has Nesterov momentum.", metavar="adam|sgd"),
    _recipe_option("--weight-decay", "Weight decay, decoupled from the loss as in AdamW.", type=float),
    _recipe_option(
        "--schedule", "How the learning rate changes during the training.", metavar="cosine|plateau|constant"
    ),
    _recipe_option(
        "--min-steps",
        "Least number of steps that train the whole model; an epoch of few files takes them several times.",
        type=int,
    ),
    _recipe_option("--warmup-epochs", "Epochs in which a cosine schedule raises the learning rate.", type=int),
    _recipe_option("--patience", "Epochs without a better result after which a stage ends; 0 for never.", type=int),
    _recipe_option(
        "--freeze",
        "What fine-tuning leaves frozen: nothing, all but the head, or all layers up to and including LAYER.",
        metavar="none|all|LAYER",
    ),
    _recipe_option(
        "--anchors",
        "Anchors of a detector with a new head: fitted to the training boxes, or those of the SSD paper.",
        metavar="fitted|paper",
    ),
    _recipe_option(
        "--teacher-weight", "Share of the teacher's answers in the loss; the labels have the rest.", type=float
    ),
    _recipe_option(
        "--temperature",
        "Number that divides the logits of teacher and model before they are compared; 1 compares the scores.",
        type=float,
    ),
    _recipe_option("--label-smoothing", "Share of each label that is spread over all classes.", type=float),
    _recipe_option(
        "--augment", "How strongly training pictures are changed at random.", metavar="none|light|no-flip|standard"
    ),
    _recipe_option(
        "--balance/--no-balance",
        "Weight the loss so that every class counts the same, instead of every example.",
        default=None,
    ),
    _recipe_option("--validation", "Share of the data held out for validation.", type=float),
    _recipe_option("--group-by", GROUP_BY_HELP, metavar="REGEX"),
    _recipe_option("--resize", RESIZE_HELP, metavar="crop|pad|stretch"),
    _recipe_option("--seed", "Random seed of the split, the order of the data and the initial weights.", type=SEED),
    _recipe_option(
        "--mixed-precision/--no-mixed-precision",
        "Compute in float16 on a GPU, or in bfloat16 elsewhere, with float32 weights.",
        default=None,
    ),
    _recipe_option("--xla/--no-xla", "Compile the training step with XLA.", default=None),
)


def recipe_options(command: Command) -> Command:
    """Adds one option for each field of a recipe; a test holds that none is missing."""
    for option in reversed(_RECIPE_OPTIONS):
        command = option(command)
    return command
