"""The browser gives a model the pixels that Python gives it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.web.javascript import evaluate, module
from zoo.inputs.preprocessing import RESIZES, Preprocessing
from zoo.runner import load_image

Array = npt.NDArray[Any]

MAIN = """
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
function toText(values) {
  let text = "";
  for (const value of values) text += String.fromCharCode(value);
  return btoa(text);
}
function main(cases) {
  return cases.map((one) => toText(toPixels({ ...one, data: bytes(one.data) }, one.input, one.stored)));
}
"""


def case(pixels: Array, shape: tuple[int, int, int], resize: str, stored: tuple[int, int] | None = None) -> Any:
    """Returns a picture `(height, width, 3)` and a model's input in the form that the script takes."""
    alpha = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    data = base64.b64encode(np.concatenate([pixels, alpha], axis=2).tobytes()).decode()
    height, width = pixels.shape[:2]
    return {
        "data": data, "width": width, "height": height, "input": {"shape": shape, "resize": resize}, "stored": stored,
    }  # fmt: skip


def to_pixels(cases: list[Any], request: pytest.FixtureRequest) -> list[Array]:
    found = evaluate(module("pixels.js") + MAIN, cases, request)
    return [
        np.frombuffer(base64.b64decode(text), np.uint8).reshape(one["input"]["shape"])
        for text, one in zip(found, cases, strict=True)
    ]


@pytest.mark.slow
def test_pictures_of_all_shapes_give_the_same_pixels(request: pytest.FixtureRequest) -> None:
    rng = np.random.default_rng(21)
    cases, expected = [], []
    for at in range(150):
        # Most are wider or taller than the input, some are smaller, some are lines.
        down, across = (int(side) for side in rng.integers(1, 240, 2))
        high, wide = (int(side) for side in rng.integers(1, 64, 2))
        channels, resize = (1, 3)[at % 2], RESIZES[at % 3]
        pixels = rng.integers(0, 256, (down, across, 3), dtype=np.uint8)
        cases.append(case(pixels, (high, wide, channels), resize))
        expected.append(load_image(Image.fromarray(pixels), wide, high, channels, Preprocessing(resize)))
    for one, ours, theirs in zip(cases, to_pixels(cases, request), expected, strict=True):
        about = f"{one['width']}x{one['height']} to {one['input']}"
        np.testing.assert_array_equal(ours, theirs, err_msg=about)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_a_large_jpeg_comes_close_to_pillows_reduced_decoding(
    channels: int, photos: tuple[Path, Path], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Each side has as many pixels as that of a photo of 12 megapixels has for a model of twice the size."""
    with Image.open(photos[1]) as photo:
        photo.resize((2016, 1512), Image.Resampling.BICUBIC).save(tmp_path / "large.jpg", quality=92)
    with Image.open(tmp_path / "large.jpg") as image:
        whole = np.asarray(image.convert("RGB"))
    expected = load_image(tmp_path / "large.jpg", 112, 112, channels).astype(int)
    shape = (112, 112, channels)
    reduced, full = to_pixels([case(whole, shape, "crop", (2016, 1512)), case(whole, shape, "crop")], request)
    assert np.abs(reduced - expected).mean() <= 0.5
    assert np.abs(reduced - expected).mean() < np.abs(full - expected).mean() / 2, "it would be as close without"


def test_the_size_of_a_jpeg_is_that_before_it_is_turned(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    files = {}
    kinds: dict[str, dict[str, Any]] = {"plain": {}, "turned": {"exif": exif}, "progressive": {"progressive": True}}
    for name, options in kinds.items():
        Image.new("RGB", (70, 30)).save(tmp_path / f"{name}.jpg", **options)
        files[name] = (tmp_path / f"{name}.jpg").read_bytes()
    Image.new("RGB", (70, 30)).save(tmp_path / "other.png")
    files |= {"png": (tmp_path / "other.png").read_bytes(), "cut": files["plain"][:20], "empty": b""}
    script = module("pixels.js") + "const main = (files) => files.map((file) => storedSize(Uint8Array.from(file)));"
    found = evaluate(script, [list(content) for content in files.values()], request)
    assert dict(zip(files, found, strict=True)) == {
        "plain": [70, 30], "turned": [70, 30], "progressive": [70, 30], "png": None, "cut": None, "empty": None,
    }  # fmt: skip
