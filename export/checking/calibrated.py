"""Recognizes the examples that a file was calibrated on, by the digest in its card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.errors import InputError
from zoo.export.checking.calibration import from_file, from_folder
from zoo.export.checking.holdout import hold_out


def is_calibrated_on(card: dict[str, Any], source: str | Path) -> bool:
    """Whether a file was calibrated on these examples.

    Args:
        card: the card of the file.
        source: the folder of pictures or `.npy` file that `calibration` was in the export.

    Raises:
        InputError: the card has no digest, or the examples cannot be read.
    """
    stated = card.get("calibration")
    stated = stated if isinstance(stated, dict) else {}
    digest, count, seed = stated.get("digest"), stated.get("count"), stated.get("seed")
    if not isinstance(digest, dict) or not isinstance(digest.get("salt"), str):
        raise InputError("the card holds no digest of calibration examples: the file was calibrated on none of yours")
    if type(count) is not int or type(seed) is not int or count < 1:
        raise InputError(f"the card's calibration is damaged: count {count!r}, seed {seed!r}")
    of = stated.get("of", count)
    if type(of) is not int or of < count:
        raise InputError(f"the card's calibration is damaged: count {count!r} of {of!r}")
    source, salt = Path(source), digest["salt"]
    if source.suffix == ".npy":
        found = from_file(source, None, of, seed, salt=salt)
    else:
        # Which files are taken does not depend on the size that they are brought to.
        found = from_folder(source, (8, 8, 3), samples=of, seed=seed, salt=salt)
    if count < of:
        found = hold_out(found, count, salt).calibration
    return bool(found.manifest["digest"] == digest)
