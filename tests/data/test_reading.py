from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.data.reading import Reader, in_threads, read_all
from zoo.errors import InputError
from zoo.export.checking import calibration
from zoo.inputs.pictures.formats import MAX_FILE_BYTES
from zoo.inputs.preprocessing import RESIZES, Preprocessing, Resize, is_picture
from zoo.progress import Lines
from zoo.runner import load_image


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_pixels_are_the_runners(tmp_path: Path, photos: tuple[Path, Path], resize: Resize, channels: int) -> None:
    """Training, calibration, evaluation and the device decode, orient and resize pictures in the same way."""
    reader = Reader((40, 56, channels), Preprocessing(resize))
    turned = tmp_path / "turned.jpg"
    with Image.open(photos[0]) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(turned, exif=exif)
        image.convert("RGBA").save(tmp_path / "alpha.png")
        image.resize((2000, 1333)).save(tmp_path / "large.jpg")
    for i in range(7):
        Image.new("RGB", (9, 7), (i, 200, 30)).save(tmp_path / f"{i}.png")
    paths = sorted(tmp_path.iterdir())
    store = np.zeros((len(paths), *reader.shape), np.uint8)
    findings = read_all(paths, reader, store)
    assert [finding.error for finding in findings] == [None] * len(paths)
    calibrated = calibration.from_folder(tmp_path, reader.shape, preprocessing=reader.preprocessing)
    order = list(calibrated.files)
    for path, pixels in zip(paths, store, strict=True):
        expected = load_image(path, 56, 40, channels, Preprocessing(resize))
        np.testing.assert_array_equal(pixels, expected)
        np.testing.assert_array_equal(reader.read(path), expected)
        np.testing.assert_array_equal(calibrated.inputs[order.index(path)], expected)


def test_bad_files_are_listed_and_the_others_are_read(pictures: Path, bad_pictures: dict[Path, str]) -> None:
    paths = [*bad_pictures, *sorted((pictures / "cat").iterdir())]
    messages: list[str] = []
    findings = read_all(paths, Reader((8, 8, 3)), progress=Lines(messages.append))
    for path, finding in zip(paths, findings, strict=True):
        if path in bad_pictures:
            assert finding.error is not None
            assert str(path) in finding.error
            assert bad_pictures[path] in finding.error
            with pytest.raises(InputError):
                Reader((8, 8, 3)).read(path)
        else:
            assert finding.error is None
            assert (finding.size, finding.mode) == ((16, 12), "RGB")
            assert len(finding.content) == 64
    assert len({finding.content for finding in findings if finding.error is None}) == 24
    assert messages[-1] == "reading pictures 30/30"


def test_windows(tmp_path: Path) -> None:
    window = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    np.save(tmp_path / "a.npy", window)
    np.savetxt(tmp_path / "b.csv", window, delimiter=",")
    np.save(tmp_path / "c.npy", window[:4])
    np.save(tmp_path / "d.npy", np.full((5, 2), np.nan))
    store = np.zeros((4, 5, 2), np.float32)
    findings = read_all(sorted(tmp_path.iterdir()), Reader((5, 2)), store)
    assert [finding.error is None for finding in findings] == [True, True, False, False]
    assert "shape (4, 2), the model takes (5, 2)" in str(findings[2].error)
    np.testing.assert_allclose(store[:2], [window, window], rtol=1e-6)


def test_threads_keep_the_order_and_work_side_by_side() -> None:
    together = threading.Barrier(2, timeout=20)

    def work(i: int) -> int:
        if i < 2:
            together.wait()
        time.sleep(0.002 * (i % 3))
        return i * i

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.data.reading.usable_cores", lambda: 2)
        assert list(in_threads(work, range(40))) == [i * i for i in range(40)]


def test_threads_stop_at_an_error() -> None:
    done = []

    def work(i: int) -> int:
        done.append(i)
        if i == 3:
            raise InputError("three")
        return i

    with pytest.raises(InputError, match="three"):
        list(in_threads(work, range(10_000)))
    assert len(done) < 1000


def test_the_function_is_the_runners() -> None:
    import zoo.data.reading
    import zoo.runner.predictor
    from zoo.inputs.pictures import images

    assert vars(zoo.data.reading)["load_image"] is images.load_image
    assert vars(zoo.runner.predictor)["read_picture"] is images.read_picture  # which load_image calls
    assert vars(zoo.data.reading)["load_values"] is vars(zoo.runner.predictor)["load_values"]


def test_a_named_pipe_is_a_bad_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    found, pixels = Reader((4, 4, 3)).examine(tmp_path / "pipe.png")
    assert found.error == f"{tmp_path / 'pipe.png'} is no file but a named pipe or a device"
    assert pixels is None


def test_a_file_too_large_for_a_picture_is_told_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(path)
    os.truncate(path, MAX_FILE_BYTES + 1)  # a sparse file, which takes no room on the disk
    finding, pixels = Reader((8, 8, 3)).examine(path)
    assert pixels is None
    assert f"cannot read {path}: it has {MAX_FILE_BYTES + 1} bytes or more" in str(finding.error)


def test_what_is_a_picture_is_asked_in_one_place() -> None:
    """Three axes alone make no picture: an array of six channels is read as values, as the device reads it."""
    for shape, pictures in {(8, 8, 3): True, (8, 8, 1): True, (8, 8, 6): False, (128, 6): False}.items():
        assert Reader(shape).takes_pictures is is_picture(shape) is pictures


def test_a_calibration_folder_for_an_array_of_six_channels_is_refused(pictures: Path) -> None:
    with pytest.raises(InputError, match=r"input \(8, 8, 6\) takes no pictures; give a \.npy file"):
        calibration.from_folder(pictures, (8, 8, 6))
    assert not (calibration.synthetic((8, 8, 6)).inputs > 10).any()
    assert calibration.synthetic((8, 8, 3)).inputs.max() > 200
