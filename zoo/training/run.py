"""Trains a model on a folder of files, into the folder of a run: `train` and `train_from`.

Each of them prepares a `Setup`, and `zoo.training.loop.fit` trains it. `zoo.training.continued` has `resume`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import OptionError
from zoo.progress import SILENT, Progress
from zoo.registry import needs_tensorflow
from zoo.specs import AUTO
from zoo.system.locks import exclusive
from zoo.training import start
from zoo.training.distillation.teacher import check as check_teacher
from zoo.training.distillation.teacher import hash_of, read_teacher, require_teacher
from zoo.training.distributed.connect import connect
from zoo.training.inputs import describe_copies, describe_data, facts_of, require_classes, skeleton_of
from zoo.training.loop import fit
from zoo.training.recipe import Recipe, default_recipe, field_types
from zoo.training.records.folder import begin_run, require_new, versions
from zoo.training.records.held_out import on_trained, record, trained_on
from zoo.training.records.results import TrainResult
from zoo.training.setup import Check, prepare
from zoo.training.unread import Kind, given_in, on_unread
from zoo.training.watch import NullWatch, Watch

if TYPE_CHECKING:
    import keras


def train(
    model: str | keras.Model,
    data: str | Path,
    *,
    out: str | Path | None = None,
    weights: str | Path | None = AUTO,
    recipe: Recipe | dict[str, Any] | None = None,
    teacher: str | Path | None = None,
    strategy: str = "one",
    workers: Sequence[str] | None = None,
    index: int | None = None,
    secret_file: str | Path | None = None,
    watch: Watch | None = None,
    progress: Progress = SILENT,
    check: Check | None = None,
    **values: Any,
) -> TrainResult:
    """Trains a model on labelled files: a classifier on classes, a detector on boxes.

        result = zoo.train("mobilenet_v2", "pictures", weights="imagenet", epochs=10)
        print(result.accuracy, result.folder)

    Args:
        model: the name of a model of the zoo, or a Keras model that takes raw pixels and ends in a softmax, or that
            carries anchors (`zoo.models.detectors.anchored`).
        data: class folders, `train` and `val` (and `test`) with class folders, or a CSV file; see `zoo.data.load`. For
            a detector labelled boxes; see `zoo.data.boxes.loading.load_boxes`.
        out: the run's folder, which must not exist; `runs/MODEL-DATA` by default.
        weights: the initial weights, see `zoo.build`; only for the name of a model. By default published ones where
            they exist and can be had at once, else random ones; the result's notes and the run's card say which.
        recipe: a recipe that replaces the model's own, or changes to that one.
        teacher: a `.keras` or `.h5` file with a trained model of the same classes, whose answers are learned as well as
            the labels, as the recipe's `teacher_weight` and `temperature` say; of several workers each needs it.
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
        `confusion.png`, `reliability.png` and `mistakes.png`, for detection `confusion.png` and `worst.png`.

    Raises:
        InputError: the data cannot be used.
        OptionError: a value is not allowed.
        WeightsError: the weights cannot be loaded.
        TrainingStopped: the training was stopped by Ctrl-C; `resume` continues it.
        TrainingError: the loss became NaN or infinite, or a worker is lost or was started with other arguments.
        OutputError: the folder cannot be written.
        MissingDependencyError: TensorFlow is not installed.
    """
    changes, options = _split_recipe_and_options(values)
    require_teacher(teacher, changes)
    with needs_tensorflow():
        import keras  # noqa: F401
    begun = start.find(model, weights, options, several=strategy == "multiworker", progress=progress)
    base = default_recipe(begun.name, pretrained=begun.pretrained)
    chosen = recipe if isinstance(recipe, Recipe) else base.change(recipe or {})
    folder = Path(out) if out is not None else Path("runs") / f"{begun.called}-{Path(data).resolve().stem}"
    meeting = Meeting(strategy, workers, index, secret_file)
    teacher = None if teacher is None else Path(teacher)
    return _train(
        begun,
        options,
        Path(data),
        folder,
        chosen.change(changes),
        teacher,
        meeting,
        watch or NullWatch(),
        progress,
        check,
        given_in(base, recipe, changes),
    )


def train_from(
    run: str | Path,
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    recipe: Recipe | dict[str, Any] | None = None,
    teacher: str | Path | None = None,
    strategy: str = "one",
    workers: Sequence[str] | None = None,
    index: int | None = None,
    secret_file: str | Path | None = None,
    watch: Watch | None = None,
    progress: Progress = SILENT,
    check: Check | None = None,
    **values: Any,
) -> TrainResult:
    """Trains the best model of a run further, as a new run in another folder.

        result = zoo.training.train_from("runs/lenet-digits", epochs=20)

    Model, data, recipe and split are those of the run; the optimizer and the schedule of the learning rate begin anew.
    The old folder is left as it is. Of several workers, each one needs it.

    Args:
        run: the folder of the run.
        data: other data, such as the same folder with more pictures; by default those of the run. With other classes
            the head is new.
        out: the new run's folder, which must not exist; by default the first free one of `RUN-2`, `RUN-3`...
        recipe: a recipe that replaces that of the run, or changes to it.
        teacher: as in `train`; the run's own teacher is not taken over.
        strategy: as in `train`.
        workers: as in `train`.
        index: as in `train`.
        secret_file: as in `train`.
        watch: as in `train`.
        progress: as in `train`.
        check: as in `train`.
        **values: fields of the recipe: `epochs`, `learning_rate`... Where `freeze` is `all`, `epochs` counts those of
            the head, unless `head_epochs` is given, too.

    Raises:
        InputError: the folder holds no run or no model, or the data cannot be used.
        OptionError: a field of the recipe would hold out files that the run was trained on, or as `train`.
        Otherwise as `train`.
    """
    changes, options = _split_recipe_and_options(values)
    require_teacher(teacher, changes)
    if options:
        raise OptionError(f"{sorted(options)[0]!r} is no field of a recipe, and the model's options are those of {run}")
    with needs_tensorflow():
        import keras  # noqa: F401
    begun, own, path = start.from_run(Path(run))
    chosen = (recipe if isinstance(recipe, Recipe) else own.change(recipe or {})).change(changes)
    given = given_in(own, recipe, changes)
    if chosen.freeze == "all" and "epochs" in given and "head_epochs" not in given:
        # Only the head goes on, so that its epochs are those that are meant.
        chosen, given = chosen.change({"head_epochs": chosen.epochs}), given - {"epochs"}
    folder = Path(out) if out is not None else start.next_to(Path(run))
    meeting = Meeting(strategy, workers, index, secret_file)
    teacher = None if teacher is None else Path(teacher)
    return _train(
        begun,
        {},
        Path(data or path),
        folder,
        chosen,
        teacher,
        meeting,
        watch or NullWatch(),
        progress,
        check,
        given,
    )


def train_start(
    begun: start.Start,
    data: str | Path,
    *,
    out: str | Path,
    recipe: Recipe,
    teacher: Path | None = None,
    watch: Watch | None = None,
    progress: Progress = SILENT,
    check: Check | None = None,
    given: frozenset[str] = frozenset(),
) -> TrainResult:
    """Trains what another module prepares, such as a pruned model, on one device.

    Args:
        begun: the model, or how it is built.
        data: as in `train`.
        out: the run's folder, which must not exist.
        recipe: the recipe.
        teacher: as in `train`.
        watch: as in `train`.
        progress: as in `train`.
        check: as in `train`.
        given: the fields of the recipe that the user gave.

    Raises:
        As `train`.
    """
    return _train(
        begun=begun, options={}, path=Path(data), folder=Path(out), recipe=recipe, teacher=teacher,
        meeting=Meeting("one", None, None, None), watch=watch or NullWatch(), progress=progress, check=check,
        given=given,
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Meeting:
    """How the processes and devices of a training are found; see `train`."""

    strategy: str
    workers: Sequence[str] | None
    index: int | None
    secret_file: str | Path | None


def _train(
    begun: start.Start,
    options: dict[str, Any],
    path: Path,
    folder: Path,
    recipe: Recipe,
    teacher: Path | None,
    meeting: Meeting,
    watch: Watch,
    progress: Progress,
    check: Check | None,
    given: frozenset[str],
) -> TrainResult:
    """Trains in a new folder; errors as `train`."""
    import keras

    start.check_own_model(begun, options, recipe, meeting.strategy)
    task = begun.task()
    facts = {"model": begun.called, "options": options, "pretrained": begun.pretrained, **dataclasses.asdict(recipe)}
    facts |= {"versions": versions(), "teacher": None if teacher is None else hash_of(teacher)}
    with (
        connect(
            meeting.strategy, meeting.workers, meeting.index, secret_file=meeting.secret_file, facts=facts,
            note=watch.note,
        ) as connected,
        exclusive(folder, needed=connected.is_chief),
    ):  # fmt: skip
        if connected.is_chief:
            require_new(folder)
        # Read first: a model that is read may draw random numbers.
        taught = None if teacher is None else read_teacher(teacher)
        keras.utils.set_random_seed(recipe.seed)
        skeleton = skeleton_of(begun.name or begun.model, begun.options)
        loaded = task.load(path, skeleton.input_shape[1:], recipe, progress)
        require_classes(options, loaded)
        connected.require_equal(facts_of(loaded))
        watch.data(loaded.report)
        for note in (*begun.notes, begun.on_weights(loaded, details=True) if not begun.run else ""):
            if note:
                watch.note(note)
        built = begun.build(loaded, recipe, progress, skeleton)
        if begun.name is None:
            task.check(built.model, loaded)
        notes = [*start.adapt(task, built, loaded, recipe), *(check_teacher(taught, task, loaded) if taught else ())]
        if check is not None:
            check(built.model, loaded)
        run = {
            "model": begun.facts(built, recipe, loaded) | {"strategy": meeting.strategy, "task": task.name},
            "recipe": dataclasses.asdict(recipe),
            "data": {"path": str(path.absolute()), **describe_data(loaded)},
            "versions": versions(),
            **({} if taught is None else {"teacher": taught.facts()}),
        }
        # Errors in these are found before the folder is made.
        setup = prepare(
            folder=folder,
            run=run,
            model=built.model,
            data=loaded,
            recipe=recipe,
            task=task,
            strategy=connected,
            teacher=taught,
            watch=watch,
        )
        known = [] if begun.folder is None else trained_on(begun.folder, loaded)
        notes.append(on_trained(known, loaded, begun.run, begun.recipe or recipe, recipe, given))
        notes += on_unread(Kind(setup, start.adapts(built)), given)
        if connected.is_chief:
            begin_run(folder, run, loaded.class_names, built.model)
            if known:
                record(folder, loaded, known)
        for note in (*built.notes, *notes, describe_copies(loaded, recipe) if setup.stages else ""):
            if note:
                watch.note(note)
        return fit(setup)


def _split_recipe_and_options(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Splits values into fields of the recipe and options of the model; None stands for a value that is not given."""
    fields = field_types()
    given = {key: value for key, value in values.items() if value is not None}
    recipe = {key: value for key, value in given.items() if key in fields}
    return recipe, {key: value for key, value in given.items() if key not in fields}
