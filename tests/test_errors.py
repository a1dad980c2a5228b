"""The words of messages."""

from __future__ import annotations

import pytest

from zoo.errors import listed


@pytest.mark.parametrize(("names", "text"), [(["a"], "a"), ([1, 2], "1 and 2"), (["a", "b", "c"], "a, b and c")])
def test_names_are_listed_as_in_a_sentence(names: list[object], text: str) -> None:
    assert listed(names) == text


def test_another_word_joins_the_last_name() -> None:
    assert listed(["a", "b", "c"], "or") == "a, b or c"
