"""Lists the versions of the packages that influence a result, to be written beside it."""

from __future__ import annotations

import contextlib
from importlib import metadata

from zoo import __version__


def installed(*names: str) -> dict[str, str]:
    """Returns the versions of edgezoo and of those packages that are installed, by the names that pip knows."""
    found = {"edgezoo": __version__}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
