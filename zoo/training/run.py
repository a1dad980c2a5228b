"""Trains a model on a folder of files, into the folder of a run: `train` and `resume`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data import Data
from zoo.errors import InputError, OptionError
from zoo.locks import exclusive
from zoo.progress import SILENT, Progress
from zoo.registry import needs_tensorflow
from zoo.training import results, state
from zoo.training.checkpoint import MODEL, Keeper
from zoo.training.distributed.strategy import Mirrored, Team, gather
from zoo.training.folder import begin_run, read_architecture, read_run, require_new, strategy_of, versions
from zoo.training.history import History
from zoo.training.inputs import facts_of, input_shape, load_data, require_classes, require_outputs
from zoo.training.loop import Trainer
from zoo.training.precision import in_full, policy
from zoo.training.readme import write_card
from zoo.training.recipe import Recipe, default_recipe, field_types
from zoo.training.stages import plan
from zoo.training.watch import Silent, Watch
from zoo.weights import Built, build_from, load_model

if TYPE_CHECKING:
    import keras

OWN = "the model's own"


@dataclass(frozen=True)
class TrainResult:
    """The result of a training."""

    folder: Path
    model: keras.Model
    """The best model of the training."""
    data: Data
    accuracy: float
    """Top-1 accuracy on the test files, or on the validation files if there are none."""
    metrics: dict[str, Any]
    """The metrics, as in `metrics.json`."""
    history: list[dict[str, Any]]
    """One row for each epoch."""
    chief: bool = True
    """Whether this process wrote the folder; of several workers, only the first one does."""


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
        **values: fields of the recipe (`epochs`, `batch_size`, `learning_rate`...), and options of the model (`alpha`,
            `input_size`...). `num_classes` is the data's.

    Returns:
        The best model with its metrics. The folder holds `model.keras`, `labels.txt`, `recipe.toml`, `history.csv`,
        `metrics.json`, TensorBoard `events`, `curves.png`, `confusion.png`, `mistakes.png` and a `README.md`.

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
    changes, options = _sort(values)
    folder = Path(out) if out is not None else Path("runs") / f"{called}-{Path(data).resolve().stem}"
    with needs_tensorflow():
        import keras
    pretrained = (weights is not None and str(weights) != "none") if name else _is_pretrained(model)
    chosen = recipe if isinstance(recipe, Recipe) else default_recipe(name, pretrained=pretrained).change(recipe or {})
    chosen = chosen.change(changes)
    if options and name is None:
        raise OptionError(
            f"{sorted(options)[0]!r} is neither a field of a recipe nor an option of a model that is built"
        )
    if name is None and chosen.mixed_precision:
        raise OptionError("mixed_precision is for models that are built here; build yours under Keras' own policy")
    if name is None and strategy == "multiworker":
        raise OptionError("strategy='multiworker' is for models by name: workers are connected before one is built")
    watch = watch or Silent()
    facts = {"model": called, "options": options, "pretrained": pretrained, **dataclasses.asdict(chosen)}
    facts |= {"versions": versions()}
    with (
        gather(strategy, workers, index, secret_file=secret_file, facts=facts, note=watch.note) as team,
        exclusive(folder, needed=team.chief),
    ):
        if team.chief:
            require_new(folder)
        keras.utils.set_random_seed(chosen.seed)
        loaded = load_data(data, input_shape(model, options), chosen, progress)
        require_classes(options, loaded)
        team.check(facts_of(loaded))
        if name is not None:
            built = _build(name, weights, options | {"num_classes": len(loaded.class_names)}, chosen, progress)
        else:
            built = Built(require_outputs(model, loaded), {}, new_head=False)
        run = {
            "model": _about_model(name, weights, built, pretrained=pretrained) | {"strategy": strategy},
            "recipe": dataclasses.asdict(chosen),
            "data": {
                "path": str(Path(data).absolute()),
                "pictures": len(built.model.input_shape) == 4,
                "splits": facts_of(loaded)["files"],
            },
            "versions": versions(),
        }
        # Errors in these are found before the folder is made.
        plan(built.model, chosen, pretrained=pretrained, new_head=built.new_head)
        if team.chief:
            begin_run(folder, run, loaded.class_names, built.model)
        for note in built.notes:
            watch.note(note)
        return _run(folder, built.model, loaded, run, chosen, watch, None, team)


def resume(
    folder: str | Path,
    *,
    strategy: str | None = None,
    workers: Sequence[str] | None = None,
    index: int | None = None,
    secret_file: str | Path | None = None,
    watch: Watch | None = None,
    progress: Progress = SILENT,
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

    Raises:
        InputError: the folder holds no training, or its data have changed.
        Otherwise as `train`.
    """
    folder = Path(folder)
    watch = watch or Silent()
    with needs_tensorflow():
        import keras
    if strategy is None:
        strategy = strategy_of(folder) if workers is None else "multiworker"
    facts = {"resume": True, "versions": versions()}
    with (
        gather(strategy, workers, index, secret_file=secret_file, facts=facts, note=watch.note) as team,
        exclusive(folder, needed=team.chief and folder.is_dir()),
    ):
        run = team.share(read_run(folder) if team.chief else None)
        recipe = Recipe().change(run["recipe"])
        keras.utils.set_random_seed(recipe.seed)
        saved = state.Saved(folder) if team.chief and (folder / state.FILE).exists() else None
        with policy(recipe):
            if team.share(saved is not None):
                model = read_architecture(run["architecture"], folder)
                loaded = load_data(run["data"]["path"], model.input_shape[1:], recipe, progress)
            elif run["model"]["weights"] == OWN:
                raise InputError(f"{folder} was stopped before anything was saved; train again into another folder")
            else:
                # Killed before the first epoch was saved: it begins anew, in the same order, as seeds are drawn in it.
                name, options = run["model"]["name"], run["model"]["options"]
                loaded = load_data(run["data"]["path"], input_shape(name, options), recipe, progress)
                model = build_from(name, run["model"]["weights"], options).model
        splits = facts_of(loaded)["files"]
        if list(loaded.class_names) != run["labels"] or splits != run["data"]["splits"]:
            raise InputError(
                f"{run['data']['path']} has changed since {folder} was begun ({splits}, not {run['data']['splits']}); "
                "train again into another folder"
            )
        team.check(facts_of(loaded))
        return _run(folder, model, loaded, run, recipe, watch, saved, team)


