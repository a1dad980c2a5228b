"""Finds the line with the reason in the messages of other libraries, which may have many lines.

TensorFlow puts the frames of a graph before it, its converter a place in the source, Keras the configuration of a
model, OpenCV a place in its own source, and pip its warnings.
"""

from __future__ import annotations

import re
import textwrap

MOST = 300
"""Characters of a reason at most."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NOISE = re.compile(
    r"""File\ ".*",\ line\ \d+ | Graph\ execution\ error:$ | Detected\ at\ node | \[\[\{\{node | Stack\ trace\ for\ op
    | \^+$ | ~*\^~*$ | Exception\ encountered\ when\ calling | WARNING: | DEPRECATION: | Looking\ in\ (links|indexes):
    | \[notice\] | note:\ | IMPORTANT:\ PLEASE\ READ | Details\ about\ """,
    re.VERBOSE,
)
"""Lines that give no reason."""
_MARK = re.compile(r"(?:Exception encountered|Original error was|The original error is|Caused by): *")
"""What stands before the reason, in the same line or before the next; the last of them counts."""
_PLACED = re.compile(r":-?\d+(?::\d+)?: error: ")
"""A place in a source file before the reason."""
_LOCATION = re.compile(r'^loc\((?:"[^"]*"|[^"])*?\)+: (?:error: )?')
"""How the converter writes where an operation of a saved model comes from."""
_RAISED = re.compile(r"[\w.]+(?:Error|Exception|Interrupt): ")
"""How the last line of a traceback begins."""
_FRAME = re.compile(r"^\{\{function_node [^}]*\}\} *|(?: \[Op:[^\]]*\])?(?: name: *)?$")
"""What TensorFlow puts around a reason: the node before it, and the operation behind it."""


def reason(text: str) -> str:
    """Returns the reason in a message, in one line of at most `MOST` characters; empty if the message is."""
    lines = [line.strip() for line in _COLOUR.sub("", text).splitlines()]
    told = [line for line in lines if line and not _NOISE.match(line)] or [line for line in lines if line]
    if not told:
        return ""
    found = _plain(_marked(told) or _of_traceback(told) or _placed(told) or _first(told))
    return textwrap.shorten(found, MOST) or textwrap.shorten(told[0], MOST)


def _marked(lines: list[str]) -> str:
    for number, line in reversed(list(enumerate(lines, start=1))):
        if marks := list(_MARK.finditer(line)):
            rest = [part for part in (line[marks[-1].end() :], *lines[number:]) if part]
            if rest:
                return _first(rest)
    return ""


def _of_traceback(lines: list[str]) -> str:
    if not any(line.startswith("Traceback (most recent call last)") for line in lines):
        return ""
    return next((line for line in reversed(lines) if _RAISED.match(line)), lines[-1])


def _placed(lines: list[str]) -> str:
    for number, line in enumerate(lines):
        if place := _PLACED.search(line):
            # OpenCV lists what is wrong with each of a function's signatures below.
            below = [one.lstrip("> -") for one in lines[number + 1 :] if one.startswith(">  - ")]
            return f"{line[place.end() :]}: {below[0]}" if below else line[place.end() :]
    return ""


def _first(lines: list[str]) -> str:
    """The first line; one that only leads to the next together with it, or without it if both are too long."""
    line = re.sub(r"^(?:ERROR|error): *", "", lines[0])
    if line.endswith(":") and len(lines) > 1:
        rest = _first(lines[1:])
        whole = f"{line} {rest}"
        return whole if len(whole) <= MOST else rest
    return line


def _plain(line: str) -> str:
    return _FRAME.sub("", _LOCATION.sub("", line.partition(" Full object config: ")[0])).strip()
