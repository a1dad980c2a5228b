"""The versions of what decides a result, for what is written down with it."""

from __future__ import annotations

import contextlib
from importlib import metadata

from zoo import __version__


def installed(*names: str) -> dict[str, str]:
    """The versions of edgezoo and of those packages that are installed, by their names on the index."""
    found = {"edgezoo": __version__}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
