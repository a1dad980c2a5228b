"""Computes one number that identifies the calibration examples of a file without revealing any of them.

The names of private pictures, and a hash of each, would tell whoever has the file that a certain picture was among
them. A digest of the whole set with a random salt does not, as long as one picture of it is unknown; and whoever has
all of them can see that they are those.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable

SALT_BYTES = 16


def set_digest(hashes: Iterable[str], salt: str | None = None) -> dict[str, str]:
    """The digest of a set of examples for the card: SHA-256 of the salt and the sorted SHA-256 sums, a line each.

    Args:
        hashes: SHA-256 of each example's bytes, in hexadecimal, in any order.
        salt: in hexadecimal, as a card has it, to compare; by default a new random one.
    """
    salt = secrets.token_hex(SALT_BYTES) if salt is None else salt
    return {"salt": salt, "value": hashlib.sha256("\n".join([salt, *sorted(hashes)]).encode()).hexdigest()}
