"""Measures structured pruning: how channels are best scored, and what a pruned model is worth beside a narrower one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zoo.compress.scoring import Score
from zoo.files import base_name
from zoo.progress import SILENT, Progress
from zoo.training import results, train
from zoo.training.checkpointer import MODEL
from zoo.training.folder import read_run
from zoo.training.pruned import prune_on, prune_run
from zoo.training.recipe import Recipe
from zoo.training.results import TrainResult
from zoo.training.tasks import Predicting, TrainingTask, task_of
from zoo.weights import load_model

WAYS: tuple[tuple[Score, bool], ...] = (("taylor", True), ("taylor", False), ("gamma", True), ("gamma", False))
"""The scores, and whether channels that sums couple are removed, too."""


def without_training(
    run: Path, keeps: Sequence[float], ways: Sequence[tuple[Score, bool]] = WAYS, progress: Progress = SILENT
) -> Iterator[dict[str, Any]]:
    """Yields what the model of a run is worth after it is pruned in different ways, and not trained further.

    Args:
        run: the folder of the run.
        keeps: the shares of the multiply-accumulates to keep.
        ways: the scores, and whether residual streams lose channels.
        progress: is told what is measured.
    """
    about = read_run(run)
    task, recipe = task_of(about["model"]), Recipe().change(about["recipe"])
    model = load_model(run / MODEL)
    data = task.load(about["data"]["path"], tuple(model.input_shape[1:]), recipe, progress)
    whole = {"run": base_name(run), "keep": 1.0, "share": 1.0, "score": "", "streams": True}
    yield whole | {task.monitor: _score(model, task, data)}
    for keep in keeps:
        for score, streams in ways:
            progress.step(f"keep {keep:g} by {score}")
            pruned = prune_on(model, task, data, recipe, keep, score=score, streams=streams)
            row = {"keep": keep, "share": round(pruned.share, 4), "score": score, "streams": streams}
            yield whole | row | {task.monitor: _score(pruned.model, task, data)}


def with_training(run: Path, keep: float, out: Path, **recipe: Any) -> dict[str, Any]:
    """Returns what the model of a run is worth after it is pruned and trained further by the recipe of its run.

    Args:
        run: the folder of the run.
        keep: the share of the multiply-accumulates to keep.
        out: the folder of the new run.
        recipe: changes to the recipe.
    """
    result, pruned = prune_run(run, keep, out=out, finetune=True, recipe=recipe)
    before = load_model(run / MODEL)
    task = task_of(read_run(run)["model"])
    return {
        "run": base_name(run),
        "keep": keep,
        "share": round(pruned.share, 4),
        "macs": list(pruned.macs),
        "params": list(pruned.params),
        "before": _score(before, task, result.data),
        "after": result.score,
        "epochs": result.metrics["epochs"],
    }


def narrower(model: str, data: Path, out: Path, **values: Any) -> dict[str, Any]:
    """Returns what a model of a smaller width is worth that is trained from random weights; see `zoo.train`."""
    from zoo.summary.table import summarize

    result: TrainResult = train(model, data, out=out, weights="none", **values)
    summary = summarize(result.model)
    return {
        "model": result.model.name,
        "macs": summary.macs,
        "params": summary.params,
        "after": result.score,
        "epochs": result.metrics["epochs"],
    }


def _score(model: Any, task: TrainingTask, data: Any) -> float:
    """Returns the task's monitored metric on the files that a run is evaluated on."""
    split = results.evaluated_split(data)
    found = task.predict(model, data, split) if isinstance(task, Predicting) else results.predict(model, data, split)
    return float(task.evaluate(found, data, split).as_dict()[task.monitor])
