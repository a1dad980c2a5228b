"""A model learns from a teacher's answers as well as from the labels: `teacher=` and `--teacher`."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from tests.conftest import Cli
from zoo.errors import InputError, OptionError, TrainingStopped
from zoo.progress import SILENT
from zoo.training import TrainResult, resume, train
from zoo.training.distillation.teacher import Teacher, read_teacher, teaching
from zoo.training.distributed.connect import connect
from zoo.training.feeds import make_feed
from zoo.training.inputs import describe_data
from zoo.training.optimizer import compile_model, make_optimizer
from zoo.training.recipe import Recipe, read_toml
from zoo.training.setup import Setup, prepare
from zoo.training.tasks.classification import CLASSIFICATION
from zoo.training.watch import NullWatch
from zoo.weights import load_model

OPTIONS: dict[str, Any] = {"epochs": 3, "dropout": 0.3, "augment": "light"}


class Told(NullWatch):
    """Keeps the notes, and sends Ctrl-C to this process after a batch."""

    def __init__(self, epoch: int = 0, batch: int = 0) -> None:
        self.at, self.notes = (epoch, batch), list[str]()

    def note(self, text: str) -> None:
        self.notes.append(text)

    def batch(self, stage: Any, epoch: int, batch: int, batches: int, loss: float) -> None:
        if (epoch, batch) == self.at:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def school(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """The run of the teacher, a LeNet."""
    return train("lenet", pictures, out=tmp_path_factory.mktemp("school") / "run", epochs=6)


@pytest.fixture(scope="module")
def teacher(school: TrainResult) -> Path:
    return school.folder / "model.keras"


@pytest.fixture(scope="module")
def unbroken(pictures: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    out = tmp_path_factory.mktemp("taught") / "run"
    return train("lenet", pictures, out=out, teacher=teacher, **OPTIONS)


@pytest.mark.slow
def test_a_teacher_alone_teaches_what_wrong_labels_hide(
    school: TrainResult, pictures: Path, teacher: Path, tmp_path: Path
) -> None:
    data = tmp_path / "wrong"
    for number, path in enumerate(sorted(pictures.glob("*/*.png"))):
        folder = data / str(number % 10)  # each folder holds pictures of all digits
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / f"{path.parent.name}-{path.name}")
    result = train("lenet", data, out=tmp_path / "run", epochs=4, teacher=teacher, teacher_weight=1.0)
    source = result.data.sources["validation"]
    seen = source.fetch(np.arange(len(source))).astype(np.float32)
    said, taught = (np.asarray(model(seen, training=False)).argmax(-1) for model in (result.model, school.model))
    assert (said == taught).mean() > 0.7
    assert (said == source.labels).mean() < 0.4


@pytest.mark.slow
def test_the_run_holds_its_teacher_without_its_place(unbroken: TrainResult, teacher: Path) -> None:
    folder, digest = unbroken.folder, hashlib.sha256(teacher.read_bytes()).hexdigest()
    text = (folder / "recipe.toml").read_text()
    assert read_toml(folder / "recipe.toml")["teacher"] == {"path": "model.keras", "sha256": digest}
    assert str(teacher.parent) not in text
    assert read_toml(folder / "resume.toml")["teacher"] == str(teacher)
    card = (folder / "README.md").read_text()
    assert f"- teacher: model.keras (SHA-256 {digest[:12]}...), weight 0.5, temperature 3.0" in card
    assert load_model(folder / "model.keras").compiled is False  # an ordinary model, which needs no teacher


@pytest.mark.slow
def test_a_stopped_training_goes_on_to_the_same_result(
    unbroken: TrainResult, pictures: Path, teacher: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(TrainingStopped, match="stopped in epoch 2 after batch 3 of 5"):
        train("lenet", pictures, out=out, teacher=teacher, watch=Told(2, 2), **OPTIONS)
    done = resume(out)
    for ours, theirs in zip(done.model.get_weights(), unbroken.model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    for key in ("val_loss", "val_accuracy"):
        assert [r[key] for r in done.history] == pytest.approx([r[key] for r in unbroken.history], abs=1e-3)


@pytest.mark.slow
def test_several_devices_learn_from_it_what_one_does(pictures: Path, teacher: Path, tmp_path: Path) -> None:
    one, mirrored = (
        train("lenet", pictures, out=tmp_path / name, teacher=teacher, epochs=1, strategy=name)
        for name in ("one", "mirrored")
    )
    assert one.history[0]["val_loss"] == pytest.approx(mirrored.history[0]["val_loss"], abs=1e-3)
    for ours, theirs in zip(one.model.get_weights(), mirrored.model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.slow
def test_resume_refuses_another_teacher_and_needs_none_at_the_end(
    unbroken: TrainResult, pictures: Path, teacher: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.keras"
    shutil.copy(teacher, own)
    with pytest.raises(TrainingStopped):
        train("lenet", pictures, out=tmp_path / "run", teacher=own, watch=Told(1, 2), **OPTIONS)
    shutil.copy(unbroken.folder / "model.keras", own)
    with pytest.raises(InputError, match=r"own\.keras is another file than the run was begun with \(SHA-256 [0-9a-f]"):
        resume(tmp_path / "run")
    own.unlink()
    with pytest.raises(InputError, match=r"the teacher .*own\.keras cannot be read: No such file"):
        resume(tmp_path / "run")
    shutil.copytree(unbroken.folder, tmp_path / "done")
    text = (tmp_path / "done" / "resume.toml").read_text()
    (tmp_path / "done" / "resume.toml").write_text(text.replace(str(teacher), str(own)))
    assert resume(tmp_path / "done").accuracy == unbroken.accuracy


def prepared(school: TrainResult, taught: Teacher, recipe: Recipe, folder: Path, *, new_head: bool) -> Setup:
    """Returns a training of a copy of the teacher's own model, with a head that begins elsewhere."""
    data = CLASSIFICATION.load(_data(school), (28, 28, 1), recipe, SILENT)
    model = load_model(school.folder / "model.keras")
    model.layers[-1].set_weights([0.3 * array for array in model.layers[-1].get_weights()])
    about = {"name": "lenet", "weights": "none", "pretrained": new_head, "new_head": new_head, "options": {}}
    run = {
        "model": about | {"strategy": "one", "task": CLASSIFICATION.name},
        "recipe": dataclasses.asdict(recipe),
        "data": {"path": _data(school), **describe_data(data)},
        "versions": {"edgezoo": zoo.__version__},
        "teacher": taught.facts(),
    }
    with connect("one", None, None, facts={}, note=print) as connected:
        return prepare(
            folder=folder, run=run, model=model, data=data, recipe=recipe, task=CLASSIFICATION, strategy=connected,
            teacher=taught,
        )  # fmt: skip


