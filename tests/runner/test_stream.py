"""Streams of pictures: results are in order, memory is limited, and a bad picture does not stop the rest."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.errors import InputError, ZooError
from zoo.export import to_tflite
from zoo.inputs.values import load_values
from zoo.runner import Classifier, find_pictures


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    path = tmp_path_factory.mktemp("stream") / "m.tflite"
    to_tflite(zoo.build("lenet", channels=3), path)
    return Classifier(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for i in range(30):
        place = tmp_path / ("a" if i % 2 else "b")
        place.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(place / f"{i:02}.png")
    (tmp_path / "a" / "15.png").write_bytes(b"not a picture")
    (tmp_path / "a" / ".hidden.png").write_bytes(b"")
    (tmp_path / "a" / "notes.txt").write_text("not one either")
    return tmp_path


def test_many_are_the_same_as_one_by_one(classifier: Classifier, folder: Path) -> None:
    paths = list(find_pictures([folder]))
    results = list(classifier.classify_many(paths, top_k=3, workers=3))
    assert [result.source for result in results] == paths
    for result in results:
        if result.error is None:
            assert result.predictions == classifier.classify(result.source, top_k=3)
    failed = [result for result in results if result.error is not None]
    assert [result.source for result in failed] == [folder / "a" / "15.png"]
    assert failed[0].predictions == []


def test_only_a_few_are_held(classifier: Classifier) -> None:
    asked = 0

    def endless() -> Iterator[Any]:
        nonlocal asked
        while True:
            asked += 1
            yield np.full((28, 28, 3), asked % 256, np.uint8)

    stream = classifier.classify_many(endless(), workers=2)
    for taken in range(1, 50):
        next(stream)
        assert asked <= taken + 5
    before = threading.active_count()
    stream.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name.startswith("ThreadPoolExecutor"):
            thread.join(timeout=5)
    assert threading.active_count() <= before


def test_pictures_are_found_in_order(folder: Path) -> None:
    found = [path.relative_to(folder).as_posix() for path in find_pictures([folder])]
    assert found == sorted(found)
    assert len(found) == 30
    assert "a/.hidden.png" not in found
    matched = sorted(find_pictures([str(folder / "**" / "0*.png")]))
    assert len(matched) == 10
    assert list(find_pictures([folder / "a" / "notes.txt"])) == [folder / "a" / "notes.txt"]


def test_nothing_to_find(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no pictures"):
        list(find_pictures([tmp_path]))
    with pytest.raises(InputError, match="nothing matches"):
        list(find_pictures([tmp_path / "*.jpg"]))
    with pytest.raises(InputError, match=r"holds no \.csv or \.npy files"):
        list(find_pictures([tmp_path], {".npy", ".csv"}))


def test_a_file_whose_name_is_a_pattern(tmp_path: Path) -> None:
    path = tmp_path / "photo[1].png"
    Image.new("RGB", (4, 4)).save(path)
    assert list(find_pictures([path])) == [path]


@pytest.mark.slow
def test_a_file_with_a_batch_takes_one_picture(tmp_path: Path, classifier: Classifier, folder: Path) -> None:
    model = zoo.build("lenet", channels=3)
    one = to_tflite(model, tmp_path / "1.tflite").path
    four = to_tflite(model, tmp_path / "4.tflite", batch=4).path
    picture = folder / "b" / "00.png"
    expected = Classifier(one).classify(picture)
    for ours, theirs in zip(Classifier(four).classify(picture), expected, strict=True):
        assert ours.index == theirs.index
        assert ours.score == pytest.approx(theirs.score, abs=1e-5)


@pytest.mark.slow
def test_sensor_values(tmp_path: Path) -> None:
    path = to_tflite(zoo.build("conv1d", width=16, channels=2), tmp_path / "m.tflite").path
    window = np.random.default_rng(0).normal(size=(16, 2)).astype(np.float32)
    np.save(tmp_path / "w.npy", window)
    np.savetxt(tmp_path / "w.csv", window, delimiter=",")
    classifier = Classifier(path)
    expected = classifier.classify(window)
    assert classifier.classify(tmp_path / "w.npy") == expected
    from_text = classifier.classify(tmp_path / "w.csv")
    assert [p.index for p in from_text] == [p.index for p in expected]
    with pytest.raises(InputError, match=r"give an array, or a \.npy or \.csv file"):
        classifier.classify(tmp_path / "photo.jpg")


def test_values_that_do_not_fit(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.zeros((3, 3)))
    with pytest.raises(InputError, match=r"shape \(3, 3\), the model takes \(16, 2\)"):
        load_values(tmp_path / "w.npy", (16, 2))
    np.save(tmp_path / "n.npy", np.full((16, 2), np.nan))
    with pytest.raises(InputError, match="not finite"):
        load_values(tmp_path / "n.npy", (16, 2))
    (tmp_path / "w.csv").write_text("1,2\n3,four\n")
    with pytest.raises(InputError, match="cannot read"):
        load_values(tmp_path / "w.csv", (2, 2))
    with pytest.raises(InputError, match="cannot read"):
        load_values(tmp_path / "missing.npy", (2, 2))


def test_pipes_and_devices_are_left_out(folder: Path) -> None:
    os.mkfifo(folder / "a" / "pipe.png")
    (folder / "a" / "zero.png").symlink_to("/dev/zero")
    (folder / "a" / "nothing.png").symlink_to("nowhere")
    found = {path.name for path in find_pictures([folder])}
    assert not found & {"pipe.png", "zero.png"}
    assert "nothing.png" in found  # the reader reports what is wrong with it


def test_a_folder_that_cannot_be_read_is_said_after_the_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = os.scandir

    def scandir(place: str) -> Any:
        if Path(place).name == "a":
            raise PermissionError(13, "Permission denied", place)
        return honest(place)

    monkeypatch.setattr("os.scandir", scandir)  # root can read every file
    found: list[Path] = []
    with pytest.raises(ZooError, match=r"cannot read .*/a: Permission denied"):
        found.extend(find_pictures([folder]))
    assert len(found) == 15


def test_values_from_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(InputError, match=r"pipe\.npy is no file but a named pipe or a device"):
        load_values(tmp_path / "pipe.npy", (2, 2))
