from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from zoo.errors import InputError
from zoo.inputs.pictures.camera import camera_frames, camera_module, video_devices, video_frames

if TYPE_CHECKING:
    from tests.conftest import Array, Cli

FRAMES = 12


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory, digits: tuple[Array, Array]) -> Path:
    """Writes a video of the digits 0, 1, 2..., four times their size."""
    import cv2

    path = tmp_path_factory.mktemp("video") / "digits.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (112, 112))
    assert writer.isOpened()
    for frame in expected_frames(digits):
        writer.write(frame[:, :, ::-1])
    writer.release()
    return path


def expected_frames(digits: tuple[Array, Array]) -> list[Any]:
    """Returns the first picture of each digit in turn; red is a little brighter than green and blue."""
    pictures, labels = digits
    frames = []
    for i in range(FRAMES):
        gray = pictures[np.flatnonzero(labels == i % 10)[0], ..., 0].astype(np.uint8)
        large = np.asarray(Image.fromarray(gray).resize((112, 112)))
        frames.append(np.stack([large // 2 + 120, large // 2, large // 2], axis=-1))
    return frames


def test_frames_of_a_video(video: Path, digits: tuple[Array, Array]) -> None:
    frames = list(video_frames(video))
    assert len(frames) == FRAMES
    for frame, expected in zip(frames, expected_frames(digits), strict=True):
        # Motion JPEG loses a little; colours in the wrong order would be far off.
        assert np.abs(np.asarray(frame, float) - expected).mean() < 8


@pytest.fixture(scope="module")
def digit_file(tmp_path_factory: pytest.TempPathFactory, trained_lenet: Any) -> Path:
    from zoo.export import to_tflite

    return to_tflite(trained_lenet, tmp_path_factory.mktemp("lenet") / "lenet.tflite").path


def test_a_video_is_named_frame_by_frame(video: Path, digit_file: Path, cli: Cli) -> None:
    done = cli("run", digit_file, "--video", video, "--top-k", "1")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert len(lines) == FRAMES
    for i, line in enumerate(lines):
        assert line.startswith(f"frame {i + 1} ")
        assert " fps  " in line
    done = cli("run", digit_file, "--video", video, "--json", "--frames", "7")
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [entry["file"] for entry in found] == [f"frame {i}" for i in range(1, 8)]
    right = sum(entry["predictions"][0]["index"] == i for i, entry in enumerate(found))
    assert right >= 6
    assert cli("run", digit_file, "--video", video, "--csv", "--top-k", "2").out.count("\n") == 1 + 2 * FRAMES


def test_what_is_no_video(tmp_path: Path, digit_file: Path, cli: Cli) -> None:
    with pytest.raises(InputError, match="no such file"):
        list(video_frames(tmp_path / "none.mp4"))
    (tmp_path / "text.mp4").write_text("no video")
    done = cli("run", digit_file, "--video", tmp_path / "text.mp4")
    assert done.code == 1
    assert f"{tmp_path}/text.mp4 is not a video that OpenCV can read" in done.error


def test_a_camera_that_is_not_there(digit_file: Path, cli: Cli, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no camera /dev/video77; cameras here: "):
        next(camera_frames("77"))
    assert "there is no camera /dev/video77" in cli("run", digit_file, "--camera", "77").error
    (tmp_path / "video0").write_text("no device")
    with pytest.raises(InputError, match=r"cannot open the camera .*video0: is another program using it"):
        next(camera_frames(str(tmp_path / "video0")))
    assert "goes through libcamera" in cli("run", digit_file, "--camera", tmp_path / "video0").error
    with pytest.raises(InputError, match="does this OpenCV have GStreamer"):
        next(camera_frames("nosuchsource ! appsink"))


class MuteCamera:
    """What OpenCV is on a Raspberry Pi: the device of the camera module opens, and gives some pictures or none."""

    CAP_V4L2, CAP_GSTREAMER, CAP_PROP_BUFFERSIZE = 200, 1800, 38
    frames = 0

    def __init__(self, *_: object) -> None:
        self.left = self.frames

    VideoCapture = classmethod(lambda cls, *_: cls())

    def set(self, *_: object) -> None:
        """Nothing."""

    def release(self) -> None:
        """Nothing."""

    def isOpened(self) -> bool:  # noqa: N802  # OpenCV's name
        return True

    def read(self) -> tuple[bool, Any]:
        self.left -= 1
        return (True, np.zeros((2, 2, 3), np.uint8)) if self.left >= 0 else (False, None)


@pytest.fixture
def mute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The device of such a camera."""
    monkeypatch.setitem(sys.modules, "cv2", MuteCamera)
    (tmp_path / "video0").touch()
    return tmp_path / "video0"


def test_a_camera_that_opens_and_gives_no_picture_names_libcamera_and_the_line_that_works(
    mute: Path, digit_file: Path, cli: Cli
) -> None:
    done = cli("run", digit_file, "--camera", mute)
    assert (done.code, done.out) == (1, "")
    assert f"the camera {mute} opens, but gives no picture: is another program using it?" in done.error
    assert "goes through libcamera" in done.error
    assert "--camera picamera2 (sudo apt-get install python3-picamera2" in done.error
    assert "--camera 'libcamerasrc ! " in done.error
    assert "rpicam-jpeg -n -o - | zoo run FILE -" in done.error


def test_a_camera_that_stops_is_another_thing(mute: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MuteCamera, "frames", 2)
    frames = camera_frames(str(mute))
    assert len([next(frames), next(frames)]) == 2
    with pytest.raises(InputError, match=r"video0 gives no more pictures$"):
        next(frames)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unicam-image", "libcamerasrc"),
        ("rp1-cfe-csi2_ch0", "libcamerasrc"),
        ("vi-output, imx219 7-0010", "nvarguscamerasrc"),
        ("HD Webcam: HD Webcam", ""),
    ],
)
def test_camera_modules_are_known_by_the_names_of_their_devices(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/video0").touch()
    (tmp_path / "sys/class/video4linux/video0").mkdir(parents=True)
    (tmp_path / "sys/class/video4linux/video0/name").write_text(f"{name}\n")
    for device in ("dev/video0", "dev/video7"):  # one that is there, and one that is not
        found = camera_module(tmp_path / device, tmp_path)
        assert (words in found) if words else not found
    assert not camera_module(tmp_path / "dev/video0", tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("model", "words"),
    [("Raspberry Pi 5 Model B Rev 1.0\0", "libcamerasrc"), ("NVIDIA Jetson Nano\0", "nvargus"), ("Other board", "")],
)
def test_a_board_without_a_video_device_names_its_camera_module(model: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/model").write_text(model)
    found = camera_module(tmp_path / "dev/video0", tmp_path)
    assert (words in found) if words else not found
    (tmp_path / "usb").touch()  # one that is there is no module
    assert not camera_module(tmp_path / "usb", tmp_path)


def test_a_pipeline_of_libcamera_that_fails_names_its_package() -> None:
    with pytest.raises(InputError, match=r"libcamerasrc is in gstreamer1\.0-libcamera"):
        next(camera_frames("libcamerasrc ! appsink"))


def test_video_devices(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    for name in ("video1", "video0", "vcs"):
        (tmp_path / "dev" / name).touch()
    assert video_devices(tmp_path) == [tmp_path / "dev/video0", tmp_path / "dev/video1"]
    assert video_devices(tmp_path / "nothing") == []


def test_without_opencv(digit_file: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    (tmp_path / "v.avi").touch()
    assert "pip install 'edgezoo[camera]'" in cli("run", digit_file, "--video", tmp_path / "v.avi").error


def test_one_kind_of_source(digit_file: Path, cli: Cli) -> None:
    for args in ([], ["a.jpg", "--camera", "0"], ["--camera", "0", "--video", "v.avi"]):
        done = cli("run", digit_file, *args)
        assert done.code == 2
        assert "give PHOTOS, or --camera, or --video" in done.error
    done = cli("run", digit_file, "a.jpg", "--frames", "3")
    assert done.code == 2
