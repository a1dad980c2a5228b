from __future__ import annotations

import importlib

import pytest

PACKAGES = ("zoo", "zoo.export", "zoo.runner")


@pytest.mark.parametrize(
    ("package", "name"), [(package, name) for package in PACKAGES for name in importlib.import_module(package).__all__]
)
def test_every_public_name_is_there(package: str, name: str) -> None:
    module = importlib.import_module(package)
    assert getattr(module, name).__module__.startswith("zoo.")
    assert name in dir(module)


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'train_all'"):
        importlib.import_module(package).train_all  # noqa: B018
