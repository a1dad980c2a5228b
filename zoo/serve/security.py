"""Who is answered: requests to this server's own names, from its own page or no page at all, with the token.

A page on the internet can make a visitor's browser send requests into the visitor's own network. It cannot hide where
they come from (`Origin`), nor by which name it reached the server (`Host`): a name that was made to point here, as in
DNS rebinding, is not one of ours.
"""

from __future__ import annotations

import asyncio
import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoo.serve import page
from zoo.serve.answers import HEADERS, Answer, refusal
from zoo.serve.http.peers import Peers
from zoo.serve.names import Names, Place, forwarded_hosts, place
from zoo.serve.settings import Settings
from zoo.serve.tokens import Tries

OPEN_PATHS = frozenset({*page.FILES, "/healthz", "/openapi.json"})
"""Need no token: they say nothing of the model, and the page has to load to ask for one."""

FIELDS = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())
"""`HEADERS` as ASGI takes them, made once for all answers."""
NAMES = frozenset(name for name, _ in FIELDS)

BLOCK = 1 << 16
"""Bytes of an answer that are handed to the connection at a time: the next ones wait until those are read."""


class Guard:
    """Answers what may not pass with one line, puts `HEADERS` on everything, and sends large answers bit by bit."""

    def __init__(self, app: ASGIApp, settings: Settings, peers: Peers, open_paths: frozenset[str] = OPEN_PATHS) -> None:
        self.app = app
        self._open = open_paths
        self.tries = Tries()
        self._peers = peers
        self._names = Names(settings.host, settings.allow_hosts)
        self._token = None if settings.token is None else settings.token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = [field for field in message.get("headers", ()) if field[0] not in NAMES]
                message = {**message, "headers": [*others, *FIELDS]}
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
        hosts: list[Place] = []
        for text in (headers.get("host", ""), *self._asked_of_proxy(scope)):
            host = place(text)
            if host is None or not self._names.include(host):
                name = host.name if host else "NAME"
                return refusal(403, f"this server is not {text[:200]!r}; if it is, start it with --allow-host {name}")
            hosts.append(host)
        origin = headers.get("origin")
        if origin is not None and not self._names.own_page(origin, hosts):
            page = place(origin.partition("://")[2])
            advice = f"; if it is this server's own, start it with --allow-host {page.name}" if page else ""
            return refusal(403, f"requests from pages of {origin[:200]!r} are not answered{advice}")
        if self._token is None or path in self._open:
            return None
        return self._wrong_token(self._token, headers.get("authorization", "").encode("latin-1"), self._peers.of(scope))

    def _asked_of_proxy(self, scope: Scope) -> list[str]:
        """What a trusted proxy was asked for; nobody else's `X-Forwarded-Host` counts."""
        address, _ = scope.get("client") or ("", 0)
        return list(forwarded_hosts(scope)) if self._peers.is_proxy(address) else []

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
