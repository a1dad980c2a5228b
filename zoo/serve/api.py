"""The HTTP API."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import time
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from zoo import __version__
from zoo.errors import InputError
from zoo.serve import metrics, openapi
from zoo.serve.limits import Gate, read_body
from zoo.serve.model import describe
from zoo.serve.settings import Settings
from zoo.serve.workers import Answer, Pool, TooManyPixelsError, UnsupportedPictureError

DEFAULT_TOP_K = 5
WRAPPED = ("multipart/", "application/json")
"""Kinds of body that hold a picture within something else."""


class Api:
    """The endpoints, and what they share."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        self.pool = pool
        self.settings = settings
        self.gate = Gate(settings.queue)
        self.description = describe(pool, settings)
        runtime, file = self.description["runtime"], self.description["file"]
        self.metrics = metrics.Metrics({"file": file, "runtime": runtime, "version": __version__})

    async def classify(self, request: Request) -> Response:
        """`POST /v1/classify`: a picture's file is the body."""
        top_k = _top_k(request.query_params.get("top_k", str(DEFAULT_TOP_K)))
        if request.headers.get("content-type", "").lower().startswith(WRAPPED):
            raise HTTPException(415, "send the picture's file itself as the body: curl --data-binary @photo.jpg")
        with self.gate.place(self.expected_wait):
            start = time.perf_counter()
            picture = await read_body(request, self.settings.max_bytes, self.settings.timeout)
            receive = time.perf_counter() - start
            answer = await self._answer(picture, top_k)
        stages = {"receive": receive, "wait": answer.wait, "decode": answer.decode, "inference": answer.inference}
        for stage, seconds in stages.items():
            self.metrics.time(stage, seconds)
        return JSONResponse(
            {
                "predictions": [dataclasses.asdict(found) for found in answer.predictions],
                "milliseconds": {stage: round(seconds * 1e3, 3) for stage, seconds in stages.items()},
            }
        )

    @property
    def expected_wait(self) -> float:
        """Seconds until the pictures under way are done."""
        return self.gate.held * self.pool.pace / self.pool.workers

    async def model(self, _: Request) -> Response:
        """`GET /v1/model`."""
        return JSONResponse(self.description)

    async def healthz(self, _: Request) -> Response:
        """`GET /healthz`."""
        return JSONResponse({"status": "ok", "version": __version__})

    async def show_metrics(self, _: Request) -> Response:
        """`GET /metrics`."""
        text = self.metrics.render(held=self.gate.held, places=self.gate.places)
        return Response(text, headers={"Content-Type": metrics.CONTENT_TYPE})

    async def openapi(self, _: Request) -> Response:
        """`GET /openapi.json`."""
        return JSONResponse(openapi.document(self.settings))

    async def _answer(self, picture: bytes, top_k: int) -> Answer:
        timeout = self.settings.timeout
        try:
            return await asyncio.wait_for(self.pool.classify(picture, top_k), timeout)
        except asyncio.TimeoutError:  # TimeoutError itself from Python 3.11 on
            again = {"Retry-After": str(max(1, math.ceil(self.expected_wait)))}
            raise HTTPException(503, f"there was no answer within {timeout:g} s; try again", again) from None
        except UnsupportedPictureError as error:
            raise HTTPException(415, str(error)) from error
        except TooManyPixelsError as error:
            raise HTTPException(413, str(error)) from error
        except InputError as error:
            raise HTTPException(400, str(error)) from error
        except MemoryError:
            raise HTTPException(413, "the picture does not fit into this machine's memory") from None


def _top_k(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= len(text) <= 9 and int(text) >= 1):
        raise HTTPException(400, f"top_k={text[:40]!r} is not allowed; give 1 or more")
    return int(text)


def error_line(_: Request, error: Exception) -> JSONResponse:
    """Any error as one line; what was not expected is said on the server's own stderr only."""
    if isinstance(error, HTTPException):
        unknown = error.status_code == 404
        line: Any = "there is nothing here; see /openapi.json" if unknown else " ".join(error.detail.split())
        return JSONResponse({"error": line}, error.status_code, error.headers)
    return JSONResponse({"error": "this is a bug in the server; its log says more"}, 500)
