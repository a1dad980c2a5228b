"""The page: its files, which are read once and sent unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from zoo import page

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

FILES = {
    # path: the package that holds the file, its name
    "/": ("zoo.page", page.HTML),
    **{f"/{name}": ("zoo.page", name) for name in (page.STYLE, page.ICON, *page.MODULES)},
    "/http.js": ("zoo.serve", "http.js"),
}


def routes(files: Mapping[str, tuple[str, str]] = FILES) -> list[Route]:
    """Returns a route for each file, such as those of `FILES`."""
    return [_route(path, package, name) for path, (package, name) in files.items()]


def _route(path: str, package: str, name: str) -> Route:
    content = (resources.files(package) / "static" / name).read_bytes()
    kind = _KINDS[name[name.rindex(".") :]]

    async def send(_: Request) -> Response:
        # The browser must ask again each time, because after an update the page must fit the API.
        return Response(content, headers={"Content-Type": kind, "Cache-Control": "no-cache"})

    return Route(path, send)
