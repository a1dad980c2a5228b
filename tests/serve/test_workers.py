from __future__ import annotations

import io
import random
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from zoo.errors import InputError
from zoo.runner import Classifier, load_image
from zoo.serve.workers import Pool, UnsupportedPictureError, available_formats


@pytest.fixture(scope="module")
def pool(model: Path) -> Iterator[Pool]:
    pool = Pool([Classifier(model)], max_pixels=1_000_000)
    yield pool
    pool.close()


def test_pixels_are_those_of_the_runner(pool: Pool, photos: tuple[Path, Path]) -> None:
    for photo in photos:
        assert (pool.decode(photo.read_bytes()).values == load_image(photo, 96, 96)).all()


def test_a_picture_that_lies_about_its_kind(pool: Pool) -> None:
    # PostScript is what Pillow would start another program for.
    for head in (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"II*\0\x08\0\0\0", b"P1\n"):
        with pytest.raises(InputError):
            pool.decode(head + bytes(100))


@pytest.mark.parametrize("kind", sorted({"JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "AVIF"} & {*available_formats()}))
def test_any_damage_is_an_input_error(pool: Pool, kind: str) -> None:
    rng = random.Random(0)
    buffer = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").resize((64, 48)).save(buffer, kind)
    whole = buffer.getvalue()
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(400):
            content = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.3 else whole)
            # Most of what can go wrong stands in the head.
            for _ in range(rng.randrange(1, 8)):
                place = rng.randrange(min(len(content), 200) or 1) if rng.random() < 0.7 else rng.randrange(len(whole))
                if place < len(content):
                    content[place] = rng.randrange(256)
            try:
                assert pool.decode(bytes(content)).values.shape == (96, 96, 3)
            except InputError:
                refused += 1
    assert refused > 20


def test_formats(pool: Pool) -> None:
    assert {"JPEG", "PNG", "GIF", "BMP", "PPM"} <= set(available_formats())
    with pytest.raises(UnsupportedPictureError, match="JPEG, PNG"):
        pool.decode(b"nothing")
