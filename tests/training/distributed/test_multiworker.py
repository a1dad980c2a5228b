"""Several workers are processes of their own on loopback; several devices are TensorFlow's logical ones."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.errors import OptionError
from zoo.training import train

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
PROGRAMS = Path(__file__).with_name("programs")
COMMAND: list[str] = []
"""The beginning of a worker's command, see `warm`."""


@pytest.fixture(scope="module", autouse=True)
def _use_warm_processes(warm: list[str]) -> None:
    COMMAND[:] = warm


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it said."""

    code: int
    said: dict[str, Any]


def begin(kind: str, target: Any, *, devices: int = 1, at: Any = None, **options: Any) -> subprocess.Popen[str]:
    """Starts a training: of lenet (`train`), of another model (`model`), or one that goes on (`resume`).

    `at` is an epoch, a batch of it, and the signal that the process sends to itself after that.
    """
    return subprocess.Popen(
        [*COMMAND, str(PROGRAMS / "worker.py"), json.dumps([kind, target, devices, at, options])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str], limit: float = 240) -> Ended:
    """Waits for a process; one that hangs is killed, and a failure."""
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail("the process hangs")
    lines = [line for line in out.splitlines() if line.startswith("{")]
    assert lines or process.returncode < 0, err[-3000:]
    return Ended(process.returncode, json.loads(lines[-1]) if lines else {})


def addresses(count: int = 2) -> list[str]:
    """Free ports of this machine."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    found = [f"localhost:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    return found


def begin_workers(kind: str, targets: Any, out: Path | None, at: dict[int, Any], **options: Any) -> list[Any]:
    """Starts two workers, with their own targets and signals; each could write its own folder."""
    workers = addresses()
    return [
        begin(
            kind,
            targets[index],
            at=at.get(index),
            workers=workers,
            index=index,
            **(options | ({"out": str(out / str(index)), "strategy": "multiworker"} if out else {})),
        )
        for index in range(2)
    ]


def rows(history: list[dict[str, Any]]) -> Any:
    return np.array([[row[key] for key in ("loss", "accuracy", "val_loss", "val_accuracy")] for row in history])


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory, digits: Any) -> str:
    """200 digits; 161 or so are for training, so that the last batch is smaller."""
    folder = tmp_path_factory.mktemp("few")
    for i, (picture, label) in enumerate(zip(digits[0][:200], digits[1][:200], strict=True)):
        (folder / str(label)).mkdir(exist_ok=True)
        Image.fromarray(picture[..., 0].astype(np.uint8)).save(folder / str(label) / f"{i:03}.png")
    return str(folder)


@pytest.fixture(scope="module")
def unbroken(few: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Ended]]:
    """A training of two workers."""
    out = tmp_path_factory.mktemp("unbroken")
    workers = begin_workers("train", [few, few], out, {}, epochs=3, batch_size=32)
    return out, [end(worker) for worker in workers]


def test_both_workers_do_the_same_and_the_chief_alone_writes(unbroken: tuple[Path, list[Ended]]) -> None:
    out, (chief, other) = unbroken
    assert (chief.code, other.code) == (0, 0)
    assert chief.said["batches"] == other.said["batches"]
    assert chief.said["weights"] == other.said["weights"]
    np.testing.assert_array_equal(rows(chief.said["history"]), rows(other.said["history"]))
    assert chief.said["history"][-1]["loss"] < chief.said["history"][0]["loss"] - 0.5
    assert (chief.said["chief"], other.said["chief"]) == (True, False)
    assert chief.said["accuracy"] == other.said["accuracy"]
    assert not (out / "1").exists()
    files = {path.name for path in (out / "0").iterdir()}
    assert {"model.keras", "state.npz", "history.csv", "metrics.json", "curves.png", "README.md"} <= files


def test_a_worker_that_dies_ends_the_other_and_both_go_on_to_the_same_result(
    few: str, unbroken: tuple[Path, list[Ended]], tmp_path: Path
) -> None:
    options = {"epochs": 3, "batch_size": 32}
    chief, other = begin_workers("train", [few, few], tmp_path, {1: (2, 3, signal.SIGKILL)}, **options)
    assert end(other).code == -signal.SIGKILL
    lost = end(chief, limit=60)
    assert lost.code == 1
    assert "worker 1 (localhost:" in lost.said["error"]
    assert "has ended or cannot be reached" in lost.said["error"]
    # The other one has no folder: it gets all from the chief.
    targets = [str(tmp_path / "0"), str(tmp_path / "nowhere")]
    resumed = [end(worker) for worker in begin_workers("resume", targets, None, {})]
    assert [worker.code for worker in resumed] == [0, 0]
    for worker in resumed:
        assert worker.said["weights"] == unbroken[1][0].said["weights"]
        np.testing.assert_array_equal(rows(worker.said["history"]), rows(unbroken[1][0].said["history"]))
    assert not (tmp_path / "nowhere").exists()


