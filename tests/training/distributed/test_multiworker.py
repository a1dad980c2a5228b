"""Several workers are processes of their own on loopback."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

import zoo
from tests.training.distributed.started import COMMAND, PROGRAMS, Ended, addresses, begin_workers, end, rows
from zoo.errors import OptionError
from zoo.training import train

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_workers")]


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
