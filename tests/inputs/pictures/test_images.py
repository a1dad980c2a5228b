from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from zoo.errors import InputError
from zoo.inputs.preprocessing import RESIZES, Preprocessing, Resize
from zoo.runner import load_image


@pytest.fixture
def quadrants() -> Image.Image:
    """Makes a picture of 60x40: red and green above, blue and white below."""
    image = Image.new("RGB", (60, 40), "white")
    image.paste("red", (0, 0, 30, 20))
    image.paste("lime", (30, 0, 60, 20))
    image.paste("blue", (0, 20, 30, 40))
    return image


RED, LIME, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners(pixels: npt.NDArray[np.uint8]) -> list[tuple[int, ...]]:
    return [tuple(int(v) for v in pixels[y, x]) for y, x in ((1, 1), (1, -2), (-2, 1), (-2, -2))]


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "webp", "tiff", "ppm"])
def test_formats(quadrants: Image.Image, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture.{suffix}"
    quadrants.save(path)
    for source in (path, str(path), quadrants):
        pixels = load_image(source, 30, 20)
        assert pixels.shape == (20, 30, 3)
        assert pixels.dtype == np.uint8
        # JPEG is not exact.
        np.testing.assert_allclose(corners(pixels), [RED, LIME, BLUE, WHITE], atol=12)


def test_formats_that_may_be_read(quadrants: Image.Image, tmp_path: Path) -> None:
    quadrants.save(tmp_path / "q.png")
    assert load_image(tmp_path / "q.png", 8, 8, formats=["JPEG", "PNG"]).shape == (8, 8, 3)
    with pytest.raises(InputError, match=r"q\.png is a PNG file; of these kinds one can be read here: JPEG"):
        load_image(tmp_path / "q.png", 8, 8, formats=["JPEG"])


def test_a_real_photo(photos: tuple[Path, Path]) -> None:
    with Image.open(photos[1]) as image:
        width, height = image.size
        # The middle square at full size, which `crop` scales down.
        left = (width - height) // 2
        whole = np.asarray(image.convert("RGB").crop((left, 0, left + height, height)), np.float64)
    pixels = load_image(photos[1], 96, 96)
    assert pixels.shape == (96, 96, 3)
    means = [[block.mean() for block in np.array_split(row, 4, axis=1)] for row in np.array_split(whole, 4)]
    ours = [[block.mean() for block in np.array_split(row, 4, axis=1)] for row in np.array_split(pixels, 4)]
    np.testing.assert_allclose(ours, means, atol=4)


def test_crop_cuts_both_ends_of_the_longer_side() -> None:
    stripes = Image.new("RGB", (40, 20), "blue")
    stripes.paste("red", (10, 0, 30, 20))
    assert set(corners(load_image(stripes, 20, 20))) == {RED}
    assert set(corners(load_image(stripes.rotate(90, expand=True), 20, 20))) == {RED}


def test_pad_keeps_all_and_fills_with_black() -> None:
    pixels = load_image(Image.new("RGB", (40, 20), "red"), 20, 20, preprocessing=Preprocessing("pad"))
    assert set(corners(pixels)) == {(0, 0, 0)}
    assert [tuple(pixels[10, x]) for x in (0, 19)] == [RED, RED]
    assert int((pixels[:, 10, 0] == 255).sum()) == 10


def test_stretch_distorts(quadrants: Image.Image) -> None:
    pixels = load_image(quadrants, 20, 20, preprocessing=Preprocessing("stretch"))
    assert corners(pixels) == [RED, LIME, BLUE, WHITE]


def test_width_and_height_are_not_mixed_up(quadrants: Image.Image) -> None:
    assert load_image(quadrants, 31, 17).shape == (17, 31, 3)
    assert load_image(quadrants, 31, 17, 1).shape == (17, 31, 1)


def test_gray(quadrants: Image.Image) -> None:
    gray = load_image(quadrants, 60, 40, channels=1)
    # ITU-R 601: 0.299 R + 0.587 G + 0.114 B.
    assert [int(gray[y, x, 0]) for y, x in ((1, 1), (1, -2), (-2, 1), (-2, -2))] == [76, 150, 29, 255]
    assert set(corners(load_image(Image.new("L", (8, 8), 99), 4, 4, channels=3))) == {(99, 99, 99)}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(quadrants: Image.Image, tmp_path: Path, orientation: int) -> None:
    # A camera that is held in this way stores the picture turned, and writes down how.
    stored = {
        1: quadrants,
        2: quadrants.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: quadrants.transpose(Image.Transpose.ROTATE_180),
        4: quadrants.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: quadrants.transpose(Image.Transpose.TRANSPOSE),
        6: quadrants.transpose(Image.Transpose.ROTATE_90),
        7: quadrants.transpose(Image.Transpose.TRANSVERSE),
        8: quadrants.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.jpg"
    stored.save(path, exif=exif, quality=95)
    np.testing.assert_allclose(corners(load_image(path, 60, 40)), [RED, LIME, BLUE, WHITE], atol=12)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_becomes_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 4, 8))
    path = tmp_path / "clear.png"
    image.convert(mode).save(path)
    pixels = load_image(path, 8, 8)
    assert tuple(pixels[4, 0]) == (0, 0, 0)
    assert tuple(pixels[4, 7]) == WHITE


