"""The runtimes of `.tflite` and `.onnx` files: which are installed, and how to make an interpreter of each."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from zoo import bounds
from zoo.errors import InputError, MissingDependencyError
from zoo.machine.cores import physical_cores

if TYPE_CHECKING:
    import numpy.typing as npt

    from zoo.runner.formats import Form

Runtime = Literal["auto", "litert", "tflite-runtime", "tensorflow", "openvino", "onnxruntime"]


class Interpreter(Protocol):
    """What the runner asks of a runtime: the part of a TFLite interpreter that all of them have, or are adapted to.

    An input or output is a dictionary with `name`, `index`, `shape`, `dtype` and `quantization` (scale and zero point,
    0.0 and 0 for none), and `shape_signature`, in which a size that is open is -1.
    """

    def allocate_tensors(self) -> None:
        """Gets ready to run; raises ValueError or RuntimeError if the runtime cannot run the file."""

    def get_input_details(self) -> list[dict[str, Any]]:
        """Returns the inputs."""

    def get_output_details(self) -> list[dict[str, Any]]:
        """Returns the outputs."""

    def set_tensor(self, index: int, values: npt.NDArray[Any]) -> None:
        """Sets an input."""

    def invoke(self) -> None:
        """Runs the model; raises RuntimeError if that fails."""

    def get_tensor(self, index: int) -> npt.NDArray[Any]:
        """Returns an output of the last run."""


class Source(NamedTuple):
    """The source of a runtime."""

    module: str
    install: str
    """The pip command that installs it."""
    packages: tuple[str, ...]
    """Names of its packages; the first installed one counts."""
    by_choice: bool = False
    """Whether `auto` never chooses it."""
    form: Form = ".tflite"
    """The format of the files that it runs."""
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
    "openvino": Source("zoo.runner.loading.openvino", "pip install 'edgezoo[openvino]'", ("openvino",), by_choice=True),
    "onnxruntime": Source(
        "zoo.runner.loading.onnxruntime",
        "pip install 'edgezoo[onnxruntime]'",
        ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-qnn", "onnxruntime-directml"),
        form=".onnx",
    ),
}

MAX_THREADS = 256
"""The most threads of a runtime; one that cannot start the given number ends the process."""


def find(runtime: Runtime = "auto", form: Form | None = None) -> tuple[str, Callable[..., Interpreter]]:
    """Returns the name and the interpreter class of a runtime.

    Args:
        runtime: its name; `auto` for the first one that is installed and works.
        form: the format of the files that it has to run; None for any, of which `auto` takes `.tflite`.

    Raises:
        InputError: there is no such runtime.
        MissingDependencyError: the runtime is not installed, or does not work with the installed numpy or on this
            system; the message says what to do.
    """
    if not isinstance(runtime, str) or (runtime != "auto" and runtime not in RUNTIMES):
        raise InputError(f"unknown runtime {runtime!r}; give auto, {', '.join(RUNTIMES)}")
    if runtime != "auto" and form not in {None, RUNTIMES[runtime].form}:
        raise InputError(
            f"{runtime} runs {RUNTIMES[runtime].form} files, not {form} ones; leave --runtime out, or give one of "
            f"{', '.join(of_form(form))}"
        )
    problems = []
    usual = [name for name in of_form(form or ".tflite") if not RUNTIMES[name].by_choice]
    for name in usual if runtime == "auto" else [runtime]:
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
    what = "TFLite runtime" if form != ".onnx" else "runtime of .onnx files"
    raise MissingDependencyError(f"no {what} is installed: {RUNTIMES[usual[0]].install}")


def of_form(form: Form | None) -> list[str]:
    """Returns the names of the runtimes that run files of a format, in order of preference; None for all."""
    return [name for name, source in RUNTIMES.items() if form in {None, source.form}]


def module(name: str) -> Any:
    """Imports a runtime's module, which has `Interpreter` and, if it takes TFLite's delegates, `load_delegate`."""
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
