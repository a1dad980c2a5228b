from __future__ import annotations

import pytest

import zoo


@pytest.mark.parametrize("name", zoo.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(zoo, name).__module__.startswith("zoo.")
    assert name in dir(zoo)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'train_all'"):
        zoo.train_all  # noqa: B018
