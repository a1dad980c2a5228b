"""Counts the function calls that the inspection of each of two files needs: `count_calls.py FILE FILE`."""

from __future__ import annotations

import contextlib
import sys

from zoo.errors import ModelFileError
from zoo.tflite.inspection import inspect_file


def calls(path: str) -> int:
    """Returns the number of calls of Python and C functions."""
    done = 0

    def count(*_: object) -> None:
        nonlocal done
        done += 1

    with contextlib.suppress(ModelFileError):
        sys.setprofile(count)
        try:
            inspect_file(path).as_dict()
        finally:
            sys.setprofile(None)
    return done


once, twice = sys.argv[1:]
calls(once)  # the first call imports modules and fills caches
sys.stdout.write(f"{calls(once)} {calls(twice)}\n")
