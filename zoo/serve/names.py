"""The names by which a server may be asked, and the pages that may ask it."""

from __future__ import annotations

import functools
import ipaddress
import socket
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from zoo.errors import OptionError

if TYPE_CHECKING:
    from starlette.types import Scope


PORTS = {"http": 80, "https": 443}
"""The port of an address that names none, by its scheme."""
REMEMBERED = 128
"""How many texts of requests are remembered with what they were read as: clients ask by few names."""


class Place(NamedTuple):
    """A host and a port, as a `Host` or an `Origin` header names them."""

    name: str
    """Name or address without brackets, lower case."""
    port: int | None = None


class Names:
    """The names of a server: localhost, IP addresses, the machine's own, `host`, and what `allow_hosts` adds."""

    def __init__(self, host: str, allow_hosts: Iterable[str]) -> None:
        machine = socket.gethostname().lower()
        self._own = {"localhost", machine, machine.partition(".")[0] + ".local", host.lower()}
        self._allowed = frozenset(map(allowed, allow_hosts))

    def include(self, host: Place) -> bool:
        """Whether a request to this host is meant for this server."""
        return is_address(host.name) or host.name in self._own or self._is_allowed(host)

    def own_page(self, origin: str, hosts: list[Place]) -> bool:
        """Whether a page is one of this server's own.

        Args:
            origin: the `Origin` header: where the page comes from.
            hosts: the hosts that the request was sent to: `Host`, and what a trusted proxy says that it was asked for.
        """
        scheme, _, rest = origin.lower().partition("://")
        page = place(rest)
        if page is None or scheme not in PORTS:
            return False
        default = PORTS[scheme]
        if any(page.name == host.name and (page.port or default) == (host.port or default) for host in hosts):
            return True
        # A proxy listens at another port than the server, and need not pass the page's own on.
        return self._is_allowed(Place(page.name, page.port or default))

    def _is_allowed(self, found: Place) -> bool:
        return found in self._allowed or Place(found.name) in self._allowed


def allowed(text: str) -> Place:
    """Reads what `--allow-host` names: a name or an address, with a port if pages of no other port are meant.

    Raises:
        OptionError: it is no such thing, but a web address or a pattern, for example.
    """
    found = place(text)
    if found is None or "*" in text:
        bare = urlsplit(text).hostname if "://" in text else None
        advice = f"give {bare}" if bare else "give a name such as photos.example.org or photos.example.org:8443"
        raise OptionError(f"the allowed host {text!r} is no name of a host: {advice}")
    return found


@functools.lru_cache(REMEMBERED)
def place(text: str) -> Place | None:
    """Reads a host with or without a port; None if the text is neither."""
    if not text or any(c in "/\\?#@" or c.isspace() for c in text):
        return None
    try:
        parts = urlsplit(f"//{text}")
        return Place(parts.hostname, parts.port) if parts.hostname else None
    except ValueError:
        return None


@functools.lru_cache(REMEMBERED)
def is_address(name: str) -> bool:
    """Whether a name is an IP address: no one can make such a name point elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def forwarded_hosts(scope: Scope) -> Iterator[str]:
    """The last entry of each `X-Forwarded-Host`: what the proxy that sent the request was asked for."""
    for name, value in scope["headers"]:
        if name == b"x-forwarded-host":
            yield value.decode("latin-1").rpartition(",")[2].strip()
