from __future__ import annotations

import re
from typing import get_args

import numpy as np
import pytest

from zoo.errors import MissingDependencyError
from zoo.runner.loading import runtimes


def versions(monkeypatch: pytest.MonkeyPatch, numpy: str, **installed: str) -> None:
    """Pretends that these versions are installed, by the runtimes' names with _ instead of -."""
    monkeypatch.setattr(np, "__version__", numpy)
    monkeypatch.setattr("zoo.runner.loading.runtimes.version", lambda name: installed.get(name.replace("-", "_")))


def test_the_clash_of_tflite_runtime_and_numpy_2_is_seen_before_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []

    def module(name: str) -> object:
        imported.append(name)
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("zoo.runner.loading.runtimes.module", module)
    versions(monkeypatch, "2.1.0", tflite_runtime="2.14.0")
    message = r"tflite-runtime 2.14.0 was built against numpy 1 .* numpy 2.1.0 .*: pip install 'numpy<2'"
    with pytest.raises(MissingDependencyError, match=message):
        runtimes.find("tflite-runtime")
    assert imported == []
    # The same holds for auto if nothing else is installed.
    with pytest.raises(MissingDependencyError, match=message):
        runtimes.find("auto")
    assert imported == ["litert", "tensorflow"]


LINKER = "libc.so.6: version `GLIBC_2.34' not found (required by /v/site-packages/ai_edge_litert/libLiteRt.so)"


def test_a_runtime_that_is_too_new_for_the_system_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def module(name: str) -> object:
        if name == "litert":
            raise OSError(LINKER)  # its package loads the library by ctypes
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("zoo.runner.loading.runtimes.module", module)
    monkeypatch.setattr("zoo.machine.loading.libc", lambda: "glibc 2.31")
    versions(monkeypatch, "2.1.0", litert="2.3.0")
    message = re.escape(
        "litert 2.3.0 is installed, but needs GLIBC 2.34, and this system has glibc 2.31: use a newer system (Debian "
        "12 bookworm, Ubuntu 22.04 or later), or on Python 3.10: pip install 'tflite-runtime<2.14' 'numpy<2'"
    )
    for runtime in ("litert", "auto"):
        with pytest.raises(MissingDependencyError, match=f"^{message}$"):
            runtimes.find(runtime)
    with pytest.raises(MissingDependencyError, match="^tflite-runtime is not installed"):
        runtimes.find("tflite-runtime")


def test_no_clash(monkeypatch: pytest.MonkeyPatch) -> None:
    versions(monkeypatch, "1.26.4", tflite_runtime="2.14.0")
    assert runtimes.abi_clash("tflite-runtime") is None
    versions(monkeypatch, "2.1.0")  # it is not installed, so nothing can clash
    assert runtimes.abi_clash("tflite-runtime") is None
    versions(monkeypatch, "2.1.0", litert="2.3.0")
    assert runtimes.abi_clash("litert") is None


def test_every_runtime_may_be_asked_for() -> None:
    assert set(get_args(runtimes.Runtime)) == {"auto", *runtimes.RUNTIMES}


def test_versions() -> None:
    assert runtimes.version("litert")
    with pytest.MonkeyPatch.context() as patch:
        source = runtimes.RUNTIMES["litert"]
        patch.setitem(runtimes.RUNTIMES, "litert", source._replace(packages=("no-such-package", "numpy")))
        assert runtimes.version("litert") == np.__version__
        patch.setitem(runtimes.RUNTIMES, "litert", source._replace(packages=("no-such-package",)))
        assert runtimes.version("litert") is None


def test_at_most_four_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.runner.loading.runtimes.physical_cores", lambda: 16)
    assert runtimes.default_threads() == 4
    monkeypatch.setattr("zoo.runner.loading.runtimes.physical_cores", lambda: 3)
    assert runtimes.default_threads() == 3
