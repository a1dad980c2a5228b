"""The parameters with which predictions are asked for: which ones a task has, and what a request says with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.exceptions import HTTPException

from zoo.errors import InputError
from zoo.runner import Predictor
from zoo.tasks import Task
from zoo.tasks.detection import LIMIT
from zoo.tasks.task import StoredReader
from zoo.text import name_list

DEFAULT_TOP_K = 5
SHOWN = 40
"""The most characters of a wrong value that a refusal repeats."""

Json = dict[str, Any]


class Asked(NamedTuple):
    """What a request asks for."""

    limit: int
    """The largest number of predictions."""
    task: Task[Any] | None = None
    """The file's task with other limits to what it finds; None for the task as it is."""


def parameters(task: Task[Any]) -> dict[str, tuple[str, Json]]:
    """Returns the parameters of a task by their names, each with its meaning and its JSON schema."""
    if not isinstance(task, StoredReader):
        return {"top_k": ("The largest number of predictions.", {"type": "integer", "minimum": 1, "default": 5})}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "threshold": ("The least score of a prediction.", {**share, "default": task.threshold}),
        "iou": (
            "The overlap of two boxes of one class above which the one with the lower score is left out.",
            {**share, "default": task.iou},
        ),
        "limit": ("The largest number of predictions.", {"type": "integer", "minimum": 1, "default": LIMIT}),
        "only": (
            "The classes to look for, separated by commas, in quotes where one has a comma; by default all.",
            {"type": "string"},
        ),
    }


def read(query: Mapping[str, str], predictor: Predictor[Any]) -> Asked:
    """Reads the parameters of a request, of which every one is known.

    Raises:
        HTTPException: 400, if a value is not allowed.
    """
    task = predictor.task
    if not isinstance(task, StoredReader):
        return Asked(_whole(query, "top_k", DEFAULT_TOP_K))
    limit = _whole(query, "limit", LIMIT)
    threshold, iou = _share(query, "threshold"), _share(query, "iou")
    try:
        only = name_list(query["only"]) if "only" in query else []
        if threshold is None and iou is None and not only:
            return Asked(limit)
        return Asked(limit, task.narrowed(predictor.labels, threshold=threshold, iou=iou, only=only))
    except InputError as error:
        raise HTTPException(400, str(error)) from error


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and 1 <= len(text) <= 9 and int(text) >= 1):
        raise HTTPException(400, f"{name}={text[:SHOWN]!r} is not allowed; give 1 or more")
    return int(text)


def _share(query: Mapping[str, str], name: str) -> float | None:
    text = query.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{0,9}\.?[0-9]{1,30}", text) or float(text) > 1:
        raise HTTPException(400, f"{name}={text[:SHOWN]!r} is not allowed; give a number from 0 to 1")
    return float(text)
