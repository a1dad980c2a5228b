"""The secret that the workers of a training share, and proofs that a process knows it.

The secret itself is never sent. Both sides of a connection send a nonce, and a proof is an HMAC-SHA256 over both
nonces, the role of the sender and the message: a recorded proof fits no other connection and no other message.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from zoo.errors import OptionError
from zoo.training.distributed.cluster import Cluster

VARIABLE = "EDGEZOO_SECRET"
LEAST, MOST = 16, 4096
"""The least and the most bytes of a secret."""
HOW = "head -c 32 /dev/urandom | base64 > secret; chmod 600 secret"
"""A shell command that makes a secret."""


def find_secret(cluster: Cluster, file: str | Path | None, note: Callable[[str], None] = lambda text: None) -> bytes:
    """Returns the secret of a file, or else of the environment; workers of one machine need none, and get an empty one.

    Args:
        cluster: the workers of the training.
        file: the file with the secret; white space around the secret is ignored.
        note: is called with a warning if other users of this machine can read the file.

    Raises:
        OptionError: a secret is needed and missing, cannot be read, or has a length that is not allowed.
    """
    if file is not None:
        found, where = _read(Path(file), note), f"secret file {str(file)!r}"
    elif VARIABLE in os.environ:
        found, where = os.environ[VARIABLE].encode(errors="surrogateescape").strip(), VARIABLE
    elif cluster.local:
        return b""
    else:
        raise OptionError(
            f"workers={','.join(cluster.addresses)!r} are several machines, which need a secret that all of them know: "
            f"give each the same --secret-file FILE, or {VARIABLE}. This makes one: {HOW}"
        )
    if not LEAST <= len(found) <= MOST:
        raise OptionError(f"{where} has {len(found)} bytes, not {LEAST} to {MOST}. This makes a secret: {HOW}")
    return found


def _read(file: Path, note: Callable[[str], None]) -> bytes:
    try:
        with file.open("rb") as opened:
            about = os.fstat(opened.fileno())
            found = opened.read(2 * MOST).strip()
    except OSError as error:
        raise OptionError(f"secret file {str(file)!r} cannot be read: {error.strerror or error}") from error
    if stat.S_ISREG(about.st_mode) and about.st_mode & (stat.S_IRGRP | stat.S_IROTH):
        note(f"secret file {str(file)!r} can be read by other users of this machine; chmod 600 keeps them out")
    return found


def new_nonce() -> str:
    """Returns 32 random bytes as 64 hexadecimal digits."""
    return secrets.token_hex(32)


def prove(secret: bytes, nonces: tuple[str, str], role: str, said: bytes) -> str:
    """Returns the proof that the sender of a message knows the secret, as 64 hexadecimal digits.

    Args:
        secret: the secret that both sides share.
        nonces: the nonce of the joining worker, then that of the receiving one.
        role: the role of the sender, and which message it is.
        said: the message.
    """
    text = "\n".join(("edgezoo rendezvous 1", *nonces, role, "")).encode() + said
    return hmac.new(secret, text, hashlib.sha256).hexdigest()


def is_proved(proof: str, secret: bytes, nonces: tuple[str, str], role: str, said: bytes) -> bool:
    """Returns whether a proof is right; the comparison takes the same time wherever they differ."""
    return hmac.compare_digest(proof.encode(), prove(secret, nonces, role, said).encode())