def _data(school: TrainResult) -> str:
    return str(read_toml(school.folder / "resume.toml")["data"])


@pytest.mark.slow
@pytest.mark.parametrize("cached", [True, False])
def test_the_loss_is_that_of_labels_and_teacher_by_their_weights(
    school: TrainResult, teacher: Path, tmp_path: Path, cached: bool
) -> None:
    """Computed by hand in NumPy, also on features that are computed once, with the teacher's answers beside them."""
    recipe = Recipe(epochs=1, head_epochs=1, teacher_weight=0.25, temperature=2.0, balance=False)
    setup = prepared(school, read_teacher(teacher), recipe, tmp_path / "run", new_head=cached)
    stage = setup.stages[0]
    assert stage.cached_features == cached
    feed = make_feed(setup, stage)
    compile_model(feed.model, make_optimizer(recipe, stage, setup.batches), setup.objective, recipe)
    found = feed.evaluate()
    source = setup.data.sources["validation"]
    pictures = source.fetch(np.arange(len(source))).astype(np.float32)
    scores, taught = (np.asarray(m(pictures, training=False), np.float64) for m in (setup.model, school.model))
    own = -np.log(scores[np.arange(len(scores)), source.labels])
    soft, learnt = (p**0.5 / (p**0.5).sum(axis=-1, keepdims=True) for p in (taught, scores))
    both = 0.75 * own + 0.25 * 4 * (soft * np.log(soft / learnt)).sum(axis=-1)
    assert found is not None
    assert found["loss"] == pytest.approx(both.mean(), rel=1e-3)
    assert abs(both.mean() - own.mean()) > 0.02  # the teacher's part is seen
    if cached:
        feed.fit(0, 0, [])
        assert (feed.evaluate() or {})["loss"] < found["loss"]


