from __future__ import annotations

import pytest

from zoo.machine import loading
from zoo.machine.loading import not_loaded, system_too_old

LINKER = "/lib/aarch64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by /v/ai_edge_litert/libLiteRt.so)"


def test_a_system_that_is_too_old_is_named_with_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "libc", lambda: "glibc 2.31")
    assert system_too_old(OSError(LINKER)) == "needs GLIBC 2.34, and this system has glibc 2.31"
    assert not_loaded("litert 2.3.0", OSError(LINKER), missing="pip install it") == (
        "litert 2.3.0 is installed, but needs GLIBC 2.34, and this system has glibc 2.31: "
        "use a newer system (Debian 12 bookworm, Ubuntu 22.04 or later)"
    )
    newer = "/lib64/libstdc++.so.6: version `GLIBCXX_3.4.30' not found (required by /v/x.so)"
    assert system_too_old(ImportError(newer)) == "needs GLIBCXX 3.4.30, and this system has an older one"


def test_other_reasons_are_told_as_they_are() -> None:
    assert system_too_old(OSError("libGL.so.1: cannot open shared object file")) is None
    missing = not_loaded("OpenCV", ModuleNotFoundError("No module named 'cv2'"), missing="pip install it")
    assert missing == "OpenCV is not installed (No module named 'cv2'): pip install it"
    broken = not_loaded("OpenCV", ImportError("libGL.so.1: cannot open shared object file"), missing="pip install it")
    assert broken == "OpenCV is installed, but cannot be imported (libGL.so.1: cannot open shared object file)"
