"""Chooses the weights that a model begins with where nobody names any: published ones if they can be had, else random.

The choice never fails: what keeps published weights away is told, and the model is random then. No choice is made
silently, for it decides how well a model learns from few pictures.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from zoo import models
from zoo.errors import ZooError, in_one_line
from zoo.progress import SILENT, Progress
from zoo.published import PublishedWeights
from zoo.specs import AUTO, ModelSpec
from zoo.text import count_of
from zoo.weights import reading
from zoo.weights.fetch import imagenet

__all__ = ["AUTO", "Choice", "choose"]

SECONDS = 5.0
"""Seconds that a server is waited for; who has no network, or a slow one, is not held up for longer."""
TRIAL = (
    "in a trial with 188 photos of 5 classes about 60% were classified correctly from random weights, and 90% from "
    "published ones"
)
"""What published weights are worth where there are few pictures."""


@dataclass(frozen=True)
class Choice:
    """The weights that were chosen, and why."""

    name: str
    """The name of published weights, or `none` for random ones."""
    why: str = ""
    """Where they are random: the reason, as a sentence without its period and without a path of this machine."""
    details: str = ""
    """What exactly went wrong, for the user's eyes: it may hold paths of this machine."""

    @property
    def is_random(self) -> bool:
        """Whether no published weights were found."""
        return self.name == reading.NONE

    def sentence(self) -> str:
        """Says what was chosen, in one line for the user: the details where there are any."""
        if self.is_random:
            return f"the weights are RANDOM: {self.why}" + (f" ({self.details})" if self.details else "")
        return f"the weights are the published ones, --weights {self.name}; --weights none takes random ones"


def choose(
    name: str,
    options: dict[str, Any],
    *,
    head: bool = False,
    any_classes: bool = False,
    tries: bool = True,
    progress: Progress = SILENT,
) -> Choice:
    """Chooses published weights that are on this machine, or on a server that answers within `SECONDS`.

    Args:
        name: the model's name in the registry.
        options: the options that the user gave.
        head: whether the weights have to be of the whole model, so that its head is not random.
        any_classes: whether the number of classes is not known yet, as before a training: the head will be new.
        tries: whether the weights are laid beside the model's layers, too, which needs Keras; else the file is only
            read.
        progress: is told how much of a download has come.

    Raises:
        UnknownModelError: no model has this name.
        OptionError: the model does not take an option or a value.
    """
    spec = models.spec(name)
    full = spec.check(options)
    if not spec.weights:
        return Choice(reading.NONE, f"none are published for {name}")
    # If there are none, the most helpful reason is that of weights that are published for these options.
    ordered = sorted(spec.weights, key=lambda weights: weights.file_for(full | weights.decided) is None)
    missed: list[Choice] = []
    for weights in ordered:
        choice = _try(spec, weights, full, options, head=head, any_classes=any_classes, tries=tries, progress=progress)
        if not choice.is_random:
            return choice
        missed.append(choice)
    return missed[0]


def _try(
    spec: ModelSpec,
    weights: PublishedWeights,
    full: dict[str, Any],
    options: dict[str, Any],
    *,
    head: bool,
    any_classes: bool,
    tries: bool,
    progress: Progress,
) -> Choice:
    """Returns these weights, or random ones and what keeps these away."""
    if "num_classes" in full and "num_classes" not in options:
        full = full | weights.decided
    if head and (why := _head_is_random(weights, full)):
        return Choice(reading.NONE, why)
    if weights.file_for(full) is None:
        try:
            imagenet.choose(spec.name, full, weights.name)
        except ZooError as error:
            return Choice(reading.NONE, str(error))
    try:
        # A file without a head is the smaller one, and has all that a new head needs.
        wanted = full | {"num_classes": None} if any_classes and "num_classes" in full else full
        source = imagenet.choose(spec.name, wanted, weights.name)
        source.fetch(progress, within=SECONDS)
    except ZooError as error:
        return Choice(reading.NONE, _not_had(weights), in_one_line(error))
    if not source.path.is_file():  # one that is to lie on this machine
        return Choice(reading.NONE, _not_had(weights), f"there is no file {source.path}")
    try:
        _require_use(spec.name, full, source, tries=tries)
    except ZooError as error:
        return Choice(
            reading.NONE, f"the file of those trained on {weights.trained_on} is of no use", in_one_line(error)
        )
    return Choice(weights.name)


def _head_is_random(weights: PublishedWeights, full: dict[str, Any]) -> str:
    """Says why a model's head is random even with published weights; empty if it is not."""
    if weights.classes is None:
        return f"the published ones, trained on {weights.trained_on}, have no head, so it would be random all the same"
    if full.get("num_classes", weights.classes) == weights.classes:
        return ""
    return (
        f"the published ones know the {weights.classes} classes of {weights.trained_on}, so the head for "
        f"{count_of(full['num_classes'], 'class')} would be random all the same"
    )


def _not_had(weights: PublishedWeights) -> str:
    return f"those trained on {weights.trained_on} are published for these options, but could not be had"


def _require_use(name: str, full: dict[str, Any], source: imagenet.Published, *, tries: bool) -> None:
    """Reads a file and, where Keras may be used, lays it beside the model's layers.

    Raises:
        WeightsError: the file is damaged, or of another model.
    """
    contents = reading.read(source)
    if not tries:
        return
    # The skeleton draws seeds that nobody uses: those of the model are to be the same with and without this trial.
    state = random.getstate()
    try:
        reading.fit(name, full, source, contents)
    finally:
        random.setstate(state)
