"""The execution providers of ONNX Runtime: the hardware, or the library, on which a build of it can run a file."""

from __future__ import annotations

import re
from typing import Any

from zoo.errors import InputError, MissingDependencyError, first_line, in_one_line, listed

CPU = "cpu"
_END = "ExecutionProvider"
WHEELS = {
    "cpu": "onnxruntime",
    "cuda": "onnxruntime-gpu",
    "tensorrt": "onnxruntime-gpu",
    "openvino": "onnxruntime-openvino",
    "qnn": "onnxruntime-qnn",
    "dml": "onnxruntime-directml",
}
"""The package whose build has a provider. The builds exclude each other, and a Jetson has one of NVIDIA's own."""
REMOTE = frozenset({"azure"})
"""Providers that send their inputs elsewhere, and run no file here."""


def short(name: str) -> str:
    """Returns what a provider is called in options: `cuda` for `CUDAExecutionProvider`."""
    return name.removesuffix(_END).lower()


def available(onnxruntime: Any) -> dict[str, str]:
    """Returns the providers that the installed build has by their short names, best first.

    Args:
        onnxruntime: the imported module.
    """
    names = {short(name): name for name in onnxruntime.get_available_providers()}
    return {called: name for called, name in names.items() if called not in REMOTE}


def chosen(onnxruntime: Any, provider: str | None) -> list[str]:
    """Returns the providers that a session is made with: the one that is asked for, and the CPU for what it lacks.

    Args:
        onnxruntime: the imported module.
        provider: a short name; None for the CPU.

    Raises:
        InputError: there is no such provider.
        MissingDependencyError: the installed build does not have it; the message names the one that does.
    """
    there = available(onnxruntime)
    wanted = CPU if provider is None else provider.lower()
    if wanted in there:
        return list(dict.fromkeys([there[wanted], *([there[CPU]] if CPU in there else [])]))
    has = f"the installed onnxruntime {onnxruntime.__version__} has {listed(there) or 'none'}"
    if wanted not in WHEELS:
        raise InputError(f"there is no provider {provider!r}: {has}; others that are known are {listed(WHEELS)}")
    wheel = WHEELS[wanted]
    jetson = "; on a Jetson install NVIDIA's own build instead" if wheel == "onnxruntime-gpu" else ""
    raise MissingDependencyError(
        f"the provider {wanted} is missing: {has}. The package {wheel} has it, and takes the place of the other: "
        f"pip uninstall onnxruntime, then pip install {wheel}{jetson}"
    )


def require_used(session: Any, provider: str | None, printed: str) -> None:
    """Finds out whether a session runs on what was asked for: ONNX Runtime takes the CPU where another does not start.

    Args:
        session: the session.
        provider: a short name; None for the CPU.
        printed: what ONNX Runtime printed when the session was made, because the reason stands nowhere else.

    Raises:
        MissingDependencyError: it runs on something else.
    """
    used = [short(name) for name in session.get_providers()]
    if provider is not None and provider.lower() not in used:
        raise not_started(provider, printed)


def not_started(provider: str, why: str) -> MissingDependencyError:
    """Returns the error that a provider does not start, with ONNX Runtime's reason."""
    # It names a library that does not load, or, behind the place in its own sources, what is to be installed.
    found = re.search(r"with error: (.+)|(Please install .+|Require .+)", why)
    reason = next(filter(None, found.groups()), "") if found else first_line(RuntimeError(why)) if why.strip() else ""
    told = f" ({in_one_line(reason, 200).rstrip('.')})" if reason else ""
    return MissingDependencyError(
        f"the provider {provider.lower()} does not start here{told}, and onnxruntime would run the file on the CPU "
        "instead; see whether its device and its libraries are there, or leave --provider out"
    )
