"""The HTTP API."""

from __future__ import annotations

import asyncio
import difflib
import math
import time
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from zoo import __version__
from zoo.errors import AnswerError, InputError, closest
from zoo.serve import asked, metrics, openapi
from zoo.serve.answers import Answer, refusal, to_bytes
from zoo.serve.asked import Asked
from zoo.serve.http.connections import Connections, that_fit
from zoo.serve.http.limits import Gate, read_body
from zoo.serve.http.peers import Peers
from zoo.serve.model import describe, endpoint
from zoo.serve.settings import Settings
from zoo.serve.workers import Named, Pool, TooManyPixelsError, UnsupportedPictureError
from zoo.tasks import TASKS, Task

WRAPPED = ("multipart/", "application/json")
"""Content types of bodies that hold a picture inside something else."""


class Api:
    """The endpoints, with the objects that they share."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        self.pool = pool
        self.settings = settings
        self.gate = Gate(settings.queue)
        self.peers = Peers(settings.trusted_proxies)
        most = that_fit(settings.connections)
        self.connections = Connections(most, settings.peer_connections or max(1, most // 2))
        self.description = describe(pool, settings)
        self._parameters = tuple(asked.parameters(pool.predictor.task))
        self._model = to_bytes(self.description)
        runtime, file = self.description["runtime"], self.description["file"]
        self.metrics = metrics.Metrics(
            {"file": file, "runtime": runtime, "version": __version__}, self.gate, self.connections
        )

    async def predict(self, request: Request) -> Response:
        """Answers `POST` at the `endpoint` of the task, such as `/v1/classify`; the body is a picture file."""
        require_known(request, self._parameters)
        wanted = asked.read(request.query_params, self.pool.predictor)
        if request.headers.get("content-type", "").lower().startswith(WRAPPED):
            raise HTTPException(415, "send the picture's file itself as the body: curl --data-binary @photo.jpg")
        peer = self.peers.of(request.scope)
        work = self._receive_and_name(request, wanted, peer)
        receive, answer = await self.gate.hold(peer, work, self.expected_wait)
        stages = {"receive": receive, "wait": answer.wait, "decode": answer.decode, "inference": answer.inference}
        for stage, seconds in stages.items():
            self.metrics.time(stage, seconds)
        return Answer(
            {
                "predictions": answer.predictions,
                "picture": list(answer.size),
                "milliseconds": {stage: round(seconds * 1e3, 3) for stage, seconds in stages.items()},
            }
        )

    @property
    def expected_wait(self) -> float:
        """Expected seconds until all current pictures are done."""
        return self.gate.held * self.pool.pace / self.pool.workers

    async def model(self, request: Request) -> Response:
        """Answers `GET /v1/model`."""
        require_known(request, ())
        return Response(self._model, media_type="application/json")

    async def healthz(self, _: Request) -> Response:
        """Answers `GET /healthz`."""
        return Answer({"status": "ok", "version": __version__})

    async def show_metrics(self, _: Request) -> Response:
        """Answers `GET /metrics`."""
        return Response(self.metrics.render(), headers={"Content-Type": metrics.CONTENT_TYPE})

    async def openapi(self, _: Request) -> Response:
        """Answers `GET /openapi.json`."""
        return Answer(openapi.document(self.settings, self.pool.predictor.task))

    async def _receive_and_name(self, request: Request, wanted: Asked, peer: str) -> tuple[float, Named]:
        """Returns the seconds that the picture took to arrive, and the predictions for it."""
        start = time.perf_counter()
        picture = await read_body(request, self.settings.max_bytes, self.settings.timeout)
        self.gate.arrived()
        receive = time.perf_counter() - start
        return receive, await self._answer(picture, wanted, peer)

    async def _answer(self, picture: bytes, wanted: Asked, peer: str) -> Named:
        timeout = self.settings.timeout
        try:
            return await asyncio.wait_for(self.pool.predict(picture, wanted, peer), timeout)
        except asyncio.TimeoutError:  # TimeoutError itself from Python 3.11 on
            again = {"Retry-After": str(max(1, math.ceil(self.expected_wait)))}
            raise HTTPException(503, f"there was no answer within {timeout:g} s; try again", again) from None
        except UnsupportedPictureError as error:
            raise HTTPException(415, str(error)) from error
        except TooManyPixelsError as error:
            raise HTTPException(413, str(error)) from error
        except InputError as error:
            path = self.pool.predictor.session.path
            # Visitors do not see the folder of the file.
            raise HTTPException(400, str(error).replace(str(path), path.name)) from error
        except AnswerError as error:
            path = self.pool.predictor.session.path
            raise HTTPException(500, str(error).replace(str(path), path.name)) from error
        except MemoryError:
            raise HTTPException(413, "the picture does not fit into this machine's memory") from None


def require_known(request: Request, known: tuple[str, ...]) -> None:
    """Refuses parameters of an address that are not known, or that are there twice.

    Raises:
        HTTPException: 400, with the closest name that is known.
    """
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in known:
            takes = f"{request.url.path} takes {', '.join(known) or 'none'}"
            raise HTTPException(400, f"there is no parameter {name[:40]!r}; {closest(name[:40], known)}{takes}")
        if names.count(name) > 1:
            raise HTTPException(400, f"the parameter {name!r} is there {names.count(name)} times; give it once")


def error_line(request: Request, error: Exception) -> Answer:
    """Any error as one line; what was not expected is said on the server's own stderr only."""
    if isinstance(error, HTTPException):
        return refusal(error.status_code, _line(request, error), dict(error.headers or {}))
    return refusal(500, "this is a bug in the server; its log says more")


def _line(request: Request, error: HTTPException) -> str:
    path, allowed = request.url.path, ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
    if error.status_code == 404:
        task: Task[Any] | None = getattr(request.app.state, "task", None)
        if task is None:
            return error.detail if error.detail != "Not Found" else "there is nothing here"
        if path in {endpoint(other) for other in TASKS.values()}:
            return f"the file is a {task.noun}: send pictures to {endpoint(task)}"
        names = {place.rsplit("/", 1)[1]: place for place in openapi.places(task)}
        near = difflib.get_close_matches(path[:40].rstrip("/").rsplit("/", 1)[-1].lower(), names, n=1, cutoff=0.6)
        return f"there is nothing here; {f'did you mean {names[near[0]]!r}? ' if near else ''}see /openapi.json"
    if error.status_code == 405:
        return f"{path} is asked by {allowed}, not by {request.method[:20]}"
    return error.detail
