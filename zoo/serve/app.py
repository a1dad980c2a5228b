"""The application: its routes, and the checks in front of them."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoo.serve import page
from zoo.serve.api import Api, error_line
from zoo.serve.metrics import Metrics
from zoo.serve.model import endpoint
from zoo.serve.security import Guard


def create_app(api: Api) -> ASGIApp:
    """Returns an ASGI application, for any ASGI server with one process."""
    app = Starlette(routes=routes(api), exception_handlers={HTTPException: error_line, Exception: error_line})
    app.router.redirect_slashes = False
    app.state.task = api.pool.predictor.task
    # These are around all of Starlette, so that its answer to a bug is counted and has our headers, too.
    return Count(Guard(app, api.settings, api.peers), api.metrics, frozenset(route.path for route in routes(api)))


def routes(api: Api) -> list[Route]:
    """Returns the routes of the page's files and of the API."""
    return [
        *page.routes(),
        Route(endpoint(api.pool.predictor.task), api.predict, methods=["POST"]),
        Route("/v1/model", api.model),
        Route("/healthz", api.healthz),
        Route("/metrics", api.show_metrics),
        Route("/openapi.json", api.openapi),
    ]


class Count:
    """Counts answers by path; all paths that the server does not have count as one."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: frozenset[str]) -> None:
        self.app = app
        self._metrics = metrics
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        path = scope["path"] if scope["path"] in self._paths else "other"

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.count(path, message["status"])
            await send(message)

        await self.app(scope, receive, send_and_count)
