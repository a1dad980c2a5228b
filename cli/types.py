"""Parsers of option values that click does not have, and the texts that several options share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.bounds import MAX_SEED
from zoo.errors import InputError
from zoo.text import name_list

if TYPE_CHECKING:
    from zoo.runner.entry import Scaling


class PathType(click.Path):
    """A path that is not empty: an empty one, such as that of a variable which is not set, is the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the path."""
        if value == "":
            self.fail("the path is empty; . is the current folder", param, ctx)
        return super().convert(value, param, ctx)


PATH = PathType(path_type=Path)
"""The type of a file or folder that a command takes."""
SEED = click.IntRange(0, MAX_SEED)

GROUP_BY_HELP = (
    "Regular expression that finds a group in a file's path, such as 'obj\\d+'; files of one group stay on one side of "
    "the split for validation."
)
"""The help text that every `--group-by` has."""
RESIZE_HELP = "How pictures are fitted to the model's input: cut to its shape, padded with black, or stretched."
"""The help text that every `--resize` has."""


def int_list(text: str) -> tuple[int, ...]:
    """Parses `128,64`."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of integers such as 128,64") from None


def float_list(text: str) -> tuple[float, ...]:
    """Parses `0.35,0.5`."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of numbers such as 0.35,0.5") from None


def word_list(text: str) -> tuple[str, ...]:
    """Parses `large,small`, and `cat,"salt, pepper"`; see `zoo.text.name_list`."""
    try:
        return tuple(name for name in name_list(text) if name)
    except InputError as error:
        raise click.BadParameter(str(error)) from None


def layer_names(text: str) -> tuple[str, ...] | str:
    """Parses names of layers, `Conv1,logits`, or the word `auto`."""
    return text if text == "auto" else word_list(text)


def any_list(text: str) -> tuple[int | float | str, ...]:
    """Parses a list of numbers or words; what is no number is a word."""
    return tuple(_number_or_word(part) for part in word_list(text))


def _number_or_word(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def number_pair(text: str) -> tuple[float, float]:
    """Parses `-1,1`."""
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not two numbers such as -1,1") from None
    return low, high


def input_range(text: str) -> Scaling:
    """Parses `-1,1`, or `imagenet`."""
    return "imagenet" if text.strip().lower() == "imagenet" else number_pair(text)


def words(*allowed: str) -> Callable[[str], tuple[str, ...]]:
    """Returns a parser of words of a fixed list, separated by commas; a word that is given twice counts once.

    The option needs a metavar: click would show the parser's Python name in `--help`.
    """

    def parse(text: str) -> tuple[str, ...]:
        chosen = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
        for word in chosen:
            if word not in allowed:
                raise click.BadParameter(f"{word!r} is not one of {', '.join(allowed)}")
        return chosen

    return parse
