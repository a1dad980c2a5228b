"""Registers a user's own models from a Python file with `@zoo.register` in it.

This module needs only the standard library, like the registry itself.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

from zoo import registry
from zoo.errors import InputError, ZooError

_PREFIX = "zoo_own_models_"
_loaded: dict[Path, list[str]] = {}


def load_models(path: str | Path) -> list[str]:
    """Runs a Python file, so that the models that it registers are known by name, like those of the zoo.

    Args:
        path: the Python file; a file is run only once. Its code can do anything that Python can.

    Returns:
        The names of the models that the file registered.

    Raises:
        InputError: there is no such file, it cannot be run, or it registers nothing; none of its models is kept then.
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
        before = registry.snapshot()
        try:
            _run(file, f"{_PREFIX}{len(_loaded)}_{file.stem}")
            names = [name for name in registry.list_models() if name not in before]
            if not names:
                raise InputError(f"{file} registers no model: put @zoo.register before a function that builds one")
        except BaseException:
            registry.restore(before)
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
        loader.exec_module(module)
    except ZooError as error:
        raise InputError(f"{file}{_line(error, file)}: {error}") from error
    except SyntaxError as error:
        raise InputError(f"{file}, line {error.lineno}: this is not Python: {error.msg}") from error
    except (Exception, SystemExit) as error:  # a user's file can raise any error
        raise InputError(f"{file}{_line(error, file)}: {type(error).__name__}: {error}") from error


def _line(error: BaseException, file: Path) -> str:
    """Returns the line of the file in which an error was raised, e.g. `, line 3`."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f", line {lines[-1]}" if lines else ""
