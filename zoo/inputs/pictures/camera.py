"""Reads the frames of a camera or a video file, with OpenCV or picamera2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from zoo.errors import InputError, MissingDependencyError
from zoo.inputs.pictures.picamera import GSTREAMER, INSTALL, is_picamera, picamera_frames
from zoo.system.quiet import quiet


def camera_frames(camera: str) -> Iterator[Image.Image]:
    """Yields the frames of a camera without end; frames that arrive while the caller is busy are dropped.

    Args:
        camera: the number of a V4L2 device (`0`: /dev/video0), its path, `picamera2` or `picamera2:N` (a Raspberry Pi's
            camera module, by the system's picamera2), or a GStreamer pipeline that ends in `appsink` (a CSI camera on a
            Jetson; needs an OpenCV with GStreamer, which Debian's python3-opencv is).

    Raises:
        InputError: the camera cannot be opened, or stops.
        MissingDependencyError: OpenCV, or for such a camera picamera2, cannot be imported.
    """
    if is_picamera(camera):
        yield from picamera_frames(camera)
    cv2 = _opencv()
    module = ""
    if "!" in camera:
        capture = _open(camera, cv2.CAP_GSTREAMER)
        hint = "does this OpenCV have GStreamer? The one from pip has not, Debian's python3-opencv has"
        if "libcamerasrc" in camera:
            hint += "; libcamerasrc is in gstreamer1.0-libcamera"
    else:
        device = Path(f"/dev/video{camera}" if camera.isdecimal() else camera)
        module = camera_module(device)
        if not device.exists():
            found = ", ".join(str(path) for path in video_devices()) or "none"
            raise InputError(f"there is no camera {device}; cameras here: {found}{module and f'. {module}'}")
        capture = _open(int(camera) if camera.isdecimal() else camera, cv2.CAP_V4L2)
        # A longer buffer would give a slow board frames that are several frames old.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        hint = f"is another program using it, and may this user open it (group video)? {_NO_USB}"
    if not capture.isOpened():
        raise InputError(f"cannot open the camera {camera}: {module or hint}")
    frame = None
    for frame in _frames(capture):
        yield frame
    if frame is None:
        raise InputError(
            f"the camera {camera} opens, but gives no picture: {module or f'is another program using it? {_NO_USB}'}"
        )
    raise InputError(f"the camera {camera} gives no more pictures")


def video_frames(path: str | Path) -> Iterator[Image.Image]:
    """Yields all frames of a video file.

    Raises:
        InputError: the file cannot be read, or holds no frame.
        MissingDependencyError: OpenCV is not installed.
    """
    _opencv()
    if not Path(path).is_file():
        raise InputError(f"cannot read {path}: no such file")
    # OpenCV cannot mistake an absolute path for a pipeline, a pattern or an address.
    capture = _open(str(Path(path).resolve()), _opencv().CAP_FFMPEG)
    empty = True
    for frame in _frames(capture):
        empty = False
        yield frame
    if empty:
        raise InputError(f"{path} is not a video that OpenCV can read")


_RASPBERRY = (
    f"a Raspberry Pi's camera module goes through libcamera, not V4L2: --camera picamera2 ({INSTALL}); or, {GSTREAMER}"
    "; or, of one picture, rpicam-jpeg -n -o - | zoo run FILE -"
)
_JETSON = (
    "a Jetson's CSI camera goes through NVIDIA's GStreamer plugins, not V4L2: with an OpenCV that has GStreamer, "
    "--camera 'nvarguscamerasrc ! nvvidconv ! video/x-raw,format=BGRx ! videoconvert ! video/x-raw,format=BGR ! "
    "appsink drop=1'"
)
_NO_USB = f"If it is no USB camera: {_RASPBERRY}"

_MODULES = {
    "unicam": _RASPBERRY,
    "rp1-cfe": _RASPBERRY,
    "bcm2835-isp": _RASPBERRY,
    "pispbe": _RASPBERRY,
    "vi-output": _JETSON,
}
"""The line that works for a camera module, by how Linux names its devices; OpenCV opens them and gets no picture."""


def camera_module(device: Path, root: Path = Path("/")) -> str:
    """Says how a camera module on a board's ribbon is read; empty if a device is none.

    Args:
        device: a V4L2 device; if it is not there, all devices of the machine are looked at.
        root: where `sys` and `dev` are.
    """
    devices = [device] if device.exists() else video_devices(root)
    for one in devices:
        try:
            name = (root / "sys/class/video4linux" / one.name / "name").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for beginning, line in _MODULES.items():
            if name.startswith(beginning):
                return line
    return "" if device.exists() else _of_board(root)


def _of_board(root: Path) -> str:
    """The line for the camera module of this board; empty if it is a board of another kind, or none."""
    try:
        model = (root / "proc/device-tree/model").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return _RASPBERRY if model.startswith("Raspberry Pi") else _JETSON if "Jetson" in model else ""


def video_devices(root: Path = Path("/")) -> list[Path]:
    """Lists the V4L2 devices of this machine, below `root`."""
    return sorted((root / "dev").glob("video*"))


def _frames(capture: Any) -> Iterator[Image.Image]:
    try:
        while True:
            there, frame = capture.read()
            if not there:
                return
            yield Image.fromarray(frame[:, :, ::-1])  # OpenCV's pixels are blue, green, red
    finally:
        capture.release()


def _open(source: int | str, backend: int) -> Any:
    with quiet():
        return _opencv().VideoCapture(source, backend)


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        from zoo.machine.extras import how_to_install  # only where there is an error to tell
        from zoo.machine.loading import not_loaded

        problem = not_loaded("OpenCV", error, missing=how_to_install("camera"))
        raise MissingDependencyError(f"cameras and videos need OpenCV: {problem}") from error
    return cv2
