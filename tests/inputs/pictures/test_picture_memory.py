"""The memory of decoding, measured in a process of its own for each kind of picture, is at most the estimate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests import costs
from zoo.errors import InputError
from zoo.inputs.pictures import picture_memory
from zoo.inputs.pictures.formats import is_installed
from zoo.inputs.pictures.images import to_pixels
from zoo.inputs.preprocessing import Preprocessing
from zoo.runner import load_image

SIZE = (3000, 2500)
PIXELS = SIZE[0] * SIZE[1]
MEASURE = Path(__file__).parents[1] / "programs" / "picture_peak.py"


def picture() -> Image.Image:
    across, down = (np.linspace(0, 255, n).astype(np.uint8) for n in SIZE)
    return Image.merge("RGB", [Image.fromarray(a) for a in map(np.ascontiguousarray, np.broadcast_arrays(
        across[np.newaxis], down[:, np.newaxis], (across[np.newaxis] // 2 + down[:, np.newaxis] // 2)
    ))])  # fmt: skip


def clear() -> Image.Image:
    image = picture()
    image.putalpha(image.getchannel("G"))
    return image


def few_colours() -> Image.Image:
    return picture().quantize(64, Image.Quantize.FASTOCTREE)


def deep(dtype: Any) -> Image.Image:
    return Image.fromarray(np.asarray(picture().convert("L")).astype(dtype) * 257)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


KINDS: dict[str, tuple[str, Callable[[], Image.Image], dict[str, Any], float]] = {
    # name: (format, picture, options of saving, bytes per pixel that the documentation allows)
    "RGB PNG": ("PNG", picture, {}, 8),
    "turned PNG": ("PNG", picture, {"exif": turned()}, 8),
    "RGBA PNG": ("PNG", clear, {}, 8),
    "gray and alpha PNG": ("PNG", lambda: clear().convert("LA"), {}, 8),
    "palette PNG": ("PNG", few_colours, {}, 5),
    "palette PNG with transparency": ("PNG", few_colours, {"transparency": bytes(range(64))}, 5),
    "gray PNG": ("PNG", lambda: picture().convert("L"), {}, 2),
    "16-bit gray PNG": ("PNG", lambda: deep(np.uint16), {}, 4),
    "1-bit PNG": ("PNG", lambda: picture().convert("1"), {}, 2),
    "animated PNG": ("PNG", picture, {"save_all": True, "append_images": [Image.new("RGB", SIZE)]}, 12),
    "GIF": ("GIF", few_colours, {"transparency": 3}, 6),
    "animated GIF": ("GIF", few_colours, {"save_all": True, "append_images": [clear()]}, 6),
    "BMP": ("BMP", picture, {}, 8),
    "PPM": ("PPM", picture, {}, 8),
    "JPEG": ("JPEG", picture, {}, 1),
    "progressive JPEG": ("JPEG", picture, {"progressive": True, "subsampling": 0}, 7),
    "progressive CMYK JPEG": ("JPEG", lambda: picture().convert("CMYK"), {"progressive": True}, 9),
    "float TIFF": ("TIFF", lambda: deep(np.float32), {"compression": "tiff_lzw"}, 16),
    "32-bit TIFF": ("TIFF", lambda: deep(np.int32), {}, 16),
    "CMYK TIFF of one strip": (
        "TIFF", lambda: picture().convert("CMYK"), {"compression": "tiff_lzw", "tiffinfo": {278: SIZE[1]}}, 16,
    ),
    "WebP": ("WEBP", picture, {"method": 0}, 20),
    "WebP without loss": ("WEBP", clear, {"lossless": True, "method": 0, "quality": 0}, 20),
    "animated WebP": ("WEBP", picture, {"method": 0, "save_all": True, "append_images": [Image.new("RGB", SIZE)]}, 20),
    "AVIF": ("AVIF", clear, {"speed": 10, "subsampling": "4:4:4"}, 24),
    "JPEG 2000": ("JPEG2000", picture, {}, 26),
}  # fmt: skip


Measure = Callable[..., tuple[int, int, int]]


@pytest.fixture(scope="module")
def measure() -> Iterator[Measure]:
    """Returns the peak memory, the estimate for one picture (both in bytes), and the number of decoded pictures.

    It takes a file, the number of threads, and the pixels of the budget.
    """
    # Freed memory is returned at once; otherwise the C library would keep some for each thread, depending on chance.
    variables = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", str(MEASURE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=variables,
    ) as process:
        costs.count(process.pid)

        def ask(path: Path, threads: int = 1, *budget: int) -> tuple[int, int, int]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps([str(path), threads, *budget]) + "\n")
            process.stdin.flush()
            took, needed, count = json.loads(process.stdout.readline())
            return took, needed, count

        yield ask


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_no_kind_takes_more_than_is_worked_out(name: str, measure: Measure, tmp_path: Path) -> None:
    kind, make, how, allowed = KINDS[name]
    if not is_installed(kind):
        pytest.skip(f"this Pillow has no {kind}")
    path = tmp_path / "picture"
    make().save(path, kind, **how)
    took, needed, _ = measure(path)
    assert took <= needed
    lines_and_files = 96 * 4 * sum(SIZE) + 64 * sum(SIZE) + 3 * path.stat().st_size
    assert needed <= allowed * PIXELS + picture_memory.SPARE + lines_and_files
    # The measurement must see something.
    assert took > 0.05 * needed


@pytest.mark.slow
def test_threads_together_take_no_more_than_they_share(measure: Measure, tmp_path: Path) -> None:
    """Decodes eight pictures at a time that take 8 bytes per pixel, of which two may be decoded at the same time."""
    path = tmp_path / "picture.png"
    clear().save(path)
    took, needed, count = measure(path, 8, 2 * (PIXELS + (4 << 20)))
    assert count == 8
    assert needed < took < 2 * needed + picture_memory.SPARE


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L", "P", "1", "CMYK", "I;16", "F"])
@pytest.mark.parametrize("channels", [1, 3])
def test_parts_give_the_pixels_of_the_whole(mode: str, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    image = clear().resize((301, 203))
    image = deep(np.uint16).resize((301, 203)) if mode == "I;16" else image.convert("RGB").convert(mode) if mode in {
        "CMYK", "F", "1", "P"} else image.convert(mode)  # fmt: skip
    if mode == "P":
        image.info["transparency"] = bytes(range(200))
    whole = load_image(image, 64, 48, channels)
    monkeypatch.setattr(picture_memory, "TILE", 1000)
    assert (load_image(image, 64, 48, channels) == whole).all()
    assert whole.std() > 1


@pytest.mark.parametrize("size", [(2_000_000, 1), (1, 2_000_000)])
def test_a_line_is_not_stretched_to_gigabytes(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="too long a line"):
        to_pixels(Image.new("L", size), 224, 224, 3, Preprocessing("stretch"), budget=picture_memory.budget(1_000_000))


def test_a_line_in_a_file_is_an_error_of_one_line(tmp_path: Path) -> None:
    Image.new("L", (1, 10_000_000)).save(tmp_path / "line.png")
    with pytest.raises(InputError, match=r"line\.png is damaged: 1x10000000 pixels are too long a line"):
        load_image(tmp_path / "line.png", 224, 224, preprocessing=Preprocessing("stretch"))