class Recorder:
    """A layer's stand-in, which keeps the sums of the pictures that it is given."""

    def __init__(self) -> None:
        self.sums: list[float] = []

    def __call__(self, pictures: Any) -> Any:
        import tensorflow as tf

        def keep(values: Any) -> Any:
            self.sums += np.sort(values.sum(axis=(1, 2, 3))).tolist()
            return np.float32(0)

        with tf.control_dependencies([tf.numpy_function(keep, [tf.cast(pictures, tf.float32)], tf.float32)]):
            return tf.identity(pictures)


@pytest.mark.slow
def test_the_teacher_sees_the_augmented_picture_that_the_model_sees(
    school: TrainResult, teacher: Path, tmp_path: Path
) -> None:
    recipe = Recipe(epochs=1, augment="standard", validation=0.2)
    setup = prepared(school, read_teacher(teacher), recipe, tmp_path / "run", new_head=False)
    by_model, by_teacher = Recorder(), Recorder()
    assert setup.objective.teaching is not None
    answers, call = setup.objective.teaching.answers, setup.model.call
    spying = dataclasses.replace(setup.objective.teaching, answers=lambda examples: answers(by_teacher(examples)))
    setup.model.call = lambda inputs, **others: call(by_model(inputs), **others)
    setup = dataclasses.replace(setup, objective=dataclasses.replace(setup.objective, teaching=spying))
    feed = make_feed(setup, setup.stages[0])
    compile_model(feed.model, make_optimizer(recipe, setup.stages[0], setup.batches), setup.objective, recipe)
    feed.fit(0, 0, [])
    assert len(by_teacher.sums) == 32 * setup.batches  # the last batch is filled up
    assert by_teacher.sums == by_model.sums
    plain = setup.data.sources["train"].fetch(np.arange(len(setup.data.sources["train"])))
    known = set(plain.astype(np.float64).sum(axis=(1, 2, 3)))
    assert len([one for one in by_teacher.sums if one in known]) < len(known) / 4  # they are augmented


def own_model(shape: tuple[int | None, ...], **options: Any) -> Any:
    """Returns a classifier with layers that answer otherwise while they learn."""
    import keras

    inputs = keras.Input(shape, **options)
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(inputs))
    x = keras.layers.Dropout(0.5)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(x), name="own")


def objective_of(model: Any, teacher: Any) -> Any:
    return teaching(teacher, model, CLASSIFICATION, None, Recipe())  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(40, 36, 3), (14, 14, 3), (None, None, 3), (28, 28, 1)])
