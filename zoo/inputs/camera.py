"""Reads the frames of a camera or a video file with OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from zoo.errors import InputError, MissingDependencyError, first_line
from zoo.quiet import quiet


def camera_frames(camera: str) -> Iterator[Image.Image]:
    """Yields the frames of a camera without end; frames that arrive while the caller is busy are dropped.

    Args:
        camera: the number of a V4L2 device (`0`: /dev/video0), its path, or a GStreamer pipeline that ends in `appsink`
            (a CSI camera on a Jetson; needs an OpenCV with GStreamer, which Debian's python3-opencv is).

    Raises:
        InputError: the camera cannot be opened, or stops.
        MissingDependencyError: OpenCV is not installed.
    """
    cv2 = _opencv()
    if "!" in camera:
        capture = _open(camera, cv2.CAP_GSTREAMER)
        hint = "does this OpenCV have GStreamer? The one from pip has not, Debian's python3-opencv has"
    else:
        device = Path(f"/dev/video{camera}" if camera.isdecimal() else camera)
        if not device.exists():
            found = ", ".join(str(path) for path in video_devices()) or "none"
            raise InputError(f"there is no camera {device}; cameras here: {found}")
        capture = _open(int(camera) if camera.isdecimal() else camera, cv2.CAP_V4L2)
        # A longer buffer would give a slow board frames that are several frames old.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        hint = "is another program using it, and may this user open it (group video)?"
    if not capture.isOpened():
        raise InputError(f"cannot open the camera {camera}: {hint}")
    yield from _frames(capture)
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
        raise MissingDependencyError(
            f"cameras and videos need OpenCV ({first_line(error)}): pip install 'edgezoo[camera]'"
        ) from error
    return cv2
