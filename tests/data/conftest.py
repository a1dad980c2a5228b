"""Fixtures with folders of pictures like those of a user."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakePictures = Callable[..., None]


@pytest.fixture
def make_pictures() -> MakePictures:
    """Writes different pictures of noise: `make_pictures(folder, count, start=0, suffix=".png")`."""

    def make(folder: Path, count: int, start: int = 0, suffix: str = ".png") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(start, start + count):
            # The same number in another folder gives another picture; every run makes the same pictures.
            rng = np.random.default_rng([i, *"/".join(folder.parts[-2:]).encode()])
            Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).save(folder / f"{i:03}{suffix}")

    return make


@pytest.fixture
def pictures(tmp_path: Path, make_pictures: MakePictures) -> Path:
    """The class folders `cat` with 24 pictures and `dog` with 12."""
    make_pictures(tmp_path / "pictures" / "cat", 24)
    make_pictures(tmp_path / "pictures" / "dog", 12)
    return tmp_path / "pictures"


@pytest.fixture
def bad_pictures(pictures: Path, photos: tuple[Path, Path]) -> dict[Path, str]:
    """Files among `pictures` that are not pictures, with the expected message for each."""
    photo = photos[0].read_bytes()
    files = {
        "empty.jpg": (b"", "is not a picture that Pillow can open"),
        "cut.jpg": (photo[: len(photo) // 2], "image file is truncated"),
        "text.png": (b"no picture\n", "is not a picture that Pillow can open"),
        "head.jpg": (photo[:500], "cannot read"),
        "zeros.bmp": (bytes(4096), "is not a picture that Pillow can open"),
    }
    for name, (content, _) in files.items():
        (pictures / "dog" / name).write_bytes(content)
    (pictures / "dog" / "gone.jpg").symlink_to("nowhere.jpg")
    reasons = {pictures / "dog" / name: reason for name, (_, reason) in files.items()}
    return reasons | {pictures / "dog" / "gone.jpg": "No such file or directory"}
