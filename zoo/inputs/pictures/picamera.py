"""Reads the frames of a Raspberry Pi's camera module with the system's picamera2."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import TimeoutError as TimeIsUp  # of Python 3.10, no TimeoutError
from typing import Any

from PIL import Image

from zoo.errors import InputError, MissingDependencyError, first_line
from zoo.system.quiet import quiet

NAME = "picamera2"
SIZE = (640, 480)
"""Width and height of the frames, which the camera's own processor scales."""
SECONDS = 10.0
"""Time limit for a frame; a module whose ribbon is loose opens and gives none."""
INSTALL = "sudo apt-get install python3-picamera2, in an environment of python3 -m venv --system-site-packages DIR"
GSTREAMER = (
    "with Debian's python3-opencv and gstreamer1.0-libcamera, --camera 'libcamerasrc ! "
    "video/x-raw,width=640,height=480 ! videoconvert ! video/x-raw,format=BGR ! appsink drop=1'"
)
"""What reads a camera module without picamera2."""


def is_picamera(camera: str) -> bool:
    """Whether this camera is meant for picamera2: `picamera2`, or `picamera2:N`."""
    return camera.partition(":")[0] == NAME


def picamera_frames(camera: str) -> Iterator[Image.Image]:
    """Yields the frames of a camera module without end, of 640x480 pixels; older ones are dropped.

    Args:
        camera: `picamera2`, or `picamera2:N` for the camera with the number N.

    Raises:
        InputError: there is no such camera, it cannot be opened, or it gives no picture within 10 seconds.
        MissingDependencyError: picamera2 cannot be imported.
    """
    number = _number(camera)
    with quiet():
        opened = _open(camera, number)
    try:
        while True:
            yield Image.fromarray(_frame(opened, camera))
    finally:
        with quiet():
            opened.close()


def _number(camera: str) -> int:
    number = camera.partition(":")[2]
    if camera != NAME and not (number.isascii() and number.isdecimal()):
        raise InputError(f"{camera!r} is no camera: give picamera2, or picamera2:N with the camera's number, from 0 on")
    return int(number or 0)


def _open(camera: str, number: int) -> Any:
    picamera2 = _picamera2()
    try:
        known = picamera2.Picamera2.global_camera_info()
    except Exception as error:  # libcamera raises what it likes
        raise InputError(f"libcamera cannot list the cameras: {first_line(error)}") from error
    if number >= len(known):
        found = ", ".join(f"{i} ({one.get('Model', 'unknown')})" for i, one in enumerate(known)) or "none"
        raise InputError(
            f"there is no camera {camera}; libcamera finds: {found}. Look at the ribbon, and at rpicam-hello "
            "--list-cameras"
        )
    opened = None
    try:
        opened = picamera2.Picamera2(number)
        # The name counts the bytes from the last one on: BGR888 gives arrays of red, green, blue, and RGB888 of blue.
        opened.configure(opened.create_video_configuration(main={"format": "BGR888", "size": SIZE}))
        opened.start()
    except Exception as error:
        if opened is not None:
            opened.close()
        raise InputError(
            f"cannot open the camera {camera} ({first_line(error)}): is another program using it, and may this user "
            "open it (group video)?"
        ) from error
    return opened


def _frame(opened: Any, camera: str) -> Any:
    """Returns the next frame, of shape (height, width, 3), red first, in 0..255."""
    try:
        return opened.capture_array("main", wait=False).get_result(timeout=SECONDS)
    except TimeIsUp as error:
        raise InputError(
            f"the camera {camera} opens, but gives no picture within {SECONDS:g} s; look at its ribbon, and try "
            "rpicam-hello"
        ) from error
    except Exception as error:
        raise InputError(f"the camera {camera} gives no more pictures: {first_line(error)}") from error


def _picamera2() -> Any:
    # It writes to standard error what libcamera does, line by line.
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")
    try:
        import picamera2
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"--camera picamera2 needs the system's picamera2 ({first_line(error)}): {INSTALL}; or, {GSTREAMER}"
        ) from error
    except Exception as error:  # a ValueError, where its libraries were built for numpy 1
        hint = "it was built for numpy 1: pip install 'numpy<2'" if "numpy" in str(error) else INSTALL
        raise MissingDependencyError(
            f"picamera2 is installed, but cannot be imported ({first_line(error)}): {hint}; or, {GSTREAMER}"
        ) from error
    return picamera2
