"""Loads a package's names only when they are used (PEP 562), so that importing the package costs nothing."""

import sys

TYPE_CHECKING = False  # nothing else may be imported here, see `zoo.system.surroundings`
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def attach(package: str, homes: "Mapping[str, str]") -> "tuple[Callable[[str], object], Callable[[], list[str]]]":
    """Makes a package's `__getattr__` and `__dir__`.

    Args:
        package: the `__name__` of the package.
        homes: the module of each public name.
    """

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        import importlib

        return getattr(importlib.import_module(homes[name]), name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return get, names
