"""The interpreters a `.tflite` file runs on: which are installed, and how each is made."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from zoo.errors import InputError, MissingDependencyError

Runtime = Literal["auto", "litert", "tflite-runtime", "tensorflow", "openvino"]


class Source(NamedTuple):
    """Where a runtime comes from."""

    module: str
    install: str
    """The pip line."""
    packages: tuple[str, ...]
    """Their names on the index; the first that is installed counts."""
    by_choice: bool = False
    """Never taken by `auto`."""


RUNTIMES = {
    # In order of preference: LiteRT's int8 kernels were measured 11 to 15 times faster than tflite-runtime's on x86-64.
    "litert": Source("ai_edge_litert.interpreter", "pip install ai-edge-litert", ("ai-edge-litert",)),
    "tflite-runtime": Source(
        "tflite_runtime.interpreter", "pip install 'edgezoo[tflite-runtime]'", ("tflite-runtime",)
    ),
    "tensorflow": Source(
        "tensorflow.lite.python.interpreter", "pip install 'edgezoo[tensorflow]'", ("tensorflow", "tensorflow-cpu")
    ),
    # It computes int8 files in its own way, which can differ from TFLite in the last bits.
    "openvino": Source("zoo.runner.openvino", "pip install 'edgezoo[openvino]'", ("openvino",), by_choice=True),
}

MAX_THREADS = 256
"""A runtime that cannot start as many as it is told ends the process."""


def find(runtime: Runtime = "auto") -> tuple[str, Callable[..., Any]]:
    """The name and interpreter class of a runtime.

    Raises:
        InputError: there is no such runtime.
        MissingDependencyError: it is not installed, or not with this numpy; the message holds the pip line.
    """
    if runtime != "auto" and runtime not in RUNTIMES:
        raise InputError(f"unknown runtime {runtime!r}; give auto, {', '.join(RUNTIMES)}")
    clashes = []
    for name in [name for name, source in RUNTIMES.items() if not source.by_choice] if runtime == "auto" else [runtime]:
        clash = abi_clash(name)
        if clash is not None:
            clashes.append(clash)
            continue
        try:
            return name, module(name).Interpreter
        except ImportError as error:
            if runtime != "auto":
                raise MissingDependencyError(f"{name} is not installed ({error}): {RUNTIMES[name].install}") from error
    if clashes:
        raise MissingDependencyError("; ".join(clashes))
    raise MissingDependencyError(f"no TFLite runtime is installed: {RUNTIMES['litert'].install}")


def module(name: str) -> Any:
    """Imports a runtime's module, which has `Interpreter` and, but for OpenVINO, `load_delegate`."""
    return importlib.import_module(RUNTIMES[name].module)


def version(name: str) -> str | None:
    """The installed version of a runtime, without importing it; None where it is not installed."""
    from importlib import metadata  # takes 10 ms, which only messages are worth

    for package in RUNTIMES[name].packages:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return None


def abi_clash(name: str) -> str | None:
    """Why a runtime that is installed would end the process or fail when it is imported; None where it would not.

    tflite-runtime 2.14, the last, was built against numpy 1 and fails on numpy 2 with "_ARRAY_API not found".
    """
    if name != "tflite-runtime":
        return None
    import numpy as np  # not needed for the names above, which `--help` shows

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
    """The physical cores this process may use, at most 4: small models gain nothing from more."""
    return min(4, physical_cores())


def require_threads(threads: int) -> None:
    """Finds out whether a runtime may be asked for so many threads.

    Raises:
        InputError: it may not.
    """
    if not 1 <= threads <= MAX_THREADS:
        raise InputError(f"threads={threads} is not allowed; give 1 to {MAX_THREADS}")
