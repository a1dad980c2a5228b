"""The answer to `GET /v1/model`: what the page says of a model, where to send pictures, and the server's limits."""

from __future__ import annotations

from typing import Any

from zoo.page import about
from zoo.serve.settings import Settings
from zoo.serve.workers import Pool, available_formats
from zoo.tasks import Task


def endpoint(task: Task[Any]) -> str:
    """The path to which pictures are sent, such as `/v1/classify`."""
    return f"/v1/{task.verb}"


def describe(pool: Pool, settings: Settings) -> dict[str, Any]:
    """Returns what `GET /v1/model` answers, as JSON can hold it.

    Raises:
        ModelFileError: the file is damaged.
    """
    predictor = pool.predictor
    return {
        **about.describe(predictor),
        "endpoint": endpoint(predictor.task),
        "runtime": predictor.session.runtime,
        "workers": pool.workers,
        "limits": {
            "bytes": settings.max_bytes,
            "pixels": settings.max_pixels,
            "pictures": settings.queue,
            "formats": list(available_formats()),
        },
    }
