from __future__ import annotations

import itertools
import json
import os
import sys
from concurrent.futures import Future
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

import zoo.inputs.pictures.picamera
from zoo.errors import InputError, MissingDependencyError
from zoo.inputs.pictures.camera import camera_frames

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Cli

RED_GREEN_BLUE = (200, 100, 50)


class Job:
    """What `capture_array(wait=False)` of picamera2 returns."""

    def __init__(self, frame: Any) -> None:
        self.future: Future[Any] = Future()
        if frame is not None:
            self.future.set_result(frame)

    def get_result(self, timeout: float | None = None) -> Any:
        return self.future.result(timeout)


class Picamera2:
    """Behaves as picamera2's class: cameras by number, one user at a time, configured before it is started."""

    cameras: ClassVar[list[dict[str, Any]]] = [{"Model": "imx219"}, {"Model": "imx708"}]
    frames: ClassVar[list[Any]] = []
    busy = False
    opened: ClassVar[list[Picamera2]] = []

    def __init__(self, camera_num: int = 0) -> None:
        os.write(2, b"[0:01:02] INFO Camera camera_manager.cpp:297 libcamera v0.3.2\n")  # its C++ does so
        if self.busy:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.number, self.started, self.closed = camera_num, False, False
        self.configuration: dict[str, Any] = {}
        self.left = iter(self.frames)
        Picamera2.opened.append(self)

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        return Picamera2.cameras

    def create_video_configuration(self, main: dict[str, Any]) -> dict[str, Any]:
        assert set(main) <= {"format", "size"}
        return {"main": {"format": "XBGR8888", "size": (1280, 720), **main}}

    def configure(self, configuration: dict[str, Any]) -> None:
        assert not self.started
        width, height = configuration["main"]["size"]
        assert not width % 2
        assert not height % 2
        self.configuration = configuration

    def start(self) -> None:
        assert self.configuration
        self.started = True

    def capture_array(self, name: str = "main", wait: bool | None = None) -> Any:
        assert self.started
        assert not self.closed
        assert wait is False, "this would wait for ever where no frame comes"
        stream = self.configuration[name]
        width, height = stream["size"]
        # libcamera names the bytes of a pixel from the last to the first.
        order = {"BGR888": [0, 1, 2], "RGB888": [2, 1, 0]}[stream["format"]]
        colour = next(self.left, None)
        if isinstance(colour, Exception):
            raise colour
        return Job(None if colour is None else np.full((height, width, 3), np.uint8(colour)[order], np.uint8))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def picamera2(monkeypatch: pytest.MonkeyPatch) -> type[Picamera2]:
    """The stand-in for the system's picamera2, with a camera that gives three frames."""
    monkeypatch.setitem(sys.modules, "picamera2", SimpleNamespace(Picamera2=Picamera2))
    monkeypatch.setattr(Picamera2, "opened", [])
    monkeypatch.setattr(Picamera2, "frames", [RED_GREEN_BLUE] * 3)
    monkeypatch.setattr(zoo.inputs.pictures.picamera, "SECONDS", 0.02)
    monkeypatch.setenv("LIBCAMERA_LOG_LEVELS", "*:ERROR")
    return Picamera2


def test_frames_are_red_first_and_the_camera_is_closed(
    picamera2: type[Picamera2], capfd: pytest.CaptureFixture[str]
) -> None:
    frames = list(itertools.islice(camera_frames("picamera2:1"), 2))
    assert [frame.size for frame in frames] == [(640, 480)] * 2
    assert frames[0].mode == "RGB"
    assert frames[0].getpixel((320, 240)) == RED_GREEN_BLUE
    (opened,) = picamera2.opened
    assert (opened.number, opened.closed) == (1, True)
    assert capfd.readouterr() == ("", "")  # what libcamera says while it opens the camera is no result


def test_no_number_is_the_first_camera(picamera2: type[Picamera2]) -> None:
    frames = camera_frames("picamera2")
    next(frames)
    frames.close()  # type: ignore[attr-defined]  # as when the command ends at --frames
    assert [(one.number, one.closed) for one in picamera2.opened] == [(0, True)]


def test_the_command_runs_on_its_frames(picamera2: type[Picamera2], lenet: Any, cli: Cli) -> None:
    done = cli("run", lenet.file, "--camera", "picamera2", "--frames", "2", "--json")
    assert (done.code, done.err) == (0, "")
    assert [json.loads(line)["file"] for line in done.out.splitlines()] == ["frame 1", "frame 2"]


def test_a_camera_that_gives_no_frame_is_an_error_after_a_while(picamera2: type[Picamera2]) -> None:
    picamera2.frames = []
    with pytest.raises(
        InputError, match=r"the camera picamera2 opens, but gives no picture within 0\.02 s; look at its"
    ):
        next(camera_frames("picamera2"))
    assert picamera2.opened[0].closed
    picamera2.frames = [RED_GREEN_BLUE, OSError("the device was removed")]
    frames = camera_frames("picamera2")
    next(frames)
    with pytest.raises(InputError, match="the camera picamera2 gives no more pictures: the device was removed"):
        next(frames)
    assert picamera2.opened[1].closed


def test_a_camera_that_is_not_there_or_in_use(picamera2: type[Picamera2], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        InputError, match=r"no camera picamera2:2; libcamera finds: 0 \(imx219\), 1 \(imx708\)\. Look at"
    ):
        next(camera_frames("picamera2:2"))
    monkeypatch.setattr(picamera2, "cameras", [])
    with pytest.raises(InputError, match="there is no camera picamera2; libcamera finds: none"):
        next(camera_frames("picamera2"))
    monkeypatch.setattr(picamera2, "cameras", [{}])
    monkeypatch.setattr(picamera2, "busy", True)
    with pytest.raises(
        InputError, match=r"cannot open the camera picamera2:0 \(Camera __init__ sequence did not compl"
    ):
        next(camera_frames("picamera2:0"))


@pytest.mark.parametrize("camera", ["picamera2:", "picamera2:x", "picamera2:-1", "picamera2:1:2", "picamera2:²"])
def test_what_is_no_number_of_a_camera(camera: str, picamera2: type[Picamera2]) -> None:
    with pytest.raises(InputError, match=r"is no camera: give picamera2, or picamera2:N with the camera's number"):
        next(camera_frames(camera))
    assert not picamera2.opened


def test_without_picamera2_the_lines_that_work_are_named(monkeypatch: pytest.MonkeyPatch, lenet: Any, cli: Cli) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    error = cli("run", lenet.file, "--camera", "picamera2").error
    assert "sudo apt-get install python3-picamera2" in error
    assert "--system-site-packages" in error
    assert "--camera 'libcamerasrc ! " in error


def test_a_picamera2_that_was_built_for_numpy_1_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "picamera2.py").write_text(
        "raise ValueError('numpy.dtype size changed, may indicate binary incompatibility. Expected 96, got 88')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingDependencyError, match=r"picamera2 is installed, but .* pip install 'numpy<2'; or, with"):
        next(camera_frames("picamera2"))
