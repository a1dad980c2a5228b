"""Fetches the detector that was trained on Open Images, with the npm client: MediaPipe's package holds it."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import pytest

from tests import npm

VERSION = "@mediapipe/objectron@0.4.1675468480"
MEMBER = "objectron_solution_packed_assets.data"
LABELS, END = 184, 9_987_912
"""The length of the label map, behind which the model stands, and that of both."""
SHA256 = "470986ca5df183f41698da6de74b027d838fe289d77b5ab094497d350bee664e"
MISSING = "the npm package @mediapipe/objectron cannot be had"


def fetch(folder: Path) -> Path:
    """Returns the file of the package that holds label map and model; skips the test where it cannot be had.

    Args:
        folder: an empty folder, in which the file will be.
    """
    with tarfile.open(npm.packed(VERSION, folder, MISSING)) as archive:
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
