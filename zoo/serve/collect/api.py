"""The HTTP API of `zoo serve --collect`: classes and their pictures, behind the same checks as a served model."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from zoo import __version__
from zoo.errors import InputError, OutputError
from zoo.serve import page
from zoo.serve.answers import Answer
from zoo.serve.api import error_line, require_known
from zoo.serve.collect.folder import Class, Collection, FullError, NotThereError, TooLargeError
from zoo.serve.http.connections import Connections, that_fit
from zoo.serve.http.limits import Gate, read_body
from zoo.serve.http.peers import Peers
from zoo.serve.security import Guard
from zoo.serve.settings import Settings
from zoo.serve.threads import Threads

Value = TypeVar("Value")

FILES = {
    "/": ("zoo.serve", "collect.html"),
    **{path: page.FILES[path] for path in ("/page.css", "/icon.svg")},
    **{f"/{name}": ("zoo.serve", name) for name in ("collect.css", "collect.js")},
}
"""The files of the page, as `zoo.serve.page.FILES`."""
EXPECTED = 0.05
"""Seconds that storing a picture is expected to take."""


class Collecting:
    """The endpoints, with the objects that they share."""

    def __init__(self, collection: Collection, settings: Settings) -> None:
        self.collection = collection
        self.settings = settings
        self.gate = Gate(settings.queue)
        self.peers = Peers(settings.trusted_proxies)
        most = that_fit(settings.connections)
        self.connections = Connections(most, settings.peer_connections or max(1, most // 2))
        self._threads = Threads(2, "collect")

    def app(self) -> ASGIApp:
        """Returns the ASGI application."""
        routes = [
            *page.routes(FILES),
            Route("/v1/classes", self.classes, methods=["GET"]),
            Route("/v1/classes", self.add_class, methods=["POST"]),
            Route("/v1/pictures", self.picture, methods=["GET"]),
            Route("/v1/pictures", self.add_picture, methods=["POST"]),
            Route("/v1/pictures", self.delete_picture, methods=["DELETE"]),
            Route("/healthz", self.healthz),
        ]
        app = Starlette(routes=routes, exception_handlers={HTTPException: error_line, Exception: error_line})
        app.router.redirect_slashes = False
        return Guard(app, self.settings, self.peers, frozenset({*FILES, "/healthz"}))

    def close(self) -> None:
        """Ends the threads; pictures that have arrived are stored."""
        self._threads.close()

    async def healthz(self, _: Request) -> Response:
        """Answers `GET /healthz`."""
        return Answer({"status": "ok", "version": __version__})

    async def classes(self, request: Request) -> Response:
        """Answers `GET /v1/classes`."""
        require_known(request, ())
        found = await self._do(request, self.collection.classes)
        limits = {
            "bytes": self.settings.max_bytes,
            "pixels": self.settings.max_pixels,
            "pictures": self.collection.most,
        }
        folder = Path(self.collection.folder).resolve().name
        return Answer({"folder": folder, "classes": list(map(dataclasses.asdict, found)), "limits": limits})

    async def add_class(self, request: Request) -> Response:
        """Answers `POST /v1/classes?name=NAME`."""
        (name,) = _values(request, "name")
        return _shown(await self._do(request, self.collection.add_class, name), 201)

    async def picture(self, request: Request) -> Response:
        """Answers `GET /v1/pictures?class=NAME&file=FILE` with the picture."""
        content = await self._do(request, self.collection.read, *_values(request, "class", "file"))
        # A number of a burst may be used again once its picture is deleted, so a browser has to ask.
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        headers = {"Cache-Control": "private, no-cache", "ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type="image/jpeg", headers=headers)

    async def add_picture(self, request: Request) -> Response:
        """Answers `POST /v1/pictures?class=NAME&burst=WORD`; the body is a JPEG file."""
        name, burst = _values(request, "class", "burst")
        peer = self.peers.of(request.scope)

        async def work() -> tuple[str, Class]:
            content = await read_body(request, self.settings.max_bytes, self.settings.timeout)
            self.gate.arrived()
            return await self._do(request, self.collection.add, name, content, burst, self.settings.max_pixels)

        file, found = await self.gate.hold(peer, work(), (self.gate.held + 1) * EXPECTED)
        return _shown(found, 201, file=file)

    async def delete_picture(self, request: Request) -> Response:
        """Answers `DELETE /v1/pictures?class=NAME&file=FILE`."""
        return _shown(await self._do(request, self.collection.delete, *_values(request, "class", "file")))

    async def _do(self, request: Request, work: Callable[..., Value], *given: Any) -> Value:
        """Does some work in a thread; what fails becomes the answer of one line."""
        try:
            found, _ = await self._threads.run(self.peers.of(request.scope), functools.partial(work, *given))
        except NotThereError as error:
            raise HTTPException(404, str(error)) from error
        except TooLargeError as error:
            raise HTTPException(413, str(error)) from error
        except InputError as error:
            raise HTTPException(400, str(error)) from error
        except FullError as error:
            raise HTTPException(507, str(error)) from error
        except OutputError as error:
            # Visitors do not see where the folder is.
            raise HTTPException(507, str(error).replace(str(self.collection.folder), "the folder")) from error
        return found


def _values(request: Request, *names: str) -> tuple[str, ...]:
    """Returns the parameters of a request, each of which has to be there once.

    Raises:
        HTTPException: 400, there are others, or they are not UTF-8.
    """
    try:
        unquote_to_bytes(request.scope["query_string"]).decode()
    except UnicodeDecodeError as error:
        raise HTTPException(400, f"the parameters of {request.url.path} are not UTF-8 text") from error
    require_known(request, names)
    for name in names:
        if name not in request.query_params:
            raise HTTPException(400, f"{request.url.path} needs the parameter {name!r}")
    return tuple(request.query_params[name] for name in names)


def _shown(found: Class, status: int = 200, **more: Any) -> Answer:
    return Answer({**dataclasses.asdict(found), **more}, status)
