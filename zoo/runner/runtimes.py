"""The runtimes of `.tflite` files: which are installed, and how to make an interpreter of each."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from zoo import bounds
from zoo.errors import InputError, MissingDependencyError
from zoo.machine.cores import physical_cores

Runtime = Literal["auto", "litert", "tflite-runtime", "tensorflow", "openvino"]


class Source(NamedTuple):
    """The source of a runtime."""

    module: str
    install: str
    """The pip command that installs it."""
    packages: tuple[str, ...]
    """Names of its packages; the first installed one counts."""
    by_choice: bool = False
    """Whether `auto` never chooses it."""
    older_system: str = ""
    """What runs on systems that are too old for it; empty if nothing does."""


RUNTIMES = {
    # In order of preference: LiteRT's int8 kernels were measured 11 to 15 times faster than tflite-runtime's on x86-64.
    "litert": Source(
        "ai_edge_litert.interpreter",
        "pip install ai-edge-litert",
        ("ai-edge-litert",),
        # The wheels of tflite-runtime 2.14 for arm64 need a glibc of 2.34 as well; those of 2.13 end at Python 3.10.
        older_system="on Python 3.10: pip install 'tflite-runtime<2.14' 'numpy<2'",
    ),
    "tflite-runtime": Source(
        "tflite_runtime.interpreter", "pip install 'edgezoo[tflite-runtime]'", ("tflite-runtime",)
    ),
    "tensorflow": Source(
        "tensorflow.lite.python.interpreter", "pip install 'edgezoo[tensorflow]'", ("tensorflow", "tensorflow-cpu")
    ),
    # OpenVINO's results for int8 files can differ from TFLite's in the last bits.
    "openvino": Source("zoo.runner.openvino", "pip install 'edgezoo[openvino]'", ("openvino",), by_choice=True),
}

MAX_THREADS = 256
"""The most threads of a runtime; one that cannot start the given number ends the process."""


def find(runtime: Runtime = "auto") -> tuple[str, Callable[..., Any]]:
    """Returns the name and the interpreter class of a runtime.

    Raises:
        InputError: there is no such runtime.
        MissingDependencyError: the runtime is not installed, or does not work with the installed numpy or on this
            system; the message says what to do.
    """
    if not isinstance(runtime, str) or (runtime != "auto" and runtime not in RUNTIMES):
        raise InputError(f"unknown runtime {runtime!r}; give auto, {', '.join(RUNTIMES)}")
    problems = []
    for name in [name for name, source in RUNTIMES.items() if not source.by_choice] if runtime == "auto" else [runtime]:
        clash = abi_clash(name)
        if clash is not None:
            problems.append(clash)
            continue
        try:
            return name, module(name).Interpreter
        except (ImportError, OSError) as error:  # LiteRT loads its library by ctypes, which raises OSError
            problem = _not_loaded(name, error)
            if runtime != "auto":
                raise MissingDependencyError(problem) from error
            if not isinstance(error, ModuleNotFoundError):
                problems.append(problem)
    if problems:
        raise MissingDependencyError("; ".join(problems))
    raise MissingDependencyError(f"no TFLite runtime is installed: {RUNTIMES['litert'].install}")


def module(name: str) -> Any:
    """Imports a runtime's module, which has `Interpreter` and, except for OpenVINO, `load_delegate`."""
    return importlib.import_module(RUNTIMES[name].module)


def _not_loaded(name: str, error: Exception) -> str:
    from zoo.machine.loading import NEWER_SYSTEM, not_loaded  # only where there is an error to tell

    source = RUNTIMES[name]
    older = f"{NEWER_SYSTEM}{source.older_system and f', or {source.older_system}'}"
    package = f"{name} {version(name) or ''}".rstrip()
    missing = isinstance(error, ModuleNotFoundError)
    return not_loaded(name if missing else package, error, missing=source.install, older=older)


def version(name: str) -> str | None:
    """Returns the installed version of a runtime without importing it; None if it is not installed."""
    from importlib import metadata  # imported here, because it takes 10 ms and only messages need it

    for package in RUNTIMES[name].packages:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return None


def abi_clash(name: str) -> str | None:
    """Returns why importing an installed runtime would fail or end the process; None if it would not.

    tflite-runtime 2.14, the last, was built against numpy 1 and fails on numpy 2 with "_ARRAY_API not found".
    """
    if name != "tflite-runtime":
        return None
    import numpy as np  # imported here, because the names above, which `--help` shows, do not need it

    if int(np.__version__.split(".")[0]) < 2:
        return None
    installed = version(name)
    if installed is None:
        return None
    return (
        f"tflite-runtime {installed} was built against numpy 1 and fails with the installed numpy {np.__version__} "
        "(_ARRAY_API not found): pip install 'numpy<2', or use LiteRT instead: pip install ai-edge-litert"
    )


def default_threads() -> int:
    """Returns the number of physical cores this process may use, at most 4: small models gain nothing from more."""
    return min(4, physical_cores())


def require_threads(threads: int) -> None:
    """Checks a number of threads for a runtime.

    Raises:
        InputError: the number is no whole one, or out of range.
    """
    bounds.whole("threads", threads, 1, MAX_THREADS)