def test_sixteen_bit_gray(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((8, 8), 128 * 257, np.uint16)).save(path)
    assert set(corners(load_image(path, 8, 8))) == {(128, 128, 128)}


@pytest.mark.parametrize("mode", ["1", "CMYK", "YCbCr", "HSV", "F"])
def test_other_modes(mode: str) -> None:
    assert set(corners(load_image(Image.new("RGB", (8, 8), "white").convert(mode), 8, 8))) == {WHITE}


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert set(corners(load_image(tmp_path / "moving.gif", 8, 8))) == {RED}


def test_tiny_pictures_grow() -> None:
    assert set(corners(load_image(Image.new("RGB", (1, 1), "blue"), 32, 32))) == {BLUE}
    assert load_image(Image.new("RGB", (1, 500), "blue"), 32, 32).shape == (32, 32, 3)


def test_an_opened_picture_is_left_as_it_is(quadrants: Image.Image) -> None:
    before = quadrants.tobytes()
    load_image(quadrants, 8, 8, channels=1)
    assert quadrants.size == (60, 40)
    assert quadrants.tobytes() == before


def error_of(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_image(path, 8, 8)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_what_is_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("not a picture")
    assert error_of(path) == f"{path} is not a picture that Pillow can open"
    path.write_bytes(b"")
    assert error_of(path) == f"{path} is not a picture that Pillow can open"
    assert error_of(tmp_path) == f"cannot read {tmp_path}: Is a directory"
    assert error_of(tmp_path / "none.jpg") == f"cannot read {tmp_path / 'none.jpg'}: No such file or directory"


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "webp"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_truncated_pictures(photos: tuple[Path, Path], tmp_path: Path, suffix: str, share: float) -> None:
    buffer = io.BytesIO()
    with Image.open(photos[0]) as image:
        image.resize((160, 120)).save(buffer, {"jpg": "jpeg"}.get(suffix, suffix))
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(buffer.getvalue()[: int(len(buffer.getvalue()) * share)])
    error_of(path)


def test_a_bomb_is_not_decoded(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    path = tmp_path / "bomb.png"
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )
    assert "is too large to decode safely" in error_of(path)


@pytest.mark.slow
def test_decoding_at_a_smaller_scale_leaves_the_answers_as_they_are(photos: tuple[Path, Path], tmp_path: Path) -> None:
    """A net that was trained on small pictures of six regions of two photos recognizes them in large JPEGs."""
    import keras

    import zoo

    def crop(seed: int) -> tuple[Image.Image, int]:
        rng = np.random.default_rng(seed)
        region = seed % 6
        with Image.open(photos[region // 3]) as image:
            left, top = 200 * (region % 3) + int(rng.integers(0, 40)), int(rng.integers(0, 277))
            return image.crop((left, top, left + 200, top + 150)), region

    keras.utils.set_random_seed(0)
    small = [crop(seed) for seed in range(300)]
    pixels = np.stack([load_image(image, 48, 48) for image, _ in small])
    model = zoo.build("lenet", input_size=48, channels=3, num_classes=6)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(pixels.astype(np.float32), np.array([region for _, region in small]), epochs=12, verbose=0)
    drafted, full = [], []
    for seed in range(1000, 1024):
        path = tmp_path / f"{seed}.jpg"
        crop(seed)[0].resize((2000, 1500), Image.Resampling.BICUBIC).save(path, quality=90)
        drafted.append(load_image(path, 48, 48))
        with Image.open(path) as image:
            full.append(load_image(image.convert("RGB"), 48, 48))
    assert not np.array_equal(drafted, full)
    answers = [model.predict(np.stack(p).astype(np.float32), verbose=0).argmax(axis=1) for p in (drafted, full)]
    np.testing.assert_array_equal(*answers)
    # The net must be right mostly, or the comparison would mean nothing.
    assert (answers[0] == np.arange(1000, 1024) % 6).mean() > 0.7


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(640, 427), (427, 640), (1003, 701), (1280, 854)])
def test_decoding_at_a_smaller_scale_shifts_nothing(
    photos: tuple[Path, Path], tmp_path: Path, size: tuple[int, int], resize: Resize
) -> None:
    """If the scale does not divide a side, half a pixel too much would move the picture."""
    path = tmp_path / "odd.jpg"
    with Image.open(photos[0]) as image:
        image.resize(size, Image.Resampling.BICUBIC).save(path, quality=95)
    with Image.open(path) as image:
        full = load_image(image.convert("RGB"), 96, 96, preprocessing=Preprocessing(resize)).astype(float)
    ours = load_image(path, 96, 96, preprocessing=Preprocessing(resize)).astype(float)
    assert 0 < np.sqrt(np.mean((ours - full) ** 2)) < 2
    for axis in (0, 1):
        # A picture that is moved matches its neighbour on one side better.
        errors = [np.mean((np.roll(ours, step, axis)[4:-4, 4:-4] - full[4:-4, 4:-4]) ** 2) for step in (-1, 0, 1)]
        assert abs(errors[0] - errors[2]) < 0.2 * errors[0]


@given(
    across=st.integers(1, 90), down=st.integers(1, 90), width=st.integers(1, 40), height=st.integers(1, 40),
    resize=st.sampled_from(RESIZES),
)  # fmt: skip
def test_sizes_are_pillows(across: int, down: int, width: int, height: int, resize: Resize) -> None:
    values = np.random.default_rng(0).integers(0, 256, (down, across, 3), np.uint8)
    image = Image.fromarray(values)
    inner = round(min(width, height * across / down)), round(min(height, width * down / across))
    assume(resize != "pad" or all(inner))  # Pillow would reduce a line to nothing
    ways = {"crop": ImageOps.fit, "pad": ImageOps.pad}
    made = ways.get(resize, lambda i, size, how: i.resize(size, how))(image, (width, height), Image.Resampling.BILINEAR)
    ours = load_image(image, width, height, preprocessing=Preprocessing(resize))
    np.testing.assert_allclose(ours.astype(int), np.asarray(made).astype(int), atol=1)


def test_a_named_pipe_is_a_bad_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    for name in ("pipe.jpg", "zero.jpg"):
        with pytest.raises(
            InputError, match=rf"{name} is no file but a named pipe or a device; for standard input give -"
        ):
            load_image(tmp_path / name, 8, 8)


# Pillow leaves the closing of a pipe to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_pipe_from_a_shell_can_be_read(quadrants: Image.Image) -> None:
    """A pipe can be read, as in `zoo run model.tflite <(curl ...)`."""
    buffer = io.BytesIO()
    quadrants.save(buffer, "PNG")
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(buffer.getvalue())
    assert load_image(f"/dev/fd/{reader}", 8, 8).shape == (8, 8, 3)
    os.close(reader)


def test_more_than_the_memory_holds(quadrants: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quadrants.save(tmp_path / "q.png")

    def load(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(InputError, match=r"q\.png does not fit into the memory"):
        load_image(tmp_path / "q.png", 8, 8)
