"""The names of the methods by which the range of an activation is chosen; `zoo.compress.ranges` has what they do.

Needs the standard library alone, so that a command knows them before anything is loaded.
"""

from __future__ import annotations

from typing import Literal, get_args

from zoo.errors import OptionError, closest

Method = Literal["minmax", "percentile", "mse"]
METHODS: tuple[Method, ...] = get_args(Method)


def check_method(name: str) -> None:
    """Refuses a method that does not exist.

    Raises:
        OptionError: the message lists those that do.
    """
    if name not in METHODS:
        near = closest(name, METHODS)
        raise OptionError(f"unknown calibration method {name!r}; {near}give one of {', '.join(METHODS)}")
