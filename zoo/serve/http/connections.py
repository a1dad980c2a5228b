"""Limits how many connections are open at a time, and chooses which one is closed for a new one."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path
from typing import Protocol as Interface

from zoo.errors import OptionError

SPARE_FILES = 32
"""Number of open files that are reserved for everything but connections."""
FEWEST = 8
"""Smallest number of connections that make sense: a single browser opens six."""


class Connection(Interface):
    """The properties of a connection that the table uses."""

    peer: str
    """The peer at the other end; see `zoo.serve.http.peers`."""
    proxied: bool
    """Whether it comes from a trusted proxy, which sends for many clients and so has no limit as a peer."""
    since: float
    """The time at which it last began or ended a request, in seconds of the event loop's clock."""

    @property
    def idle(self) -> bool:
        """Whether no request is being answered, so that nothing is lost if it is closed."""

    def drop(self) -> None:
        """Ends the connection at once."""


class Connections:
    """The table of open connections, with a limit for all together and one for each peer.

    If the table is full, the connection that has been idle the longest, among those of the peers with the most,
    is closed for a new one. So a peer that opens hundreds of connections loses only its own.
    """

    def __init__(self, most: int, per_peer: int) -> None:
        self.most = most
        self.per_peer = per_peer
        self.dropped = 0
        """Number of connections that were closed to make room for others."""
        self.refused = 0
        """Number of connections that were refused, because all others were being answered."""
        self._by_peer: dict[str, dict[Connection, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_peer.values()))

    def admit(self, new: Connection) -> bool:
        """Adds a connection and returns True if there is room, or if room can be made."""
        own = len(self._by_peer.get(new.peer, ()))
        if own >= self.per_peer and not new.proxied and not self._make_room([new.peer]):
            self.refused += 1
            return False
        if len(self) >= self.most:
            # No connection is taken from a peer that would then have fewer than the new one.
            richer = [name for name, held in self._by_peer.items() if len(held) > own or name == new.peer]
            if not self._make_room(richer):
                self.refused += 1
                return False
        self._by_peer.setdefault(new.peer, {})[new] = None
        return True

    def remove(self, connection: Connection) -> None:
        """Removes a connection that ended; one that is not in the table was removed before."""
        held = self._by_peer.get(connection.peer, {})
        held.pop(connection, None)
        if not held:
            self._by_peer.pop(connection.peer, None)

    def make_room(self) -> bool:
        """Closes the idle connection that is missed least; returns False if no connection is idle."""
        return self._make_room(list(self._by_peer))

    def _make_room(self, names: list[str]) -> bool:
        idle = [held for name in names for held in self._by_peer[name] if held.idle]
        if not idle:
            return False
        victim = min(idle, key=lambda held: (-len(self._by_peer[held.peer]), held.since))
        self.remove(victim)
        self.dropped += 1
        victim.drop()
        return True


def that_fit(wanted: int) -> int:
    """Returns how many connections this process can have: each is an open file. The soft limit is raised if possible.

    Raises:
        OptionError: the process may not even open a few.
    """
    needed = wanted + _open_files() + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _below(soft, needed):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed if not _below(hard, needed) else hard, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if not _below(soft, needed):
        return wanted
    room = wanted - (needed - soft)
    if room < min(wanted, FEWEST):
        raise OptionError(
            f"this process may open {soft} files, which is too few to serve with; allow more: ulimit -n 1024"
        )
    return room


def _below(limit: int, needed: int) -> bool:
    return limit != resource.RLIM_INFINITY and limit < needed


def _open_files() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # names only
    except OSError:
        return 2 * SPARE_FILES if Path("/proc").exists() else SPARE_FILES
