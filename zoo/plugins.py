"""Models and layers of one's own: a Python file with `@zoo.register` in it, or with classes of Keras layers.

Standard library only, as the registry itself: Keras is asked only where the file imports it.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from zoo import registry
from zoo.errors import InputError, ZooError, first_line
from zoo.system.quiet import quiet, quiet_tensorflow

_PREFIX = "zoo_own_models_"
_loaded: dict[Path, list[str]] = {}


def load_models(path: str | Path) -> list[str]:
    """Runs a Python file, so that the models that it registers are known by name, like those of the zoo.

    The classes of layers that it defines are known to Keras then, with or without `register_keras_serializable`, and
    models made of them can be loaded.

    Args:
        path: the Python file; a file is run only once. Its code can do anything that Python can.

    Returns:
        The names of the models that it registered; none where it brings layers alone.

    Raises:
        InputError: there is no such file, it cannot be run, or it brings nothing; nothing of it is kept then.
    """
    # The zoo's models are registered first, so that their names are refused in the user's file.
    import zoo.models  # noqa: F401

    file = Path(path)
    if not file.is_file():
        raise InputError(f"there is no file {file}; give a Python file that registers models")
    if file.suffix != ".py":
        raise InputError(f"{file} is no Python file: its name has to end in .py")
    key = file.resolve()
    if key not in _loaded:
        before, known = registry.snapshot(), dict(_custom_objects())
        try:
            _run(file, f"{_PREFIX}{len(_loaded)}_{file.stem}")
            names = [name for name in registry.list_models() if name not in before]
            if not names and _custom_objects().keys() == known.keys():
                raise InputError(
                    f"{file} registers no model and defines no Keras layer: put @zoo.register before a function that "
                    "builds a model"
                )
        except BaseException:
            registry.restore(before)
            for name in _custom_objects().keys() - known.keys():
                del _custom_objects()[name]
            raise
        _loaded[key] = names
    return _loaded[key]


class _SourceOnly(SourceFileLoader):
    """Runs the source code of the user's file, because byte code in a `__pycache__` beside it cannot be trusted."""

    def get_code(self, fullname: str) -> CodeType:
        """Compiles the file itself."""
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def _run(file: Path, name: str) -> None:
    loader = _SourceOnly(name, str(file))
    module_spec = importlib.util.spec_from_file_location(name, file, loader=loader)
    assert module_spec is not None  # noqa: S101  # a loader was given
    module = importlib.util.module_from_spec(module_spec)
    # Dataclasses look up their module here.
    sys.modules[name] = module
    try:
        _import_quietly(loader.get_code(name))
        loader.exec_module(module)
        _register_layers(module)
    except ZooError as error:
        raise InputError(f"{file}{_line(error, file)}: {error}") from error
    except SyntaxError as error:
        raise InputError(f"{file}, line {error.lineno}: this is not Python: {error.msg}") from error
    except (Exception, SystemExit) as error:  # whatever a user's file raises
        raise InputError(f"{file}{_line(error, file)}: {type(error).__name__}: {first_line(error)}") from error


def _custom_objects() -> dict[str, Any]:
    """What users' code has made known to Keras, by name; empty where Keras is not imported."""
    keras = sys.modules.get("keras")
    return keras.saving.get_custom_objects() if keras else {}


def _import_quietly(code: CodeType) -> None:
    """Imports Keras, where the file does so itself, without the messages of native libraries."""
    if {"keras", "tensorflow"} & {name.partition(".")[0] for name in code.co_names}:
        quiet_tensorflow()
        with quiet(), contextlib.suppress(ImportError):
            importlib.import_module("keras")


def _register_layers(module: ModuleType) -> None:
    """Makes the classes of layers that a module defines known to Keras, where they are not registered."""
    keras = sys.modules.get("keras")
    for name, value in list(vars(module).items()):
        own = isinstance(value, type) and value.__module__ == module.__name__
        if keras and own and issubclass(value, keras.Layer) and value not in _custom_objects().values():
            _custom_objects().setdefault(name, value)


def _line(error: BaseException, file: Path) -> str:
    """Returns the line of the file in which an error was raised, e.g. `, line 3`."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f", line {lines[-1]}" if lines else ""
