"""The page: its files, which are read once and sent unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FILES = {
    # path: (file, type)
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/boxes.js": ("boxes.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def routes(files: Mapping[str, tuple[str, str]] = FILES) -> list[Route]:
    """Returns a route for each file, such as those of `FILES`."""
    folder = resources.files("zoo.serve") / "static"
    return [_route(path, (folder / name).read_bytes(), kind) for path, (name, kind) in files.items()]


def _route(path: str, content: bytes, kind: str) -> Route:
    async def send(_: Request) -> Response:
        # The browser must ask again each time, because after an update the page must fit the API.
        return Response(content, headers={"Content-Type": kind, "Cache-Control": "no-cache"})

    return Route(path, send)
