"""Says how an extra of this package is installed, on a machine and in the image for the Jetson."""

from __future__ import annotations

import os

IMAGE = "EDGEZOO_IMAGE"
"""The variable that `Dockerfile.jetson` sets: nothing can be installed in that image, which has no pip."""


def how_to_install(extra: str) -> str:
    """Returns what to type, or how to build the image, where an extra is missing."""
    if os.environ.get(IMAGE):
        return f"build the image with it: --build-arg WITH={extra}"
    return f"pip install 'edgezoo[{extra}]'"
