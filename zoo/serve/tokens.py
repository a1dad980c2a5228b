"""How often a peer may give a wrong token."""

from __future__ import annotations

import math

FREE = 30
"""Number of wrong tokens in a row without a penalty, for typing errors and programs with an old token."""
SECONDS = 10.0
"""Seconds after which one more wrong token is allowed."""
PEERS = 1024
"""The most peers whose wrong tokens are remembered."""


class Tries:
    """Counts wrong tokens by peer, so that one who tries many is slowed and nobody else is.

    While a peer has to wait, its tokens are not looked at, right ones neither: the answer would tell.
    """

    def __init__(self) -> None:
        # When a peer will have all its free ones again.
        self._paid: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._paid)

    def wait(self, peer: str, now: float) -> int:
        """Seconds until a token of this peer is looked at again; 0: at once."""
        return max(0, math.ceil(self._paid.get(peer, 0.0) - (FREE - 1) * SECONDS - now))

    def wrong(self, peer: str, now: float) -> None:
        """Counts one."""
        self._paid[peer] = max(now, self._paid.get(peer, 0.0)) + SECONDS
        if len(self._paid) > PEERS:
            # Those go that have the least to wait for: nobody is forgotten for having sent others.
            kept = sorted(self._paid.items(), key=lambda entry: -entry[1])[: PEERS // 2]
            self._paid = {name: paid for name, paid in kept if paid > now}
