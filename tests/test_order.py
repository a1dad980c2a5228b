from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests import conftest
from tests.order import LONGEST, ROOT, pytest_collection_modifyitems


def test_the_listed_files_are_there() -> None:
    assert [name for name in LONGEST if not (ROOT / "tests" / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)


def test_the_longest_file_comes_first_and_those_that_are_not_listed_stay_as_they_were() -> None:
    assert conftest.pytest_collection_modifyitems is pytest_collection_modifyitems
    names = ["test_text.py", LONGEST[-1], "test_specs.py", LONGEST[0]]
    items: list[Any] = [SimpleNamespace(path=ROOT / "tests" / name) for name in names]
    pytest_collection_modifyitems(items)
    assert [item.path.relative_to(ROOT / "tests").as_posix() for item in items] == [names[i] for i in (3, 1, 0, 2)]
