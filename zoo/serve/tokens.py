"""Limits how often a peer may send a wrong token."""

from __future__ import annotations

import math

FREE = 30
"""Number of wrong tokens in a row without a penalty, for typing errors and programs with an old token."""
SECONDS = 10.0
"""Seconds after which one more wrong token is allowed."""
PEERS = 1024
"""The most peers whose wrong tokens are remembered."""


class Tries:
    """Counts wrong tokens by peer, so that a peer that tries many has to wait and nobody else has to.

    While a peer has to wait, its tokens are not checked, not even a right one, because the answer would tell that it is
    right.
    """

    def __init__(self) -> None:
        # The time at which each peer has all its free tries again.
        self._paid: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._paid)

    def wait(self, peer: str, now: float) -> int:
        """Returns the seconds until a token of this peer is checked again; 0 if that is now."""
        return max(0, math.ceil(self._paid.get(peer, 0.0) - (FREE - 1) * SECONDS - now))

    def wrong(self, peer: str, now: float) -> None:
        """Counts a wrong token."""
        self._paid[peer] = max(now, self._paid.get(peer, 0.0)) + SECONDS
        if len(self._paid) > PEERS:
            # The peers that have to wait the least are forgotten; a peer cannot be forgotten by sending from others.
            kept = sorted(self._paid.items(), key=lambda entry: -entry[1])[: PEERS // 2]
            self._paid = {name: paid for name, paid in kept if paid > now}
