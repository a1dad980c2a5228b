from __future__ import annotations

import gc
import sys
import weakref

import pytest

from tests import conftest, memory


class Node:
    """Something that refers to itself, so that only the garbage collector frees it."""

    def __init__(self) -> None:
        self.self = self


def test_what_is_left_after_the_collection_of_the_tests_is_set_aside() -> None:
    assert conftest.pytest_collection is memory.pytest_collection
    assert gc.isenabled()
    assert all(one is not vars(sys.modules["pytest"]) for one in gc.get_objects())


def test_garbage_is_freed_before_the_rest_is_set_aside() -> None:
    lost, kept = Node(), Node()
    gone = weakref.ref(lost)
    del lost
    memory._set_aside()
    assert gone() is None
    assert all(one is not kept for one in gc.get_objects())
    # What is made later is freed as ever.
    late = Node()
    gone = weakref.ref(late)
    del late
    gc.collect()
    assert gone() is None


def test_large_libraries_are_set_aside_when_they_have_been_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Node()
    memory._set_aside_what_was_imported()
    assert any(one is made for one in gc.get_objects()), "nothing was imported"
    monkeypatch.setitem(memory._aside, "modules", len(sys.modules) - memory.MANY_MODULES - 1)
    memory._set_aside_what_was_imported()
    assert all(one is not made for one in gc.get_objects())
    assert memory._aside["modules"] == len(sys.modules)
