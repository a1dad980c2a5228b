"""Kills are real: the training runs in a process of its own."""

from __future__ import annotations

import dataclasses
import errno
import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo.errors import InputError, OutputError
from zoo.training import resume, train
from zoo.training.records.checkpoint import Checkpoint, TrainState, row_types, state_from
from zoo.training.tasks import columns
from zoo.training.tasks.classification import CLASSIFICATION

PROGRAM = Path(__file__).with_name("programs") / "slow_training.py"
OPTIONS: dict[str, Any] = {"epochs": 4, "dropout": 0.3}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
COLUMNS = columns(CLASSIFICATION)
STATE = TrainState(
    epochs_done=1, best=[0.5, -1.0], history=[{key: kind(1) for key, kind in row_types(COLUMNS).items()}]
)


@pytest.fixture(scope="session")
def unbroken(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return train("lenet", pictures, out=tmp_path_factory.mktemp("unbroken") / "run", **OPTIONS)


def break_off(command: list[str], pictures: Path, out: Path, at: str, number: int) -> tuple[int, str]:
    """Trains until a line is printed, then sends a signal; returns the exit code and the errors."""
    process = subprocess.Popen(
        [*command, str(PROGRAM), str(pictures), str(out), "0.05", json.dumps(OPTIONS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        if line.strip() == at:
            process.send_signal(number)
            break
    errors = process.communicate(timeout=120)[1]
    return process.returncode, errors


def same(first: Any, second: Any) -> None:
    for a, b in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    for key in ("val_loss", "val_accuracy", "learning_rate"):
        assert [r[key] for r in first.history] == pytest.approx([r[key] for r in second.history], abs=1e-3)
    assert first.accuracy == pytest.approx(second.accuracy, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    "at", ["batch 2 1", *(pytest.param(at, marks=pytest.mark.long) for at in ("batch 1 2", "batch 3 4"))]
)
def test_after_a_kill_the_result_is_that_of_an_unbroken_run(
    warm: list[str], pictures: Path, unbroken: Any, tmp_path: Path, at: str
) -> None:
    code, _ = break_off(warm, pictures, tmp_path / "run", at, signal.SIGKILL)
    assert code == -signal.SIGKILL
    done = resume(tmp_path / "run")
    assert len(done.history) == 4
    same(done, unbroken)
    with (tmp_path / "run" / "history.csv").open() as file:
        assert len(file.readlines()) == 5


@pytest.mark.slow
def test_ctrl_c_ends_after_the_step_and_loses_none(
    warm: list[str], pictures: Path, unbroken: Any, tmp_path: Path
) -> None:
    code, errors = break_off(warm, pictures, tmp_path / "run", "batch 2 3", signal.SIGINT)
    assert code == 1  # a script without the command's handler
    assert "TrainingStopped: stopped in epoch 2 after batch " in errors
    assert f"zoo train --resume {tmp_path / 'run'}" in errors
    state = Checkpoint(tmp_path / "run", COLUMNS).state
    assert state.epochs_done == 1
    assert state.batches >= 3
    same(resume(tmp_path / "run"), unbroken)


def test_what_cannot_be_resumed(pictures: Path, unbroken: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder .*none; a training that ends before its first"):
        resume(tmp_path / "none")
    with pytest.raises(InputError, match=r"holds no run of zoo train: there is no recipe\.toml in it"):
        resume(pictures)
    run = tmp_path / "run"
    shutil.copytree(unbroken.folder, run)
    (run / "state.npz").write_bytes((run / "state.npz").read_bytes()[:5000])
    with pytest.raises(InputError, match=r"state\.npz is damaged"):
        resume(run)
    shutil.copy(unbroken.folder / "state.npz", run)
    with pytest.raises(InputError, match="the saved model does not fit"):
        Checkpoint(run, COLUMNS).restore_model(zoo.build("lenet", num_classes=7))
    (run / "architecture.json").write_text("{}")
    with pytest.raises(InputError, match=r"architecture\.json cannot be read"):
        resume(run)


@pytest.mark.slow
def test_data_that_have_changed(pictures: Path, unbroken: Any, tmp_path: Path) -> None:
    run, data = tmp_path / "run", tmp_path / "data"
    shutil.copytree(unbroken.folder, run)
    shutil.copytree(pictures, data)
    text = (run / "resume.toml").read_text()
    assert str(pictures) in text
    (run / "resume.toml").write_text(text.replace(str(pictures), str(data)))
    assert resume(run).accuracy == unbroken.accuracy
    for path in sorted((data / "3").iterdir())[:9]:
        path.unlink()
    with pytest.raises(InputError, match="has changed since .* was begun"):
        resume(run)


@pytest.mark.slow
def test_a_run_of_an_older_version_has_its_paths_in_the_recipe(pictures: Path, unbroken: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(unbroken.folder, run)
    (run / "resume.toml").unlink()
    text = (run / "recipe.toml").read_text()
    (run / "recipe.toml").write_text(text.replace(f'path = "{pictures.name}"', f'path = "{pictures}"'))
    assert resume(run).accuracy == unbroken.accuracy


def test_a_run_that_was_given_on_says_that_its_data_are_not_here(
    unbroken: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(unbroken.folder, run)
    (run / "resume.toml").unlink()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"no data folder or \.csv file"):
        resume(run)
    (run / "resume.toml").write_text('data = 3\nweights = "none"\n')
    with pytest.raises(InputError, match="data is missing, or has another type"):
        resume(run)


def test_a_recipe_that_is_not_one(unbroken: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(unbroken.folder, run)
    text = (run / "recipe.toml").read_text()
    for old, new, name in (
        ("[versions]", "[version]", "versions"),
        ('name = "lenet"', "name = 3", "model.name"),
        ("path = ", "pfad = ", "data.path"),
    ):
        assert old in text
        (run / "recipe.toml").write_text(text.replace(old, new))
        with pytest.raises(InputError, match=f"holds no training to continue: {name} is missing, or has another type"):
            resume(run)


@pytest.mark.slow
@given(key=st.sampled_from([f.name for f in dataclasses.fields(TrainState)]), value=JSON)
@settings(max_examples=200)
def test_a_state_that_is_none(key: str, value: Any) -> None:
    values = dataclasses.asdict(STATE) | {key: value}
    try:
        state = state_from(values, COLUMNS)
    except (TypeError, ValueError):
        return
    # What is taken can be gone on with.
    assert isinstance(state.stage, int)
    assert state.stage >= 0
    assert all(set(row) == set(row_types(COLUMNS)) for row in state.history)
    assert state.best is None or [type(v) for v in state.best] == [float, float]


@pytest.mark.slow
def test_a_stage_that_there_is_not(unbroken: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(unbroken.folder, run)
    with np.load(run / "state.npz") as file:
        arrays = dict(file)
    place = json.loads(arrays["place"].tobytes()) | {"stage": 7, "done": False}
    arrays["place"] = np.frombuffer(json.dumps(place).encode(), np.uint8)
    np.savez(run / "state.npz", allow_pickle=False, **arrays)
    with pytest.raises(InputError, match="was stopped in stage 8, but its recipe has 1"):
        resume(run)


@pytest.mark.slow
def test_a_full_disk_leaves_no_half_a_run(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_text

    def full(path: Path, *arguments: Any, **options: Any) -> int:
        if path.name == "architecture.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match="No space left on device"):
        train("lenet", pictures, out=tmp_path / "run", epochs=1)
    assert list(tmp_path.iterdir()) == []