def test_the_chief_dies(few: str, tmp_path: Path) -> None:
    chief, other = begin_workers("train", [few, few], tmp_path, {0: (1, 2, signal.SIGKILL)}, epochs=3)
    assert end(chief).code == -signal.SIGKILL
    lost = end(other, limit=60)
    assert lost.code == 1
    assert "worker 0 (localhost:" in lost.said["error"]


def test_a_worker_that_hangs_ends_the_other(few: str, tmp_path: Path) -> None:
    chief, other = begin_workers("train", [few, few], tmp_path, {1: (2, 1, signal.SIGSTOP)}, epochs=3)
    try:
        lost = end(chief)
    finally:
        other.kill()
        other.communicate()
    assert lost.code == 1
    assert "has ended or cannot be reached" in lost.said["error"]


def test_a_signal_to_one_stops_both_after_the_same_step(few: str, tmp_path: Path) -> None:
    options = {"epochs": 3, "batch_size": 32}
    workers = begin_workers("train", [few, few], tmp_path, {1: (2, 2, signal.SIGTERM)}, **options)
    ended = [end(worker) for worker in workers]
    assert [worker.code for worker in ended] == [130, 130]
    for worker in ended:
        assert worker.said["error"].startswith("stopped in epoch 2 after batch 3 of ")
    assert not (tmp_path / "1").exists()


def test_workers_with_other_data_are_told_so(few: str, tmp_path: Path) -> None:
    shutil.copytree(few, tmp_path / "fewer")
    for path in list((tmp_path / "fewer").glob("*/*.png"))[:9]:
        path.unlink()
    chief, other = (
        end(worker) for worker in begin_workers("train", [few, str(tmp_path / "fewer")], tmp_path / "out", {}, epochs=1)
    )
    assert (chief.code, other.code) == (1, 1)
    assert other.said["error"].startswith("this worker has files {")
    assert chief.said["error"].startswith("another worker has other data")
    assert not (tmp_path / "out").exists()


def test_batch_normalization_is_equal_on_both(few: str, tmp_path: Path) -> None:
    options = {"epochs": 2, "batch_size": 64, "augment": "none"}
    target = ["normed", few]
    ended = [end(worker, 500) for worker in begin_workers("model", [target, target], tmp_path, {}, **options)]
    assert [worker.code for worker in ended] == [0, 0]
    assert ended[0].said["weights"] == ended[1].said["weights"]
    assert not np.isnan(rows(ended[0].said["history"])).any()


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


def command(few: str, tmp_path: Path, *options: tuple[str, ...]) -> list[tuple[int, str, str]]:
    """Runs `zoo train` on workers with these options; gives exit codes, what they print and their errors."""
    workers = ",".join(addresses(len(options)))
    common = ["train", "lenet", few, "--strategy", "multiworker", "--workers", workers, "--batch-size", "64"]
    processes = [
        subprocess.Popen(
            [*COMMAND, "zoo", *common, "--out", "run", "--index", str(index), *own],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        for index, own in enumerate(options)
    ]
    said = [process.communicate(timeout=240) for process in processes]
    return [(process.returncode, out, err) for process, (out, err) in zip(processes, said, strict=True)]


def test_the_command_line(few: str, tmp_path: Path) -> None:
    chief, other = command(
        few, tmp_path, ("--epochs", "1", "--export", "tflite", "--quantize", "int8"), ("--epochs", "1")
    )
    assert (chief[0], chief[2]) == (0, "")
    assert (other[0], other[2]) == (0, "")
    assert "epoch   1 (whole)" in chief[1]
    assert "lenet_int8.tflite" in chief[1]
    assert "epoch   1 (whole)" in other[1]
    assert other[1].endswith("done; worker 0 has run\n")
    assert (tmp_path / "run" / "lenet_int8.tflite").exists()


def test_the_command_line_with_other_options_on_each(few: str, tmp_path: Path) -> None:
    chief, other = command(few, tmp_path, ("--epochs", "1"), ("--epochs", "2"))
    assert (chief[0], other[0]) == (1, 1)
    assert chief[2] == "zoo: error: worker 1 has epochs 2, not 1; start all workers in the same way\n"
    assert other[2] == "zoo: error: this worker has epochs 2, not 1; start all workers in the same way\n"
    assert not (tmp_path / "run").exists()


def test_a_model_that_is_there_already_cannot_be_spread() -> None:
    with pytest.raises(OptionError, match="by name"):
        train(zoo.build("lenet"), "pictures", strategy="multiworker", workers=["a:1", "b:1"], index=0)


def test_workers_are_for_multiworker(few: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="workers and index are for strategy='multiworker', not for 'one'"):
        train("lenet", few, out=tmp_path / "run", workers=["a:1", "b:1"], index=0)


@pytest.mark.parametrize("index", [0, 1])
def test_a_worker_lost_while_tensorflow_connects_is_no_hang(index: int) -> None:
    done = subprocess.run(
        [*COMMAND, str(PROGRAMS / "left_alone.py"), *addresses(), str(index)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "connecting takes at most 2 s" in done.stdout
