"""Finds what the folder of a finished run knows of its model, for the files that are made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo import models
from zoo.errors import InputError, ZooError
from zoo.files.places import base_name
from zoo.files.reading import read_text
from zoo.inputs import seen
from zoo.inputs.preprocessing import Preprocessing
from zoo.training.records.checkpointer import MODEL
from zoo.training.records.folder import RECIPE, read_run
from zoo.training.records.results import METRICS, SETTINGS
from zoo.training.start import about_pruning

SCORE_FACTS = ("temperature", "fitted_on", "why_not")
"""What a file's card tells of its model's scores; the other figures are those of the file itself."""


@dataclass(frozen=True)
class RunFacts:
    """What a run knows of its model."""

    labels: tuple[str, ...]
    """The names of the classes."""
    preprocessing: Preprocessing | None
    """How the pictures of the training were resized; None for a model of values."""
    card: dict[str, Any] = field(default_factory=dict)
    """What the card of a file says of the training."""
    notes: tuple[str, ...] = ()
    """What the user should know, one line each."""


def of_model(path: Path) -> RunFacts | None:
    """Returns what a run's folder knows of the run's best model.

    Args:
        path: the model's file; any other file, or one that lies in no run's folder, has no such facts.

    Raises:
        InputError: the folder is that of a run, and its files cannot be read.
        OptionError: the recipe holds a value that is not allowed.
    """
    folder = path.parent
    if path.name != MODEL or not (folder / RECIPE).is_file():
        return None
    run, metrics = read_run(folder), _metrics(folder)
    notes = []
    if metrics is None:
        notes.append(f"the training of {folder} is not finished: its files may say more then (--resume {folder})")
    elif SETTINGS not in metrics:
        notes.append(
            f"{folder} was trained by an older version; zoo train --resume {folder} writes what its files are to use, "
            "such as a detector's threshold"
        )
    resize = run["recipe"].get("resize") if run["data"]["pictures"] else None
    facts = on_card(folder, run, metrics or {})
    scores = {key: value for key, value in _table(metrics or {}, "scores").items() if key in SCORE_FACTS}
    return RunFacts(
        tuple(run["labels"]),
        None if resize is None else Preprocessing(resize),
        facts | ({"scores": scores} if scores else {}),
        tuple(notes),
    )


def on_card(folder: Path, run: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the card of each file of a run's model says of the training.

    Args:
        folder: the run's folder; its record of the split says which pictures were trained on.
        run: from `zoo.training.records.folder.read_run`.
        metrics: those that the training ended with.
    """
    model = run["model"]
    facts = {
        "weights_from": "trained",
        "began_with": base_name(model["weights"]),
        "trained_on": run["data"]["splits"].get("train"),
        seen.FIELD: seen.from_record(folder),
        **_table(metrics, SETTINGS),
    }
    if model["name"] in models.list_models():
        facts |= {"architecture": model["name"], "options": model["options"]}
    if pruning := about_pruning(model):
        facts["pruning"] = pruning
    return facts


def _table(metrics: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = metrics.get(name)
    return found if isinstance(found, dict) else {}


def _metrics(folder: Path) -> dict[str, Any] | None:
    """Returns the metrics of a run; None for one that has none yet."""
    if not (folder / METRICS).is_file():
        return None
    try:
        found = json.loads(read_text(folder / METRICS, "the metrics"))
    except (ZooError, ValueError, RecursionError) as error:
        raise InputError(f"{folder / METRICS} cannot be read: write it anew (zoo train --resume {folder})") from error
    if not isinstance(found, dict):
        raise InputError(f"{folder / METRICS} holds no metrics: write it anew (zoo train --resume {folder})")
    return found
