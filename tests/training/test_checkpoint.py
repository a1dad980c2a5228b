from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.training import state
from zoo.training.checkpoint import MODEL, Keeper
from zoo.weights import load_model


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

    written = state.save
    monkeypatch.setattr(state, "save", save)
    monkeypatch.setattr(time, "perf_counter", lambda: Clock.now)
    return Clock


def become(model: Any, value: float) -> None:
    model.set_weights([np.full_like(w, value) for w in model.get_weights()])


def values(model: Any) -> set[float]:
    return {float(v) for w in model.get_weights() for v in np.unique(w)}


def epoch(keeper: Keeper, model: Any, number: int, *, better: bool) -> None:
    import keras

    become(model, float(number))
    optimizer = keras.optimizers.SGD()
    optimizer.build(model.trainable_variables)
    row = {key: kind(1) for key, kind in state.ROW.items()}
    keeper.epoch(optimizer, state.Place(epochs_done=number, history=[row] * number), better=better)


def test_writing_takes_a_tenth_of_the_time(model: Any, clock: Any, tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, model)
    written = []
    for number in range(1, 31):
        epoch(keeper, model, number, better=False)
        written.append(state.Saved(tmp_path).place.epochs_done)
        clock.now += 2.0
    # The first at once; a write of one second is followed by ten seconds without.
    assert sorted(set(written)) == [1, 6, 11, 16, 21, 26]


def test_slow_epochs_are_all_written(model: Any, clock: Any, tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, model)
    for number in range(1, 4):
        epoch(keeper, model, number, better=True)
        assert state.Saved(tmp_path).place.epochs_done == number
        assert values(load_model(tmp_path / MODEL)) == {float(number)}
        clock.now += 10.0


def test_the_best_waits_for_its_turn(model: Any, clock: Any, tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, model)
    epoch(keeper, model, 1, better=True)
    epoch(keeper, model, 2, better=True)
    epoch(keeper, model, 3, better=False)
    assert values(load_model(tmp_path / MODEL)) == {1.0}
    weights = keeper.best_weights()
    assert weights is not None
    assert {float(w.max()) for w in weights} == {2.0}
    clock.now += 10.0
    epoch(keeper, model, 4, better=False)
    assert values(load_model(tmp_path / MODEL)) == {2.0}
    assert state.Saved(tmp_path).place.epochs_done == 4
    # What learns goes on as it was.
    assert values(model) == {4.0}
    weights = keeper.best_weights()
    assert weights is not None
    assert {float(w.max()) for w in weights} == {2.0}


def test_each_epoch_where_it_is_asked_for(model: Any, clock: Any, tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, model, each=True)
    for number in range(1, 4):
        epoch(keeper, model, number, better=True)
        assert state.Saved(tmp_path).place.epochs_done == number


def test_a_worker_that_writes_nothing(model: Any, tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, model, writes=False)
    epoch(keeper, model, 1, better=True)
    assert keeper.best_weights() is None
    assert list(tmp_path.iterdir()) == []
