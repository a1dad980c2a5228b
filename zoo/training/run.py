"""Trains a model on a folder of files, into the folder of a run: `train` and `resume`.

Each of them prepares a `Setup`, and `zoo.training.loop.fit` trains it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data import Data
from zoo.errors import InputError
from zoo.locks import exclusive
from zoo.progress import SILENT, Progress
from zoo.registry import needs_tensorflow, spec
from zoo.training import checkpoint
from zoo.training.checkpoint import Checkpoint
from zoo.training.distributed.connect import connect
from zoo.training.distributed.strategy import Strategy
from zoo.training.folder import begin_run, read_architecture, read_run, require_new, strategy_of, versions
from zoo.training.inputs import check_own_model, describe_data, facts_of, input_shape, require_classes
from zoo.training.loop import fit
from zoo.training.precision import policy
from zoo.training.recipe import Recipe, default_recipe, field_types
from zoo.training.results import TrainResult
from zoo.training.setup import Setup, prepare
from zoo.training.tasks import TrainingTask, columns, task_named, task_of
from zoo.training.tasks.classification import CLASSIFICATION
from zoo.training.watch import NullWatch, Watch
from zoo.weights import Built, build_from

if TYPE_CHECKING:
    import keras

Check = Callable[["keras.Model", Data], None]

OWN = "the model's own"
"""The weights of a run that began with a user's own model."""


def train(
    model: str | keras.Model,
    data: str | Path,
    *,
    out: str | Path | None = None,
    weights: str | Path | None = None,
    recipe: Recipe | dict[str, Any] | None = None,
    strategy: str = "one",
    workers: Sequence[str] | None = None,
    index: int | None = None,
    secret_file: str | Path | None = None,
    watch: Watch | None = None,
    progress: Progress = SILENT,
    check: Check | None = None,
    **values: Any,
) -> TrainResult:
    """Trains a model on labelled files.

        result = zoo.train("mobilenet_v2", "pictures", weights="imagenet", epochs=10)
        print(result.accuracy, result.folder)

    Args:
        model: the name of a model of the zoo, or a Keras model that takes raw pixels and ends in a softmax.
        data: class folders, `train` and `val` (and `test`) with class folders, or a CSV file; see `zoo.data.load`.
        out: the run's folder, which must not exist; `runs/MODEL-DATA` by default.
        weights: the initial weights, see `zoo.build`; only for the name of a model.
        recipe: a recipe that replaces the model's own, or changes to that one.
        strategy: `one` for one device, `mirrored` for all GPUs of this machine, or `multiworker` for several processes,
            each of which calls this with the same arguments. The first one writes the folder.
        workers: `host:port` of each worker; by default from `TF_CONFIG`.
        index: the index of this worker, counted from 0.
        secret_file: a file with the secret that all workers share; by default the variable `EDGEZOO_SECRET`. Workers on
            one machine need none.
        watch: receives the progress of the training.
        progress: is told what happens before the first epoch: how many files are read, how much of a download has come.
        check: is called with the model and the data before the run's folder is made; an error that it raises refuses
            the training.
        **values: fields of the recipe (`epochs`, `batch_size`, `learning_rate`...), and options of the model (`alpha`,
            `input_size`...). `num_classes` is the data's.

    Returns:
        The best model with its metrics. The folder holds `model.keras`, `labels.txt`, `recipe.toml`, `history.csv`,
        `metrics.json`, TensorBoard `events`, `curves.png`, `README.md` and the plots of the task: for classification
        `confusion.png`, `reliability.png` and `mistakes.png`.

    Raises:
        InputError: the data cannot be used.
        OptionError: a value is not allowed.
        WeightsError: the weights cannot be loaded.
        TrainingStopped: the training was stopped by Ctrl-C; `resume` continues it.
        TrainingError: the loss became NaN or infinite, or a worker is lost or was started with other arguments.
        OutputError: the folder cannot be written.
        MissingDependencyError: TensorFlow is not installed.
    """
    name = model if isinstance(model, str) else None
    called = model if isinstance(model, str) else str(model.name)
    changes, options = _split_recipe_and_options(values)
    folder = Path(out) if out is not None else Path("runs") / f"{called}-{Path(data).resolve().stem}"
    with needs_tensorflow():
        import keras
    pretrained = (weights is not None and str(weights) != "none") if name else _is_pretrained(model)
    chosen = recipe if isinstance(recipe, Recipe) else default_recipe(name, pretrained=pretrained).change(recipe or {})
    chosen = chosen.change(changes)
    check_own_model(name, options, chosen, strategy)
    task = task_named(spec(name).task) if name is not None else CLASSIFICATION
    watch = watch or NullWatch()
    facts = {"model": called, "options": options, "pretrained": pretrained, **dataclasses.asdict(chosen)}
    facts |= {"versions": versions()}
    with (
        connect(strategy, workers, index, secret_file=secret_file, facts=facts, note=watch.note) as connected,
        exclusive(folder, needed=connected.is_chief),
    ):
        if connected.is_chief:
            require_new(folder)
        keras.utils.set_random_seed(chosen.seed)
        loaded = task.load(data, input_shape(model, options), chosen, progress)
        require_classes(options, loaded)
        connected.require_equal(facts_of(loaded))
        if isinstance(model, str):
            built = _build(model, weights, options | {"num_classes": len(loaded.class_names)}, chosen, progress)
        else:
            task.check(model, loaded)
            built = Built(model, {}, new_head=False)
        if check is not None:
            check(built.model, loaded)
        run = {
            "model": _about_model(name, weights, built, pretrained=pretrained)
            | {"strategy": strategy, "task": task.name},
            "recipe": dataclasses.asdict(chosen),
            "data": {"path": str(Path(data).absolute()), **describe_data(loaded)},
            "versions": versions(),
        }
        # Errors in these are found before the folder is made.
        setup = prepare(
            folder=folder,
            run=run,
            model=built.model,
            data=loaded,
            recipe=chosen,
            task=task,
            strategy=connected,
            watch=watch,
        )
        if connected.is_chief:
            begin_run(folder, run, loaded.class_names, built.model)
        for note in built.notes:
            watch.note(note)
        return fit(setup)


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
    if strategy is None:
        strategy = strategy_of(folder) if workers is None else "multiworker"
    facts = {"resume": True, "versions": versions()}
    with (
        connect(strategy, workers, index, secret_file=secret_file, facts=facts, note=watch.note) as connected,
        exclusive(folder, needed=connected.is_chief and folder.is_dir()),
    ):
        run = connected.broadcast(read_run(folder) if connected.is_chief else None)
        recipe = Recipe().change(run["recipe"])
        keras.utils.set_random_seed(recipe.seed)
        setup = _prepare_again(folder, run, recipe, connected, watch, progress)
        if check is not None:
            check(setup.model, setup.data)
        return fit(setup)


