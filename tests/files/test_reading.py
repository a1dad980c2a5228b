from __future__ import annotations

import os
from pathlib import Path

import pytest

from zoo.errors import InputError
from zoo.files import reading
from zoo.files.reading import decoded, decoded_as, read_list, read_text


def test_read_text(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeffKäse\nBrot\n".encode())
    assert read_text(path, "label file") == "Käse\nBrot\n"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=f"label file {path} is not UTF-8 text"):
        read_text(path, "label file")
    with pytest.raises(InputError, match=f"cannot read label file {tmp_path}: Is a directory"):
        read_text(tmp_path, "label file")
    with pytest.raises(InputError, match=r"cannot read label file .*: No such file"):
        read_text(tmp_path / "none", "label file")


def test_text_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "labels.txt"
    monkeypatch.setattr(reading, "MAX_TEXT", 1 << 20)
    path.write_text("x" * ((1 << 20) + 1))
    with pytest.raises(InputError, match=f"label file {path} has more than 1 MB; give a shorter one"):
        read_text(path, "label file")
    with pytest.raises(InputError, match="/dev/zero is no file but a named pipe or a device"):
        read_text(Path("/dev/zero"), "label file")
    lines = "a,b\r\n" * 1000
    path.write_bytes((lines + "x" * reading.MAX_LINE).encode())
    assert read_list(path, "data list") == lines.replace("\r", "") + "x" * reading.MAX_LINE
    path.write_text(lines + "x" * reading.MAX_LINE + "y")
    with pytest.raises(InputError, match=f"data list {path}, line 1001: it has more than 65536 characters"):
        read_list(path, "data list")
    path.write_text("," * 100_000 + "\n")
    with pytest.raises(InputError, match="line 1: it has more than 65536 characters"):
        read_list(path, "data list")


def test_the_null_device_is_an_empty_file_and_others_are_endless() -> None:
    assert not reading.is_endless("/dev/null")
    assert reading.is_endless("/dev/zero")


def test_a_list_with_empty_lines_may_be_longer_than_a_line(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    lines = "\n" + "cat\n" * reading.MAX_LINE
    path.write_text(lines)
    assert read_list(path, "labels") == lines
    path.write_text("\n\n" + "x" * (reading.MAX_LINE + 1) + "\n")
    with pytest.raises(InputError, match="line 3: it has more than 65536 characters"):
        read_list(path, "labels")


def test_a_file_of_exactly_the_most_bytes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1 << 20))
    assert reading.read_bytes(path, "list", 1 << 20) == bytes(1 << 20)
    with pytest.raises(InputError, match=r"^list .* has more than 0 MB; give a shorter one$"):
        reading.read_bytes(path, "list", (1 << 20) - 1)


def test_a_text_file_has_at_most_128_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.touch()
    os.truncate(path, (128 << 20) + 1)
    with pytest.raises(InputError, match=f"list {path} has more than 128 MB; give a shorter one"):
        reading.read_bytes(path, "list")


def test_a_text_that_is_not_what_its_mark_says_is_no_text() -> None:
    with pytest.raises(ValueError, match=r"^its bytes are no UTF-16$"):
        decoded_as(b"\xff\xfea")
    with pytest.raises(ValueError, match=r"^its bytes are no UTF-8$"):
        decoded_as(b"\xef\xbb\xbfcaf\xe9")


def test_half_of_zero_bytes_is_no_sign_of_another_encoding() -> None:
    # UTF-16 where more than half of the bytes at odd or even places are zero.
    assert decoded_as("cat".encode("utf-16-le")) == ("cat", "utf-16-le")
    assert decoded_as("cat".encode("utf-16-be")) == ("cat", "utf-16-be")
    with pytest.raises(ValueError, match="it holds zero bytes"):
        decoded_as(b"a\0bc")


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"", "utf-8"),
        (b"caf\xc3\xa9", "utf-8"),
        (b"caf\xe9", "Windows-1252"),
        (b"\xef\xbb\xbfcaf\xc3\xa9", "utf-8-sig"),
        (b"\xff\xfec\0a\0f\0\xe9\0", "utf-16"),
        (b"\xfe\xff\0c\0a\0f\0\xe9", "utf-16"),
    ],
)
def test_a_text_is_read_in_the_encoding_that_it_is_in(content: bytes, encoding: str) -> None:
    assert decoded_as(content) == ("caf\u00e9" if content else "", encoding)
    assert decoded(content) == ("caf\u00e9" if content else "")
