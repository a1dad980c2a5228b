from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
import zoo.weights as weights_module
from zoo.training.records import checkpoint
from zoo.training.records import checkpointer as checkpointer_module
from zoo.training.records.checkpoint import Checkpoint, TrainState, row_types
from zoo.training.records.checkpointer import MODEL, Checkpointer
from zoo.training.tasks import columns
from zoo.training.tasks.classification import CLASSIFICATION
from zoo.weights import load_model

COLUMNS = columns(CLASSIFICATION)


@pytest.fixture
def model() -> Any:
    return zoo.build("mlp", num_classes=2, hidden=2, input_size=4)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A clock that stands still unless told otherwise; writing takes a second."""

    class Clock:
        now = 100.0

    def save(*arguments: Any) -> None:
        Clock.now += 1.0
        written(*arguments)

    written = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", save)
    monkeypatch.setattr(time, "perf_counter", lambda: Clock.now)
    return Clock


def become(model: Any, value: float) -> None:
    model.set_weights([np.full_like(w, value) for w in model.get_weights()])


def values(model: Any) -> set[float]:
    return {float(v) for w in model.get_weights() for v in np.unique(w)}


def epoch(checkpointer: Checkpointer, model: Any, number: int, *, better: bool) -> None:
    import keras

    become(model, float(number))
    optimizer = keras.optimizers.SGD()
    optimizer.build(model.trainable_variables)
    row = {key: kind(1) for key, kind in row_types(COLUMNS).items()}
    checkpointer.epoch(optimizer, TrainState(epochs_done=number, history=[row] * number), better=better)


def test_writing_takes_a_tenth_of_the_time(model: Any, clock: Any, tmp_path: Path) -> None:
    checkpointer = Checkpointer(tmp_path, model)
    written = []
    for number in range(1, 31):
        epoch(checkpointer, model, number, better=False)
        written.append(Checkpoint(tmp_path, COLUMNS).state.epochs_done)
        clock.now += 2.0
    # The first at once; a write of one second is followed by ten seconds without.
    assert sorted(set(written)) == [1, 6, 11, 16, 21, 26]


@pytest.mark.slow
def test_slow_epochs_are_all_written(model: Any, clock: Any, tmp_path: Path) -> None:
    checkpointer = Checkpointer(tmp_path, model)
    for number in range(1, 4):
        epoch(checkpointer, model, number, better=True)
        assert Checkpoint(tmp_path, COLUMNS).state.epochs_done == number
        assert values(load_model(tmp_path / MODEL)) == {float(number)}
        clock.now += 10.0


def test_the_best_waits_for_its_turn(model: Any, clock: Any, tmp_path: Path) -> None:
    checkpointer = Checkpointer(tmp_path, model)
    epoch(checkpointer, model, 1, better=True)
    epoch(checkpointer, model, 2, better=True)
    epoch(checkpointer, model, 3, better=False)
    assert values(load_model(tmp_path / MODEL)) == {1.0}
    weights = checkpointer.best_weights()
    assert weights is not None
    assert {float(w.max()) for w in weights} == {2.0}
    clock.now += 10.0
    epoch(checkpointer, model, 4, better=False)
    assert values(load_model(tmp_path / MODEL)) == {2.0}
    assert Checkpoint(tmp_path, COLUMNS).state.epochs_done == 4
    # What learns goes on as it was.
    assert values(model) == {4.0}
    weights = checkpointer.best_weights()
    assert weights is not None
    assert {float(w.max()) for w in weights} == {2.0}


@pytest.mark.parametrize("limit", [0, checkpointer_module.SMALL_BYTES])
def test_the_best_weights_are_those_of_the_file_whether_or_not_a_copy_is_kept(
    limit: int, model: Any, clock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpointer_module, "SMALL_BYTES", limit)
    checkpointer = Checkpointer(tmp_path, model)
    for number, better in ((1, True), (2, True), (3, False)):
        epoch(checkpointer, model, number, better=better)
        clock.now += 10.0
    read: list[Path] = []

    def recorded(path: Path) -> Any:
        read.append(path)
        return load_model(path)

    monkeypatch.setattr(weights_module, "load_model", recorded)
    weights = checkpointer.best_weights()
    assert weights is not None
    assert {float(w.max()) for w in weights} == {2.0}
    assert len(read) == (0 if limit else 1)


def test_the_best_of_a_finished_training_may_wait_for_its_calibration(model: Any, clock: Any, tmp_path: Path) -> None:
    import keras

    checkpointer = Checkpointer(tmp_path, model)
    epoch(checkpointer, model, 1, better=True)
    waits = [checkpointer.waits]
    epoch(checkpointer, model, 2, better=True)
    checkpointer.write(keras.optimizers.SGD(), TrainState(done=True), best=False)
    assert Checkpoint(tmp_path, COLUMNS).state.done
    waits.append(checkpointer.waits)
    assert values(load_model(tmp_path / MODEL)) == {1.0}
    become(model, 2.5)
    checkpointer.save_model()
    assert [*waits, checkpointer.waits] == [False, True, False]
    # It is not written a second time, as it was before.
    checkpointer.write_best()
    assert values(load_model(tmp_path / MODEL)) == {2.5}


def test_each_epoch_where_it_is_asked_for(model: Any, clock: Any, tmp_path: Path) -> None:
    checkpointer = Checkpointer(tmp_path, model, every_epoch=True)
    for number in range(1, 4):
        epoch(checkpointer, model, number, better=True)
        assert Checkpoint(tmp_path, COLUMNS).state.epochs_done == number


def test_a_worker_that_writes_nothing(model: Any, tmp_path: Path) -> None:
    checkpointer = Checkpointer(tmp_path, model, writes=False)
    epoch(checkpointer, model, 1, better=True)
    assert checkpointer.best_weights() is None
    assert list(tmp_path.iterdir()) == []
