"""Computes one number that identifies the calibration examples of a file without revealing any of them.

The names of private pictures, or a hash of each, would reveal to anybody who has the file that a certain picture was
used. A digest of the whole set with a random salt does not reveal this, as long as one picture of the set is unknown.
The owner of all pictures can check that they are the same.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable

SALT_BYTES = 16


def set_digest(hashes: Iterable[str], salt: str | None = None) -> dict[str, str]:
    """Returns the digest of a set of examples: SHA-256 of the salt and the sorted SHA-256 sums, one on each line.

    Args:
        hashes: SHA-256 of each example's bytes, in hexadecimal, in any order.
        salt: the salt of a card, in hexadecimal, for a comparison; by default a new random one.
    """
    salt = secrets.token_hex(SALT_BYTES) if salt is None else salt
    return {"salt": salt, "value": hashlib.sha256("\n".join([salt, *sorted(hashes)]).encode()).hexdigest()}
