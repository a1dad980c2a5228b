"""Checks the values of options: every refusal is one line that names the option, the value and what is allowed.

Values come from Python programs, where anything may be given: a text, a fraction, None, a truth value.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from numbers import Real
from os import PathLike
from typing import Any

from zoo.errors import InputError, ZooError, in_one_line

MAX_SEED = 2**32 - 1
"""The largest seed that NumPy's global random state takes."""
SHOWN = 80
"""The most characters of a wrong value that a refusal repeats."""


def whole(name: str, value: Any, least: int = 1, most: int | None = None, *, error: type[ZooError] = InputError) -> int:
    """Returns a whole number within its bounds; truth values are none, integers of NumPy are.

    Args:
        name: what the option is called.
        value: what was given for it.
        least: the least number that is allowed.
        most: the largest one; None for no limit.
        error: the error to raise.

    Raises:
        ZooError: the value is no such number; of the type `error`.
    """
    allowed = f"{least} or more" if most is None else f"{least} to {most}"
    try:
        found = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        found = None
    if found is None:
        raise _refusal(name, value, f"a whole number, {allowed}", error)
    if found < least or (most is not None and found > most):
        raise _refusal(name, value, allowed, error)
    return found


def whole_or_all(name: str, value: Any) -> int | None:
    """Returns the largest number of things that an option asks for, at least 1; None for all. Errors as `whole`."""
    return None if value is None else whole(name, value)


def number(
    name: str,
    value: Any,
    least: float = -math.inf,
    most: float = math.inf,
    *,
    allowed: str,
    above: bool = False,
    error: type[ZooError] = InputError,
) -> float:
    """Returns a finite number within its bounds.

    Args:
        name: what the option is called.
        value: what was given for it.
        least: the least number that is allowed.
        most: the largest one.
        allowed: the bounds in words, as the rest of `give ...`.
        above: whether the number has to be above `least`.
        error: the error to raise.

    Raises:
        ZooError: the value is no such number; of the type `error`.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise _refusal(name, value, allowed, error)
    found = float(value)
    if not math.isfinite(found) or not least <= found <= most or (above and found <= least):
        raise error(f"{name}={found:g} is not allowed; give {allowed}")
    return found


def share(name: str, value: Any, *, error: type[ZooError] = InputError) -> float:
    """Returns a number from 0 to 1; arguments and errors as those of `number`."""
    return number(name, value, 0, 1, allowed="a number from 0 to 1", error=error)


def flag(name: str, value: Any, *, error: type[ZooError] = InputError) -> bool:
    """Returns a truth value.

    Raises:
        ZooError: the value is neither True nor False; of the type `error`.
    """
    if value is not True and value is not False:
        raise _refusal(name, value, "True or False", error)
    return bool(value)


def text(name: str, value: Any, *, error: type[ZooError] = InputError) -> str:
    """Returns a text.

    Raises:
        ZooError: the value is none; of the type `error`.
    """
    if not isinstance(value, str):
        raise _refusal(name, value, "a text", error)
    return value


def names(name: str, value: Any, *, error: type[ZooError] = InputError) -> tuple[str, ...]:
    """Returns several texts; a single one is refused, because it would be taken letter by letter.

    Raises:
        ZooError: the value is no list of texts; of the type `error`.
    """
    if isinstance(value, str | bytes | PathLike) or not isinstance(value, Iterable):
        raise _refusal(name, value, "a list of texts, such as ['cat', 'dog']", error)
    found = tuple(value)
    if wrong := [one for one in found if not isinstance(one, str)]:
        raise _refusal(name, wrong[0], "texts alone, such as ['cat', 'dog']", error)
    return found


def one_or_more(value: Any) -> tuple[Any, ...]:
    """Returns several values as a tuple; a single text, path or number is one of its own, and no list of letters."""
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes | PathLike) else (value,)


def _refusal(name: str, value: Any, allowed: str, error: type[ZooError]) -> ZooError:
    return error(f"{name}={in_one_line(repr(value), SHOWN)} is not allowed; give {allowed}")
