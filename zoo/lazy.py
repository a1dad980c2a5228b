"""Packages whose names are loaded when they are used (PEP 562), so that importing a package costs nothing."""

import sys

TYPE_CHECKING = False  # nothing more is to be imported here: see `zoo.surroundings`
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def attach(package: str, homes: "Mapping[str, str]") -> "tuple[Callable[[str], object], Callable[[], list[str]]]":
    """Makes a package's `__getattr__` and `__dir__`.

    Args:
        package: the `__name__` of the package.
        homes: public name -> the module that has it.
    """

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        import importlib

        return getattr(importlib.import_module(homes[name]), name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return get, names
