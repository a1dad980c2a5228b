"""Files whose pixels another program prepares: what their card says of it, and why the runner takes none of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.errors import ModelFileError

FOR = "for"
"""The field of the card that names the program and what it does to pixels; absent in files that take raw pixels."""


def require_raw_pixels(card: Mapping[str, Any], path: str | Path) -> None:
    """Refuses a file that was made for another program, which prepares pixels and reads the outputs in its own way.

    Raises:
        ModelFileError: it is such a file; the message names the program.
    """
    made_for = card.get(FOR)
    if made_for:
        program = made_for.get("program", "another program") if isinstance(made_for, dict) else "another program"
        raise ModelFileError(
            f"{path} was made for {program}, which prepares pixels in its own way; export the model without --for, and "
            "take that file here"
        )
