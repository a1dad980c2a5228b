from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import zoo
import zoo.cli
import zoo.export
from zoo.errors import InputError
from zoo.inputs.pictures import formats
from zoo.inputs.pictures.formats import MAX_FILE_BYTES, MAX_ICON_SIDE, PLUGINS, is_installed, kind_of
from zoo.runner import load_image

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n%%EndComments\nshowpage\n%%EOF\n"
SAVED = ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "PPM", "TIFF", "JPEG2000", "ICO"]


def encoded(kind: str, size: tuple[int, int] = (64, 64), **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", SAVED)
def test_each_kind_is_told_by_its_first_bytes(kind: str, tmp_path: Path) -> None:
    if not is_installed(kind):
        pytest.skip(f"this Pillow has no {kind}")
    content = encoded(kind)
    assert kind_of(content[:64]) == kind
    # The name of the file does not matter.
    for name in ("a.jpg", "a.eps", "a"):
        (tmp_path / name).write_bytes(content)
        assert load_image(tmp_path / name, 8, 8)[4, 4].tolist() == pytest.approx([255, 0, 0], abs=3)


@pytest.mark.parametrize("name", ["photo.jpg", "photo.eps", "photo.ps", "photo"])
def test_no_picture_starts_a_program(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    (tmp_path / name).write_bytes(POSTSCRIPT)
    with pytest.raises(
        InputError, match=rf"{name} is a PostScript file, which is not read here; save it as PNG or JPEG"
    ):
        load_image(tmp_path / name, 8, 8)
    with pytest.raises(InputError, match="PostScript"):
        load_image(io.BytesIO(POSTSCRIPT), 8, 8)
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"8BPS\0\1", "a Photoshop file"),
        (b"%PDF-1.7", "a PDF file"),
        (b"\xff\x0a\0\0", "a JPEG XL file"),
        (b"<html><body>404", "an HTML file"),
        (b"\xd7\xcd\xc6\x9a\0\0", "a Windows metafile file"),
    ],
)
def test_other_kinds_are_named(content: bytes, what: str) -> None:
    with pytest.raises(InputError, match=f"the picture is {what}, which is not read here"):
        load_image(io.BytesIO(content.ljust(100, b"\0")), 8, 8)


def test_heif_without_its_decoder_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLUGINS, "HEIF", "no_such_module")
    is_installed.cache_clear()
    content = struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + b"\0" * 64
    with pytest.raises(InputError, match="is a HEIF file, for which no decoder is installed; pip install pillow-heif"):
        load_image(io.BytesIO(content), 8, 8)
    is_installed.cache_clear()


def test_an_icon_that_holds_more_than_it_lists() -> None:
    png = encoded("PNG", (MAX_ICON_SIDE + 1, 8))
    icon = struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(png), 22) + png
    with pytest.raises(InputError, match=f"an icon of {MAX_ICON_SIDE + 1}x8 pixels"):
        load_image(io.BytesIO(icon), 8, 8)


def test_what_was_given_opened_stays_open(tmp_path: Path) -> None:
    """The file stays open also if the decoder would close it, as that of animations does."""
    (tmp_path / "a.gif").write_bytes(encoded("GIF"))
    with (tmp_path / "a.gif").open("rb") as file:
        for _ in range(2):
            assert load_image(file, 8, 8).shape == (8, 8, 3)
        assert not file.closed
    stream = io.BytesIO(encoded("GIF"))
    assert (load_image(stream, 8, 8) == load_image(stream, 8, 8)).all()


def test_pictures_are_opened_in_one_place_only() -> None:
    """Pictures opened in another place would not be limited to the list of formats."""
    # The packages export and cli are beside zoo in a checkout, but inside of it when it is installed.
    packages = {Path(package.__path__[0]).resolve() for package in (zoo, zoo.export, zoo.cli)}
    found = {
        path.resolve()
        for package in packages
        for path in package.rglob("*.py")
        if "Image.open(" in path.read_text(encoding="utf-8")
    }
    assert found == {Path(formats.__file__).resolve()}


def test_only_the_decoder_that_is_needed_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded("JPEG"))
    code = (
        "import sys; from zoo.runner import load_image; load_image(sys.argv[1], 8, 8)\n"
        "print(*(name for name in sys.modules if name.startswith('PIL.') and name.endswith('ImagePlugin')))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.jpg"], capture_output=True, text=True, check=True)
    loaded = {name.removeprefix("PIL.").removesuffix("ImagePlugin") for name in done.stdout.split()}
    # Pillow itself loads these at the first picture, in versions that ignore the suffix.
    assert loaded <= {"Jpeg", "Bmp", "Gif", "Ppm", "Png", "Tiff", "Mpo"}
    assert "Jpeg" in loaded


def test_a_file_too_large_for_a_picture_is_refused_before_it_is_read(tmp_path: Path) -> None:
    content = encoded("PNG")
    path = tmp_path / "a.png"
    path.write_bytes(content)
    os.truncate(path, MAX_FILE_BYTES + 1)  # a sparse file, which takes no room on the disk
    with path.open("rb") as opened:
        for source in (path, opened):
            with pytest.raises(InputError, match=f"it has {MAX_FILE_BYTES + 1} bytes or more; pictures of up to"):
                load_image(source, 8, 8)
