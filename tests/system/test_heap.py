"""Memory that is given back to the system."""

from __future__ import annotations

import ctypes
import gc
import os

import pytest

from zoo.system.heap import keep_no_pool, return_freed


def test_tensorflow_is_told_to_keep_no_pool_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "TF_ONEDNN_USE_SYSTEM_ALLOCATOR"
    monkeypatch.setenv(name, "0")
    keep_no_pool()
    assert os.environ[name] == "0"
    monkeypatch.delenv(name)
    keep_no_pool()
    assert os.environ.pop(name) == "1"


def test_garbage_is_collected_also_where_the_c_library_returns_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    collected = []
    monkeypatch.setattr(gc, "collect", lambda: collected.append(True))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    return_freed()
    assert collected == [True]
