"""The settings of a server: its address, the clients that it answers, and its limits."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, field
from pathlib import Path

from zoo import bounds
from zoo.errors import OptionError
from zoo.serve.http.peers import network
from zoo.serve.names import allowed

WHOLE = {
    "port": (0, 65535),
    "queue": (1, 1000),
    "max_bytes": (1, None),
    "max_pixels": (1, None),
    "connections": (1, None),
}
"""The bounds of whole numbers among the settings; None for no largest one."""
SECONDS = ("timeout", "header_timeout", "keep_alive")
MIN_TOKEN = 8
"""Smallest number of characters of a token; a shorter one can be guessed quickly."""


@dataclass(frozen=True)
class Settings:
    """All options of a server."""

    host: str = "127.0.0.1"
    """Address to listen at: a name or an address of this machine; 0.0.0.0 for all addresses."""
    port: int = 8000
    """Port to listen at; 0 for any free port."""
    token: str | None = field(default=None, repr=False)
    """Secret that clients must send; without one, every client is answered."""
    insecure: bool = False
    """Whether other machines may connect without a token."""
    allow_hosts: tuple[str, ...] = ()
    """Additional names of the server, such as the one that visitors of a proxy see. Pages of these names may ask, from
    any port unless the name has one."""
    certificate: Path | None = None
    """PEM file with the certificate for HTTPS."""
    key: Path | None = None
    """PEM file with the private key; by default the certificate's file."""
    queue: int = 16
    """Largest number of pictures at a time, from the first byte to the answer; a further one gets status 429."""
    max_bytes: int = 16_000_000
    """Largest size of a picture's file, in bytes."""
    max_pixels: int = 50_000_000
    """Largest number of pixels of a picture. All pictures that are decoded at a time share 8 bytes of memory for each
    of these pixels; one that needs more is decoded alone. See `zoo.inputs.pictures.picture_memory`."""
    timeout: float = 30.0
    """Seconds for the upload, the same for the answer, and the same for the client to read it."""
    connections: int = 256
    """Largest number of open connections, including those in their TLS handshake; fewer if the system allows fewer open
    files."""
    peer_connections: int | None = None
    """Largest number of connections of one peer, see `zoo.serve.http.peers`; by default half of `connections`."""
    header_timeout: float = 10.0
    """Seconds for a TLS handshake, and for the headers of each request."""
    keep_alive: float = 30.0
    """Seconds that a connection may be silent between two requests."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of reverse proxies, whose `X-Forwarded-For` and `X-Forwarded-Host` are believed."""

    def check(self) -> None:
        """Checks that the settings fit together.

        Raises:
            OptionError: they do not, or one is not allowed. Without a token, only this machine may be served, unless
                `insecure` is set, which does not go with a token.
        """
        self._check_values()
        if self.token is not None and not _is_token(self.token):
            raise OptionError(f"the token has to be {MIN_TOKEN} or more letters, digits and signs, without spaces")
        if self.token is not None and self.insecure:
            raise OptionError(
                "a token keeps strangers out, and --insecure lets them in: leave out --insecure, or --token and the "
                "variable EDGEZOO_TOKEN"
            )
        if self.token is None and not self.insecure and not _is_loopback(self.address()[1][0]):
            raise OptionError(
                f"host {self.host} is open to other machines: give --token SECRET, or --insecure if everybody who "
                "reaches it may use it"
            )
        if self.key is not None and self.certificate is None:
            raise OptionError("a key needs its certificate: give --tls-cert FILE")
        for proxy in self.trusted_proxies:
            network(proxy)
        for name in self.allow_hosts:
            allowed(name)
        self.check_certificate()

    def _check_values(self) -> None:
        """Finds out whether each setting, apart from the token, is a value that it may have."""
        bounds.text("host", self.host, error=OptionError)
        bounds.flag("insecure", self.insecure, error=OptionError)
        for name, (least, most) in WHOLE.items():
            bounds.whole(name, getattr(self, name), least, most, error=OptionError)
        for name in SECONDS:
            bounds.number(name, getattr(self, name), 0, above=True, allowed="seconds above 0", error=OptionError)
        if self.peer_connections is not None:
            bounds.whole("peer_connections", self.peer_connections, 1, self.connections, error=OptionError)
        for name in ("allow_hosts", "trusted_proxies"):
            bounds.names(name, getattr(self, name), error=OptionError)
        for name in ("certificate", "key"):
            if not isinstance(value := getattr(self, name), str | Path | None):
                raise OptionError(f"{name}={value!r} is not allowed; give the path of a PEM file")

    def check_certificate(self) -> None:
        """Loads the certificate and the key, if they are given.

        Raises:
            OptionError: they cannot be read, or do not belong together.
        """
        if self.certificate is None:
            return
        # Not imported before it is needed: the Jetson's image without the server has no OpenSSL.
        import ssl

        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key, password=_no_password)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            reason = getattr(error, "strerror", None) or error
            files = f"{self.certificate} and {self.key}" if self.key else f"{self.certificate}"
            raise OptionError(f"cannot use certificate {files}: {reason}") from error

    def address(self) -> tuple[socket.AddressFamily, tuple[str, int]]:
        """Returns the family and address of `host`; the same address is checked and listened at.

        Raises:
            OptionError: there is no such host.
        """
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError) as error:
            raise OptionError(f"host {self.host!r} is no name or address of this machine: {error}") from error
        # 127.0.0.1 before ::1 for localhost: what most people type.
        family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
        return family, (str(address[0]), int(address[1]))

    def bind(self) -> socket.socket:
        """Returns a socket that is bound to the address and does not listen yet.

        Raises:
            OptionError: see `check`; or the port is already in use or not allowed.
        """
        self.check()
        family, address = self.address()
        # The protocol has to be said: asyncio asks for it before it turns off Nagle's algorithm, which otherwise holds
        # the second part of every answer back for 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError as error:
            listener.close()
            reason = error.strerror or error
            raise OptionError(f"cannot listen on {self.host} port {self.port}: {reason}; try another --port") from error
        return listener

    def url(self, port: int) -> str:
        """Returns the address of the page, as clients reach it."""
        scheme = "https" if self.certificate else "http"
        _, (address, _) = self.address()
        host = socket.gethostname() if ipaddress.ip_address(_bare(address)).is_unspecified else self.host
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"


def _is_token(text: object) -> bool:
    is_word = isinstance(text, str) and text.isascii() and text.isprintable() and " " not in text
    return is_word and len(str(text)) >= MIN_TOKEN


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(_bare(address)).is_loopback


def _bare(address: str) -> str:
    return address.partition("%")[0]  # a link-local one names its interface


def _no_password() -> str:
    # Without this OpenSSL would ask on the terminal.
    raise ValueError("the key is encrypted; give one that is not")
