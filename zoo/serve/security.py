"""Who is answered: requests to this server's own names, from its own page or no page at all, with the token.

A page on the internet can make a visitor's browser send requests into the visitor's own network. It cannot hide where
they come from (`Origin`), nor by which name it reached the server (`Host`): a name that was made to point here, as in
DNS rebinding, is not one of ours.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoo.serve import page
from zoo.serve.settings import Settings

OPEN_PATHS = frozenset({*page.FILES, "/healthz", "/openapi.json"})
"""Need no token: they say nothing of the model, and the page has to load to ask for one."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Of every answer."""


class Guard:
    """Answers what may not pass with one line, and puts `HEADERS` on everything."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._names = own_names(settings)
        self._token = None if settings.token is None else settings.token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope["path"], Headers(scope=scope))
        await (refusal or self.app)(scope, receive, send_with_headers)

    def _refusal(self, path: str, headers: Headers) -> JSONResponse | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        name = host_name(host)
        if name is None or not (is_address(name) or name in self._names):
            return _refuse(403, f"this server is not {host[:200]!r}; if it is, start it with --allow-host {name}")
        if origin is not None and origin_netloc(origin) != host.lower():
            return _refuse(403, f"requests from pages of {origin[:200]!r} are not answered")
        if self._token is None or path in OPEN_PATHS:
            return None
        given = headers.get("authorization", "").encode("latin-1")
        # In the same time wherever they differ, so that a token cannot be found out character by character.
        if hmac.compare_digest(given, b"Bearer " + self._token):
            return None
        return _refuse(401, "this needs the token: send 'Authorization: Bearer TOKEN'", {"WWW-Authenticate": "Bearer"})


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


def _refuse(status: int, line: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": line}, status, headers)