def _prepare_again(
    folder: Path,
    run: dict[str, Any],
    recipe: Recipe,
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
        watch=watch,
    )


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
    if run["model"]["weights"] == OWN:
        raise InputError(f"{folder} was stopped before anything was saved; train again into another folder")
    # The run was killed before the first epoch was saved. It begins anew, in the same order, as seeds are drawn in it.
    name, options = run["model"]["name"], run["model"]["options"]
    data = task.load(run["data"]["path"], input_shape(name, options), recipe, progress)
    return build_from(name, run["model"]["weights"], options).model, data


def _about_model(name: str | None, weights: str | Path | None, built: Built, *, pretrained: bool) -> dict[str, Any]:
    return {
        "name": name or built.model.name,
        "weights": str(weights or "none") if name else OWN,
        "pretrained": pretrained,
        "new_head": built.new_head,
        "options": {key: value for key, value in built.options.items() if value is not None},
    }


def _build(
    name: str,
    weights: str | Path | None,
    options: dict[str, Any],
    recipe: Recipe,
    progress: Progress,
) -> Built:
    with policy(recipe):
        return build_from(name, weights, options, progress=progress)


def _split_recipe_and_options(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Splits values into fields of the recipe and options of the model; None stands for a value that is not given."""
    fields = field_types()
    given = {key: value for key, value in values.items() if value is not None}
    recipe = {key: value for key, value in given.items() if key in fields}
    return recipe, {key: value for key, value in given.items() if key not in fields}


def _is_pretrained(model: Any) -> bool:
    from zoo.weights import is_untrained

    return not is_untrained(model)


__all__ = ["TrainResult", "resume", "strategy_of", "train"]
