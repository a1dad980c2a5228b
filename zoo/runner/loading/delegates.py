"""Chooses what else than the CPU runs a graph: TFLite's delegates, or an execution provider of ONNX Runtime.

Of delegates, the Edge TPU has a name, others are given by their library.
"""

from __future__ import annotations

import ctypes
import sys
import weakref
from pathlib import Path
from typing import Any

from zoo.errors import InputError, MissingDependencyError, first_line
from zoo.runner.loading import runtimes

EDGETPU_LIBRARIES = {"linux": "libedgetpu.so.1", "darwin": "libedgetpu.1.dylib", "win32": "edgetpu.dll"}
"""Library of Google's Edge TPU runtime, by Python's name for the platform."""

ONNXRUNTIME = "onnxruntime"
"""The runtime that takes providers instead of delegates."""

EDGETPU_INSTALL = (
    "docs/boards.md says which one goes with which runtime (Coral's libedgetpu1-std of 2021 crashes tflite-runtime "
    "2.12 and later: google-coral/edgetpu#812)"
)


def options(runtime: str, delegate: str | None, provider: str | None) -> dict[str, Any]:
    """Returns the further arguments of a runtime's interpreter, with a delegate loaded.

    Args:
        runtime: a name of `RUNTIMES`.
        delegate: see `load_delegate`; None for none.
        provider: see `zoo.runner.loading.providers`; None for the CPU.

    Raises:
        InputError: the runtime does not take it, or it is none.
        MissingDependencyError: a library is not installed, or a device is not connected.
    """
    if provider is None:
        return {} if delegate is None else {"experimental_delegates": [load_delegate(delegate, runtime)]}
    if delegate is not None:
        raise InputError(f"give either the delegate {delegate!r}, for .tflite files, or the provider {provider!r}")
    if runtime != ONNXRUNTIME:
        raise InputError(
            f"{runtime} has no provider {provider!r}: providers are those of onnxruntime, for .onnx files; leave "
            "--provider out"
        )
    return {"provider": provider}


_in_use: dict[int, Any] = {}
"""The delegates of the interpreters that live, by a number for each."""


def hold(interpreter: Any, options: dict[str, Any]) -> None:
    """Keeps the delegates among an interpreter's `options` until the interpreter goes, however it goes.

    An interpreter frees its graph first and its delegates then. Where both are in a cycle, the garbage collector ends
    them in the order in which they were made, and the graph would be freed with a delegate that is gone. What is held
    here is not in that cycle, so the collector ends the interpreter alone, which then lets its delegates go.
    """
    held = options.get("experimental_delegates")
    if held:
        _in_use[id(held)] = held
        weakref.finalize(interpreter, _in_use.pop, id(held))


def load_delegate(text: str, runtime: str) -> Any:
    """Loads a delegate for a runtime.

    Args:
        text: `edgetpu`, `edgetpu:DEVICE` (`usb`, `usb:0`, `pci:1`...), or the path of a delegate's library.
        runtime: a name of `RUNTIMES`.

    Raises:
        InputError: this runtime takes no delegates, or the library is no delegate.
        MissingDependencyError: the library is not installed, or the device is not connected.
    """
    if runtime == "openvino":
        raise InputError(f"OpenVINO takes no TFLite delegates, and no {text!r}; use --runtime litert or tflite-runtime")
    if runtime == ONNXRUNTIME:
        raise InputError(f"onnxruntime takes no TFLite delegates, and no {text!r}; give --provider instead")
    library, options = parse(text)
    _require_delegate(library, edgetpu=is_edgetpu(text))
    try:
        return runtimes.module(runtime).load_delegate(library, options)
    except ValueError as error:
        if is_edgetpu(text):
            device = options.get("device", "any")
            raise MissingDependencyError(
                f"no Edge TPU was found (device: {device}): plug it in, see that this user may open it "
                "(group plugdev), and look at `zoo doctor`"
            ) from error
        raise InputError(f"the delegate {library} refuses to start: {first_line(error)}") from error


def _require_delegate(library: str, *, edgetpu: bool) -> None:
    # The steps are tried here first: if one fails in a Delegate object, it prints tracebacks when it is deleted.
    try:
        found = ctypes.CDLL(library)
    except OSError as error:
        if edgetpu:
            raise MissingDependencyError(f"the Edge TPU's {library} is not installed: {EDGETPU_INSTALL}") from error
        raise InputError(f"cannot load the delegate {library}: {first_line(error)}") from error
    if not hasattr(found, "tflite_plugin_create_delegate"):
        raise InputError(f"{library} is a library but no TFLite delegate: it lacks tflite_plugin_create_delegate")


def parse(text: str) -> tuple[str, dict[str, str]]:
    """Returns the library and the options that a `--delegate` value means.

    Raises:
        InputError: the value names neither an Edge TPU nor a file.
    """
    if is_edgetpu(text):
        library = EDGETPU_LIBRARIES.get(sys.platform, EDGETPU_LIBRARIES["linux"])
        device = text.partition(":")[2]
        return library, {"device": device} if device else {}
    if not Path(text).is_file():
        raise InputError(f"no delegate {text!r}: give edgetpu, edgetpu:DEVICE, or the path of a delegate's library")
    # The library is given as a path, because the loader searches a bare name in the system's folders.
    return str(Path(text).resolve()), {}


def edgetpu_library() -> str | None:
    """Returns the name of the Edge TPU's runtime library; None if it cannot be loaded."""
    library, _ = parse("edgetpu")
    try:
        ctypes.CDLL(library)
    except OSError:
        return None
    return library


def is_edgetpu(text: str) -> bool:
    """Returns whether a `--delegate` value means an Edge TPU."""
    return text == "edgetpu" or text.startswith("edgetpu:")