def test_it_answers_in_its_own_input_size_as_it_does_in_use(shape: tuple[int | None, ...]) -> None:
    import tensorflow as tf

    teacher, pictures = own_model(shape), np.random.default_rng(0).uniform(0, 255, (3, 28, 28, 1)).astype(np.float32)
    size = [there or 28 for there in shape[:2]]
    seen = np.repeat(np.asarray(tf.image.resize(pictures, size, antialias=True)), shape[-1] or 1, axis=-1)
    found = objective_of(own_model((28, 28, 1)), teacher).answers(pictures)
    np.testing.assert_allclose(found, np.asarray(teacher(seen, training=False)), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((28, 28, 4), {}, r"takes \(28, 28, 4\), the model \(28, 28, 1\); pictures are resized"),
        ((28, 28, 3), {"batch_size": 8}, "takes batches of 8; give one that takes any number"),
    ],
)
def test_a_teacher_that_cannot_be_given_the_pictures(shape: Any, options: Any, message: str) -> None:
    with pytest.raises(OptionError, match=f"the teacher own {message}"):
        objective_of(own_model((28, 28, 1)), own_model(shape, **options))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("1023456789", r"has its classes in another order than the data \(number 0 is '1', not '0'\)"),
        ("012345678x", "does not know '9' and knows 'x' besides; give one that was trained on the classes"),
        ("012345678", "does not know '9'; give one"),
    ],
)
def test_a_teacher_of_other_classes_is_refused(
    teacher: Path, pictures: Path, tmp_path: Path, labels: str, message: str
) -> None:
    shutil.copy(teacher, tmp_path / "teacher.keras")
    (tmp_path / "labels.txt").write_text("".join(f"{one}\n" for one in labels))
    with pytest.raises(OptionError, match=rf"the teacher .*teacher\.keras {message}"):
        train("lenet", pictures, out=tmp_path / "run", teacher=tmp_path / "teacher.keras", epochs=1)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_teacher_without_names_is_taken_in_the_order_of_the_data(
    teacher: Path, pictures: Path, tmp_path: Path
) -> None:
    told, alone = Told(), tmp_path / "alone.keras"
    shutil.copy(teacher, alone)
    train("lenet", pictures, out=tmp_path / "run", teacher=alone, epochs=1, watch=told)
    assert "the teacher alone.keras has 61,706 parameters and sees each picture as 28x28x1" in told.notes
    assert any("alone.keras does not say its classes (there is no labels.txt beside it)" in one for one in told.notes)


@pytest.mark.slow
def test_what_is_no_teacher_is_said_in_a_line(pictures: Path, school: TrainResult, tmp_path: Path, cli: Cli) -> None:
    fresh = tmp_path / "fresh.keras"
    zoo.build("lenet", num_classes=10).save(fresh)
    few, pipe = tmp_path / "few.keras", tmp_path / "pipe.keras"
    os.mkfifo(pipe)
    own = load_model(school.folder / "model.keras")
    import keras

    keras.Model(own.inputs, keras.layers.Dense(4, activation="softmax")(own.layers[-2].output), name="few").save(few)
    for given, message in (
        (fresh, "has random weights, and nothing to teach"),
        (few, "few gives (4,), the data have 10 classes"),
        (tmp_path / "none.keras", "none.keras cannot be read: No such file"),
        (pipe, "is no file but a named pipe or a device"),
        (school.folder, f"is a folder; give a model's file: {school.folder / 'model.keras'}"),
    ):
        done = cli("train", "lenet", pictures, "--out", tmp_path / "run", "--teacher", given)
        assert done.code != 0
        assert len(done.err.splitlines()) == 1
        assert message in done.err
        assert not (tmp_path / "run").exists()


def test_its_options_are_for_a_training_with_a_teacher(pictures: Path, tmp_path: Path, cli: Cli) -> None:
    done = cli("train", "lenet", pictures, "--out", tmp_path / "run", "--temperature", "4")
    assert done.code != 0
    assert "--temperature 4.0 is for a training with a teacher; give --teacher MODEL.keras" in done.err
    assert not (tmp_path / "run").exists()
    with pytest.raises(OptionError, match=r"teacher_weight=0\.9 is for a training with a teacher"):
        train("lenet", pictures, out=tmp_path / "run", teacher_weight=0.9)


@pytest.mark.slow
def test_the_recipe_of_a_run_with_a_teacher_is_a_recipe_without_one(
    unbroken: TrainResult, pictures: Path, tmp_path: Path, cli: Cli
) -> None:
    recipe = unbroken.folder / "recipe.toml"
    done = cli("train", "lenet", pictures, "--recipe", recipe, "--epochs", "1", "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert "teacher" not in read_toml(tmp_path / "run" / "recipe.toml")
    assert "- teacher:" not in (tmp_path / "run" / "README.md").read_text()
