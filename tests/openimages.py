"""Fetches the detector that was trained on Open Images, with the npm client: MediaPipe's package holds it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

VERSION = "@mediapipe/objectron@0.4.1675468480"
MEMBER = "objectron_solution_packed_assets.data"
LABELS, END = 184, 9_987_912
"""The length of the label map, behind which the model stands, and that of both."""
SHA256 = "470986ca5df183f41698da6de74b027d838fe289d77b5ab094497d350bee664e"
MISSING = "the npm package @mediapipe/objectron cannot be had"


def fetch(folder: Path) -> Path:
    """Returns the file of the package that holds label map and model; skips the test where it cannot be had.

    npm keeps what it has fetched in a cache of its own.

    Args:
        folder: an empty folder, in which the file will be.
    """
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"{MISSING}: npm is not installed")
    command = [npm, "pack", "--prefer-offline", "--silent", "--pack-destination", str(folder), VERSION]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd=folder)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{MISSING}: npm took too long")
    packed = next(folder.glob("*.tgz"), None)
    if done.returncode or packed is None:
        pytest.skip(f"{MISSING}: npm ended with {done.returncode}")
    with tarfile.open(packed) as archive:
        member = archive.extractfile(f"package/{MEMBER}")
        assert member is not None
        content = member.read()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (END, SHA256)
    file = folder / MEMBER
    file.write_bytes(content)
    return file


def pictures() -> Path:
    """Returns the folder of scikit-image's photos; skips the test where it is not installed."""
    skimage = pytest.importorskip("skimage")  # the development environment has it
    return Path(skimage.__file__).parent / "data"
