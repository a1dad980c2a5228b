"""Peers: the senders of connections and requests, for whom the limits are counted."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from zoo.errors import OptionError

if TYPE_CHECKING:
    from starlette.types import Scope

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
REMEMBERED = 1024
"""How many addresses are remembered with what they were read as."""


class Peers:
    """Finds out the peer of a request; behind a trusted proxy, it is the client that the proxy names."""

    def __init__(self, proxies: Sequence[str] = ()) -> None:
        """Takes the addresses or networks of the trusted proxies.

        Raises:
            OptionError: one of them is not an address or a network.
        """
        self._proxies = tuple(map(network, proxies))

    def is_proxy(self, address: str) -> bool:
        """Returns whether this is the address of a trusted proxy."""
        found = parsed(address)
        return found is not None and any(found.version == proxy.version and found in proxy for proxy in self._proxies)

    def of(self, scope: Scope) -> str:
        """Returns the peer that sent a request: the sender of the connection, or the client that a trusted proxy names.

        A proxy appends the address of its client to `X-Forwarded-For`. So the last entry that is not itself a trusted
        proxy counts; the entries before it may be invented.
        """
        (address, _), (server, _) = scope.get("client") or ("", 0), scope.get("server") or ("", 0)
        if not self.is_proxy(address):
            return peer(address, server)
        for entry in _forwarded(scope):
            if parsed(entry) is None:
                break
            if not self.is_proxy(entry):
                return peer(entry)
        return peer(address, server)


def peer(address: str, server: str = "") -> str:
    """Returns the name of the peer with this address, so that nobody gets more by having many addresses.

    An IPv6 network of 64 bits counts as one peer, because one machine can use all of its addresses. In the server's
    own network, each address is a peer, because otherwise all its neighbours would be one.

    Args:
        address: the address of the other end, as the socket gives it.
        server: the address of this end.
    """
    found, own = parsed(address), parsed(server)
    if found is None or found.version == 4:
        return address if found is None else str(found)
    network = ipaddress.ip_network((int(found) >> 64 << 64, 64))
    near = found.is_link_local or found.is_loopback or (own is not None and own.version == 6 and own in network)
    return str(found) if near else str(network)


@functools.lru_cache(REMEMBERED)
def parsed(address: str) -> Address | None:
    """Returns an address without interface and port; IPv4 for an IPv4-mapped one; None if the text is no address."""
    text = address.strip().partition("%")[0]
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # some proxies add the port
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def network(text: str) -> Network:
    """Returns the address or network that an option gives.

    Raises:
        OptionError: the text is no address or network.
    """
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise OptionError(
            f"the trusted proxy {text!r} is no IP address or network; give one such as 127.0.0.1 or 10.0.0.0/8"
        ) from None


def _forwarded(scope: Scope) -> Iterator[str]:
    """The entries of all `X-Forwarded-For`, the last one first."""
    for name, value in reversed(scope["headers"]):
        if name == b"x-forwarded-for":
            yield from (entry.strip() for entry in reversed(value.decode("latin-1").split(",")))
