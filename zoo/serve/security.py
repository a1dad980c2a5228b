"""Who is answered: requests to this server's own names, from its own page or no page at all, with the token.

A page on the internet can make a visitor's browser send requests into the visitor's own network. It cannot hide where
they come from (`Origin`), nor by which name it reached the server (`Host`): a name that was made to point here, as in
DNS rebinding, is not one of ours.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoo.serve import page
from zoo.serve.answers import HEADERS, Answer, refusal
from zoo.serve.peers import Peers
from zoo.serve.settings import Settings
from zoo.serve.tokens import Tries

OPEN_PATHS = frozenset({*page.FILES, "/healthz", "/openapi.json"})
"""Need no token: they say nothing of the model, and the page has to load to ask for one."""

BLOCK = 1 << 16
"""Bytes of an answer that are handed to the connection at a time: the next ones wait until those are read."""


class Guard:
    """Answers what may not pass with one line, puts `HEADERS` on everything, and sends large answers bit by bit."""

    def __init__(self, app: ASGIApp, settings: Settings, peers: Peers) -> None:
        self.app = app
        self.tries = Tries()
        self._peers = peers
        self._names = own_names(settings)
        self._token = None if settings.token is None else settings.token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            body = message.get("body", b"")
            last = (len(body) - 1) // BLOCK * BLOCK
            for start in range(0, last, BLOCK):
                part = body[start : start + BLOCK]
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({**message, "body": body[last:]} if last > 0 else message)

        refused = self._refusal(scope)
        await (refused or self.app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Answer | None:
        path, headers = scope["path"], Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        name = host_name(host)
        if not name or not (is_address(name) or name in self._names):
            return refusal(
                403, f"this server is not {host[:200]!r}; if it is, start it with --allow-host {name or 'NAME'}"
            )
        if origin is not None and origin_netloc(origin) != host.lower():
            return refusal(403, f"requests from pages of {origin[:200]!r} are not answered")
        if self._token is None or path in OPEN_PATHS:
            return None
        return self._wrong_token(self._token, headers.get("authorization", "").encode("latin-1"), self._peers.of(scope))

    def _wrong_token(self, token: bytes, given: bytes, peer: str) -> Answer | None:
        now = asyncio.get_running_loop().time()
        if given and (seconds := self.tries.wait(peer, now)):
            line = f"there were too many wrong tokens from {peer}; try again in {seconds} s"
            return refusal(429, line, {"Retry-After": str(seconds)})
        # In the same time wherever they differ, so that a token cannot be found out character by character.
        if hmac.compare_digest(given, b"Bearer " + token):
            return None
        if given:
            self.tries.wrong(peer, now)
        return refusal(401, "this needs the token: send 'Authorization: Bearer TOKEN'", {"WWW-Authenticate": "Bearer"})


def own_names(settings: Settings) -> frozenset[str]:
    """The names that this server goes by, lower case."""
    machine = socket.gethostname().lower()
    names = {"localhost", machine, machine.partition(".")[0] + ".local", settings.host.lower()}
    return frozenset(names | {name.lower() for name in settings.allow_hosts})


def host_name(host: str) -> str | None:
    """The name or address in a `Host` header, without port and brackets, lower case; None where it is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def is_address(name: str) -> bool:
    """Whether it is an IP address: no one can make such a name point elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def origin_netloc(origin: str) -> str | None:
    """Host and port of an `Origin` header; None for `null` and what is none."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