def _run(
    folder: Path,
    model: keras.Model,
    data: Data,
    run: dict[str, Any],
    recipe: Recipe,
    watch: Watch,
    saved: state.Saved | None,
    team: Team,
) -> TrainResult:
    model = team.adopt(model)
    stages = plan(model, recipe, pretrained=run["model"]["pretrained"], new_head=run["model"]["new_head"])
    recorder: Watch = watch
    if team.chief:
        history = History(folder, saved.place if saved else state.Place())
        recorder = _Recorder(watch, history)
    plain = in_full(model, folder, recipe)
    # A model on several devices is saved as it is, not with the best weights put in for the moment.
    keeper = Keeper(folder, model, plain, each=isinstance(team, Mirrored), writes=team.chief)
    trainer = Trainer(model, data, recipe, stages, keeper, watch=recorder, team=team)
    if team.chief and saved is None:
        history.follow(trainer.place)
    trainer.run(saved)
    metrics = None
    if team.chief:
        model = load_model(folder / MODEL)
        split = results.judged_split(data)
        # Of a head on features they are known already, in the precision that it was trained in.
        scores = None if plain else trainer.scores(split)
        figures = results.measure(results.predict(model, data, split) if scores is None else scores, data, split)
        results.write_figures(folder, data, trainer.place, figures)
        write_card(folder)
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    # The other workers wait until the chief has written all files.
    metrics = team.share(metrics)
    return TrainResult(folder, model, data, metrics["accuracy"], metrics, trainer.place.history, team.chief)


class _Recorder:
    """Writes the history, and passes all reports on."""

    def __init__(self, watch: Watch, history: History) -> None:
        self.batch, self.note = watch.batch, watch.note
        self._watch, self._history = watch, history

    def epoch(self, row: dict[str, Any]) -> None:
        self._history.add(row)
        self._watch.epoch(row)


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


def _sort(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Splits values into fields of the recipe and options of the model."""
    fields = field_types()
    given = {key: value for key, value in values.items() if value is not None}
    recipe = {key: value for key, value in given.items() if key in fields}
    return recipe, {key: value for key, value in given.items() if key not in fields}


def _is_pretrained(model: Any) -> bool:
    from zoo.weights import is_untrained

    return not is_untrained(model)


__all__ = ["TrainResult", "resume", "strategy_of", "train"]
