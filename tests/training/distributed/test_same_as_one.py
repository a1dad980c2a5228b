"""Several workers, or several devices of one, learn what one device does."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.distributed.started import begin, begin_workers, end, rows
from zoo.training import train

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_workers")]


@pytest.fixture(scope="module")
def ten_classes(few: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that knows ten classes."""
    return str(train("lenet", few, out=tmp_path_factory.mktemp("ten") / "run", epochs=1).folder / "model.keras")


@pytest.fixture(scope="module")
def alone(few: str, ten_classes: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one device makes of trainings that have no chance in them, with class weights and a small last batch."""
    folder = tmp_path_factory.mktemp("alone")
    five = folder / "five"
    for digit in range(5):
        shutil.copytree(Path(few) / str(digit), five / str(digit))
    for path in list((five / "3").iterdir())[::2]:
        path.unlink()
    options: dict[str, dict[str, Any]] = {
        "whole": {"epochs": 2, "batch_size": 31, "augment": "none", "label_smoothing": 0.1},
        "head": {"epochs": 1, "head_epochs": 2, "batch_size": 31, "augment": "none", "weights": ten_classes},
    }
    results = {name: train("lenet", five, out=folder / name, **values) for name, values in options.items()}
    return {
        "data": str(five),
        "options": options,
        "results": {name: rows(result.history) for name, result in results.items()},
    }


@pytest.mark.parametrize("what", ["whole", "head"])
def test_two_workers_learn_what_one_device_does(alone: dict[str, Any], what: str, tmp_path: Path) -> None:
    data = alone["data"]
    chief, other = (
        end(worker) for worker in begin_workers("train", [data, data], tmp_path, {}, **alone["options"][what])
    )
    assert (chief.code, other.code) == (0, 0)
    np.testing.assert_allclose(rows(chief.said["history"]), alone["results"][what], atol=0.02)
    assert chief.said["weights"] == other.said["weights"]


@pytest.mark.parametrize(("what", "devices"), [("whole", 3), ("head", 2)])
def test_mirrored_devices_learn_what_one_does(alone: dict[str, Any], what: str, devices: int, tmp_path: Path) -> None:
    options = alone["options"][what] | {"strategy": "mirrored", "out": str(tmp_path / "run")}
    stopped = end(begin("train", alone["data"], devices=devices, at=(1, 1, signal.SIGTERM), **options))
    assert stopped.code == 130
    assert stopped.said["error"].startswith("stopped in epoch 1 after batch 2 of 3")
    done = end(begin("resume", str(tmp_path / "run"), devices=devices))
    assert done.code == 0
    # What is known of the first epoch is what came after the stop.
    np.testing.assert_allclose(rows(done.said["history"])[1:], alone["results"][what][1:], atol=0.02)
    np.testing.assert_allclose(rows(done.said["history"])[0, 2:], alone["results"][what][0, 2:], atol=0.02)


def test_mixed_precision_and_xla(few: str, tmp_path: Path) -> None:
    options = {"epochs": 2, "batch_size": 32, "mixed_precision": True, "xla": True}
    ended = [end(worker) for worker in begin_workers("train", [few, few], tmp_path, {}, **options)]
    assert [worker.code for worker in ended] == [0, 0]
    assert ended[0].said["weights"] == ended[1].said["weights"]
    assert ended[0].said["history"][-1]["loss"] < ended[0].said["history"][0]["loss"]
