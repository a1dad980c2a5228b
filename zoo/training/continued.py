"""Continues a training from its checkpoint, to the same result as if it had never stopped: `resume`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data import Data
from zoo.errors import InputError
from zoo.progress import SILENT, Progress
from zoo.registry import needs_tensorflow
from zoo.system.locks import exclusive
from zoo.training import start
from zoo.training.distillation.teacher import Teacher, read_teacher
from zoo.training.distributed.connect import connect
from zoo.training.distributed.strategy import Strategy
from zoo.training.inputs import facts_of, skeleton_of
from zoo.training.loop import fit
from zoo.training.precision import policy
from zoo.training.recipe import Recipe
from zoo.training.records import checkpoint
from zoo.training.records.checkpoint import Checkpoint
from zoo.training.records.folder import read_architecture, read_run, strategy_of, versions
from zoo.training.records.results import TrainResult
from zoo.training.setup import Check, Setup, prepare
from zoo.training.tasks import TrainingTask, columns, task_of
from zoo.training.watch import NullWatch, Watch
from zoo.weights import build_from

if TYPE_CHECKING:
    import keras


def resume(
    folder: str | Path,
    *,
    strategy: str | None = None,
    workers: Sequence[str] | None = None,
    index: int | None = None,
    secret_file: str | Path | None = None,
    watch: Watch | None = None,
    progress: Progress = SILENT,
    check: Check | None = None,
) -> TrainResult:
    """Continues a training that was stopped or killed, from its last checkpoint.

    A run that is finished is not trained any further; `train_from` does that.

    Args:
        folder: the run's folder; of several workers, only the first one needs it.
        strategy: as in `train`; by default the strategy of the run, or `multiworker` if workers are given.
        workers: as in `train`.
        index: as in `train`.
        secret_file: as in `train`.
        watch: as in `train`.
        progress: as in `train`.
        check: as in `train`; it is called before the next step.

    Raises:
        InputError: the folder holds no training, or its data have changed.
        Otherwise as `train`.
    """
    folder = Path(folder)
    watch = watch or NullWatch()
    with needs_tensorflow():
        import keras
    asked = strategy
    if strategy is None:
        strategy = strategy_of(folder) if workers is None else "multiworker"
    facts = {"resume": True, "versions": versions()}
    with (
        connect(strategy, workers, index, secret_file=secret_file, facts=facts, note=watch.note) as connected,
        exclusive(folder, needed=connected.is_chief and folder.is_dir()),
    ):
        run = connected.broadcast(read_run(folder) if connected.is_chief else None)
        recipe = Recipe().change(run["recipe"])
        teacher = _teacher_again(folder, run, connected)
        keras.utils.set_random_seed(recipe.seed)
        setup = _prepare_again(folder, run, recipe, teacher, connected, watch, progress)
        if asked is not None and setup.checkpoint is not None and setup.checkpoint.state.done:
            watch.note(f"--strategy {asked} is for a training, and changes nothing here")
        if check is not None:
            check(setup.model, setup.data)
        return fit(setup)


def _prepare_again(
    folder: Path,
    run: dict[str, Any],
    recipe: Recipe,
    teacher: Teacher | None,
    strategy: Strategy,
    watch: Watch,
    progress: Progress,
) -> Setup:
    """Prepares a run that continues from its checkpoint, or from its beginning if it has none.

    Raises:
        InputError: see `resume`.
    """
    task = task_of(run["model"])
    found = strategy.is_chief and (folder / checkpoint.FILE).exists()
    saved = Checkpoint(folder, columns(task)) if found else None
    with policy(recipe):
        model, data = _build_again(folder, run, recipe, task, progress, has_checkpoint=strategy.broadcast(found))
    if saved is None or not saved.state.done:
        watch.data(data.report)
    else:
        watch.note(f"{folder} is finished; nothing of it is trained any further")
    splits = facts_of(data)["files"]
    if list(data.class_names) != run["labels"] or splits != run["data"]["splits"]:
        raise InputError(
            f"{run['data']['path']} has changed since {folder} was begun ({splits}, not {run['data']['splits']}); "
            "train again into another folder"
        )
    strategy.require_equal(facts_of(data))
    return prepare(
        folder=folder,
        run=run,
        model=model,
        data=data,
        recipe=recipe,
        task=task,
        strategy=strategy,
        checkpoint=saved,
        teacher=teacher,
        watch=watch,
    )


def _teacher_again(folder: Path, run: dict[str, Any], strategy: Strategy) -> Teacher | None:
    """Returns a run's teacher; None for a run without one, and for a finished one, which learns no more.

    Raises:
        InputError: the teacher's file is missing, or another than it was.
    """
    about = run.get("teacher")
    if about is None:
        return None
    done = strategy.is_chief and (folder / checkpoint.FILE).exists() and _is_done(folder, run)
    return None if strategy.broadcast(done) else read_teacher(Path(about["path"]), sha256=about["sha256"])


def _is_done(folder: Path, run: dict[str, Any]) -> bool:
    return Checkpoint(folder, columns(task_of(run["model"]))).state.done


def _build_again(
    folder: Path,
    run: dict[str, Any],
    recipe: Recipe,
    task: TrainingTask,
    progress: Progress,
    *,
    has_checkpoint: bool,
) -> tuple[keras.Model, Data]:
    """Returns a run's model, with meaningless weights if a checkpoint has the real ones, and its data."""
    if has_checkpoint:
        model = read_architecture(run["architecture"], folder)
        return model, task.load(run["data"]["path"], model.input_shape[1:], recipe, progress)
    if run["model"]["weights"] == start.OWN:
        raise InputError(f"{folder} was stopped before anything was saved; train again into another folder")
    # The run was killed before the first epoch was saved. It begins anew, in the same order, as seeds are drawn in it.
    name, options = run["model"]["name"], run["model"]["options"]
    skeleton = skeleton_of(name, options)
    data = task.load(run["data"]["path"], skeleton.input_shape[1:], recipe, progress)
    built = build_from(name, run["model"]["weights"], options, skeleton=skeleton)
    start.adapt(task, built, data, recipe)
    return built.model, data
