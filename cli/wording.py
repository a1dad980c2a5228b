"""Says options in messages as the shell has them: `--min-score 2` where the Python API says `min_score=2`."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Sequence
from typing import Any

import click

_NAMED = re.compile(
    r"(?P<advice>\bgive )?(?<![\w=.&?])(?P<name>[a-z][a-z_]*)=(?P<value>'[^']*'|\"[^\"]*\"|\([^()]*\)|[^\s,;:()]+)"
)
"""A word as `name=value`, and whether it is given as advice."""
_HELD = re.compile(r"[^:]*(\.\w+|\brecipe of [^:]+): ")
"""The beginning of a message of what a file or a model's own recipe holds."""


def in_shell(message: str, command: click.Command, words: Sequence[str]) -> str:
    """Returns an error's message with the options of a command as one types them.

    Values that a file holds under the same names, such as those of a recipe, stay as they are.

    Args:
        message: the message, which may hold words such as `min_score=2`.
        command: the command that failed.
        words: what was typed; these options are changed even in a message that begins with a file.
    """
    known = {one.name: one for one in command.params if isinstance(one, click.Option) and not one.is_flag}
    typed = {word.partition("=")[0] for word in words}
    held = _HELD.match(message)

    def changed(found: re.Match[str]) -> str:
        option, value, advice = known.get(found["name"]), _value(found["value"]), found["advice"] or ""
        if option is None or value is None or (held and not advice and not typed & {*option.opts}):
            return found[0]
        return f"{advice}{max(option.opts, key=len)} {value}"

    return _NAMED.sub(changed, message)


def _value(text: str) -> str | None:
    """Returns a value of Python as a word of the shell; None for one that has no such word."""
    try:
        value: Any = ast.literal_eval(text)
    except (ValueError, SyntaxError):  # nan
        value = text
    if value is None or isinstance(value, bool):
        return None
    return shlex.quote(",".join(map(str, value)) if isinstance(value, tuple) else str(value))
