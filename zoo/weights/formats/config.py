"""Checks a model's configuration before Keras uses it: nothing that it names may run code or read files."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from zoo.errors import UnsafeFileError
from zoo.graph import unallocated
from zoo.weights.formats import known

MAX_BYTES = 16 << 20
"""Most bytes of a configuration; the largest model of keras.applications has less than one megabyte."""
SEEDS = 1 << 16
"""Number of values that a model may have beyond those in its file: seeds, and what Keras adds by itself."""

_NAMES_SOMETHING = re.compile(r"(\w+_)?(activation|initializer|regularizer|constraint)")
"""Matches the keys whose text is the name of a function or class."""


def parse(text: str | bytes, path: Path) -> dict[str, Any]:
    """Reads a configuration from its JSON text.

    Raises:
        UnsafeFileError: the text is too long or nested too deeply.
        ValueError: the text is not the JSON document of a model.
    """
    if len(text) > MAX_BYTES:
        raise UnsafeFileError(
            f"{path} is refused: its configuration has {len(text)} bytes; at most {MAX_BYTES} are read"
        )
    try:
        config = json.loads(text)
    except RecursionError as error:
        raise UnsafeFileError(f"{path} is refused: its configuration is nested too deeply") from error
    if not isinstance(config, dict):
        raise ValueError("its configuration is no model's")
    return config


def require_harmless(config: dict[str, Any], path: Path, *, compiles: bool = False) -> None:
    """Refuses a configuration that names anything but what Keras computes with and what the user's own code registered.

    Args:
        config: the configuration of a whole model, as Keras 2 or 3 writes it.
        path: the path of the file, for error messages.
        compiles: whether what it says about training will be used, too.

    Raises:
        UnsafeFileError: the configuration names something else; the message says what.
    """
    if not compiles:
        # Keras does not use this part of the outermost model then, and a user's own loss may stand in it.
        config = {key: value for key, value in config.items() if key != "compile_config"}
    for key, value in _walk(config):
        if isinstance(value, dict) and "class_name" in value:
            fault = _fault(value)
            if fault:
                raise UnsafeFileError(
                    f"{path} is refused: its configuration has {fault}, which could run code or read files; "
                    f"{_remedy(value)} The weights alone can be saved as .weights.h5"
                )
        elif isinstance(value, str) and _NAMES_SOMETHING.fullmatch(key) and not _is_harmless_name(value):
            raise UnsafeFileError(f"{path} is refused: its configuration has {_shown(value)} for {_shown(key)}")


def names_old_layers(config: dict[str, Any]) -> list[str]:
    """Lists the layers of Keras 2 in a configuration that no Keras 3 can build, in alphabetical order."""
    named = (value.get("class_name") for _, value in _walk(config) if isinstance(value, dict))
    return sorted({name for name in named if isinstance(name, str) and name in known.OLD})


def require_room(build: Callable[[], Any], values: int, path: Path) -> None:
    """Refuses a model that needs more values than its file has, because Keras would allocate memory for them first.

    Args:
        build: makes the model from its configuration.
        values: the number of values in the file.
        path: the path of the file, for error messages.

    Raises:
        UnsafeFileError: the model needs more values.
    """
    # Errors are ignored here, because Keras reports them when it loads the model. The variables made before count.
    with unallocated() as made, contextlib.suppress(Exception):
        build()
    needed = sum(math.prod(variable.shape) for variable in made)
    if needed > values + SEEDS:
        raise UnsafeFileError(f"{path} is refused: its configuration needs {needed} values, and it holds {values}")


def _walk(config: Any) -> Iterator[tuple[str, Any]]:
    """Yields every value in a configuration with its key; without recursion, so that any depth can be walked."""
    waiting: list[tuple[str, Any]] = [("", config)]
    while waiting:
        key, value = waiting.pop()
        yield key, value
        if isinstance(value, dict):
            waiting += [(str(inner), item) for inner, item in value.items()]
        elif isinstance(value, list):
            waiting += [(key, item) for item in value]


def _fault(named: dict[str, Any]) -> str:
    """Says in a few words what is wrong with a class or function that a configuration names; empty if nothing is."""
    name, module, registered = named["class_name"], named.get("module"), named.get("registered_name")
    if not isinstance(name, str) or not (module is None or isinstance(module, str)):
        return f"a class called {_shown(name)} of {_shown(module)}"
    of_module = f" of {_shown(module)}" if module else ""
    if name == "function":
        function = named.get("config")
        harmless = _is_harmless_function(function, module, registered)
        return "" if harmless else f"the function {_shown(function)}{of_module}"
    if name.startswith("__"):  # Keras treats these names specially, even if a class is registered under one
        return "" if name in known.VALUES else f"code ({_shown(name)})"
    used = name if registered is None and module is None else registered
    if name in known.OLD or known.is_registered(used):  # a model with old layers is never built
        return ""
    if known.is_known_class(name, module):
        same = registered is None or registered == name
        return "" if same else f"a {_shown(name)} that is registered as {_shown(registered)}"
    return f"the class {_shown(name)}{of_module}"


def _is_harmless_name(text: str) -> bool:
    return not text or known.is_plain_word(text) or known.is_registered(text)


def _is_harmless_function(function: Any, module: str | None, registered: Any) -> bool:
    # Keras uses either of the two names, so both have to be the same.
    if not isinstance(function, str) or not (registered is None or registered == function):
        return False
    return known.is_known_function(function, module) or known.is_registered(function)


def _remedy(named: dict[str, Any]) -> str:
    """What the maker of a refused model can do."""
    name, module = str(named["class_name"]), str(named.get("module") or "")
    if name in {"Lambda", "function"} or name.startswith("__"):
        return (
            "save the model with keras.layers.Rescaling or functions of keras.ops in its place, or where it was made "
            "as a SavedModel (model.export('FOLDER')), and export the folder."
        )
    if known.is_of_keras(name) and module.partition(".")[0] in {"", "keras", "tf_keras"}:
        return "save the model without it."
    return "if it is your own, give the Python file that defines it: zoo --models FILE.py export ..."


def _shown(value: Any) -> str:
    """Shows an untrusted value in a message: short, and without control characters."""
    return ascii(value)[:80]
