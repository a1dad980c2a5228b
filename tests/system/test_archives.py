"""Malicious zip archives."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

import pytest

from zoo.system.archives import MAX_DIRECTORY, ArchiveError, RefusedArchiveError, open_archive


def most(name: str) -> int | None:
    return {"text": 1000, "large": 1 << 40, "other": 1 << 40}.get(name)


def archive(*parts: tuple[str, bytes], packing: int = zipfile.ZIP_STORED) -> bytearray:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", packing) as new:
        for name, data in parts:
            new.writestr(name, data)
    return bytearray(content.getvalue())


def in_directory(content: bytearray, offset: int, form: str, value: int, entry: int = 0) -> bytearray:
    """Changes a field in an entry of the directory; offsets are those of APPNOTE 4.3.12."""
    at = -1
    for _ in range(entry + 1):
        at = content.index(b"PK\x01\x02", at + 1)
    struct.pack_into(form, content, at + offset, value)
    return content


def twice() -> bytearray:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return archive(("text", b"one"), ("text", b"two"))


FAULTS: dict[str, tuple[Callable[[], bytearray], str]] = {
    "a strange part": (lambda: archive(("../../evil", b"x")), "has a part '../../evil', which does not belong there"),
    "the same name twice": (twice, "has two parts called 'text'"),
    "encrypted": (lambda: in_directory(archive(("text", b"x")), 8, "<H", 1), "is encrypted"),
    "packed unusually": (
        lambda: archive(("large", b"x" * 100), packing=zipfile.ZIP_LZMA), r"packed in an unusual way \(14\)",
    ),
    "larger than allowed": (lambda: archive(("text", b"x" * 1001)), "has 1001 bytes; at most 1000 are read"),
    "claims more": (
        lambda: in_directory(archive(("large", b"x")), 24, "<L", 1 << 31), "claims 2147483648 bytes and has 1"
    ),
    "a bomb": (
        lambda: archive(("large", bytes(50 << 20)), packing=zipfile.ZIP_DEFLATED), "unpack from .* bytes to 52428800",
    ),
    "many small bombs": (
        lambda: archive(("large", bytes(1 << 20)), ("other", bytes(1 << 20)), packing=zipfile.ZIP_DEFLATED),
        "unpack from .* bytes to 2097152",
    ),
    "overlapping": (
        lambda: in_directory(archive(("large", b"x" * 99), ("other", b"y" * 99)), 42, "<L", 0, entry=1),
        "lies where another is",
    ),
    "beyond the end": (
        lambda: in_directory(
            in_directory(archive(("large", b"x")), 20, "<L", 1 << 20), 24, "<L", 1 << 20
        ),
        "or beyond its end",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_refused(fault: str) -> None:
    make, message = FAULTS[fault]
    with pytest.raises(RefusedArchiveError, match=message):
        open_archive(io.BytesIO(make()), most)


def test_a_directory_that_would_fill_the_memory_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    content = archive(("text", b"x"))
    end = content.index(b"PK\x05\x06")
    struct.pack_into("<L", content, end + 12, MAX_DIRECTORY + 1)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(RefusedArchiveError, match="its directory has more than"):
        open_archive(io.BytesIO(content), most)
    # The same with the record for large archives, from which zipfile takes the larger number.
    struct.pack_into("<L", content, end + 12, 1)
    record = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 1, 1, MAX_DIRECTORY + 1, 0)
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, end, 1)
    with pytest.raises(RefusedArchiveError, match="its directory has more than"):
        open_archive(io.BytesIO(content[:end] + record + locator + content[end:]), most)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06", bytes(70_000)])
def test_what_is_no_archive_is_an_error(content: bytes) -> None:
    with pytest.raises(ArchiveError, match="no zip archive"):
        open_archive(io.BytesIO(content), most)


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_honest_archives_are_read(packing: int) -> None:
    found = open_archive(io.BytesIO(archive(("text", b"{}" * 300), ("large", bytes(1000)), packing=packing)), most)
    assert (found.read("text"), found.read("large")) == (b"{}" * 300, bytes(1000))


def test_a_part_that_begins_in_the_last_bytes_of_another_is_refused() -> None:
    content = archive(("large", b"x" * 99), ("other", b"y" * 99))
    # A part has at least the 30 bytes of its header, and its data.
    with pytest.raises(RefusedArchiveError, match="'other' lies where another is"):
        open_archive(io.BytesIO(in_directory(content, 42, "<L", 30 + 99 - 1, entry=1)), most)


def test_a_large_directory_is_found_where_the_locator_points_to_and_right_before_it() -> None:
    content = archive(("text", b"x"))
    end = content.index(b"PK\x05\x06")

    def record(size: int) -> bytes:
        return b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 1, 1, size, 0)

    def with_records(pointed: bytes, before: bytes) -> io.BytesIO:
        locator = b"PK\x06\x07" + struct.pack("<LQL", 0, end, 1)
        return io.BytesIO(content[:end] + pointed + before + locator + content[end:])

    for records in ((record(MAX_DIRECTORY + 1), record(1)), (record(1), record(MAX_DIRECTORY + 1))):
        with pytest.raises(RefusedArchiveError, match="its directory has more than 1048576 bytes"):
            open_archive(with_records(*records), most)
    # Nothing else is needed before it.
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, 1, 1)
    with pytest.raises(RefusedArchiveError, match="its directory has more than 1048576 bytes"):
        open_archive(io.BytesIO(record((1 << 20) + 1) + locator + content[end:]), most)


@pytest.mark.parametrize("before", [b"\xff" * 56, b"PK\x06\x06"])
def test_what_is_no_record_before_or_behind_a_locator_is_not_read_as_one(before: bytes) -> None:
    content = archive(("text", b"x"))
    end = content.index(b"PK\x05\x06")
    # The locator points to the comment behind the end, which begins as a record does and is too short for one.
    last = content[end:-2] + struct.pack("<H", 4) + b"PK\x06\x06"
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, end + len(before) + 20 + 22, 1)
    assert _is_let_pass(content[:end] + before + locator + last)


def _is_let_pass(content: bytes | bytearray) -> bool:
    """Whether an archive is not refused; whether it is damaged is for Python to say."""
    try:
        return open_archive(io.BytesIO(content), most).read("text") == b"x"
    except RefusedArchiveError:
        return False
    except ArchiveError:
        return True


def test_an_empty_archive_has_no_parts() -> None:
    assert open_archive(io.BytesIO(archive()), most).namelist() == []


def test_the_limits_themselves_are_allowed() -> None:
    assert open_archive(io.BytesIO(archive(("text", b"x" * 1000))), most).read("text") == b"x" * 1000
    # Two parts of which the directory says how much they unpack to; a megabyte and twenty times their bytes at most.
    content = archive(("text", b"x"), ("large", b"y" * 50), packing=zipfile.ZIP_DEFLATED)
    sizes = [part.compress_size for part in zipfile.ZipFile(io.BytesIO(content)).infolist()]
    allowed = (1 << 20) + 20 * sum(sizes) - 1
    open_archive(io.BytesIO(in_directory(content, 24, "<L", allowed, entry=1)), most)
    with pytest.raises(RefusedArchiveError, match=f"its parts unpack from {sum(sizes)} bytes to {allowed + 2}"):
        open_archive(io.BytesIO(in_directory(content, 24, "<L", allowed + 1, entry=1)), most)
    directory = archive(("text", b"x"))
    struct.pack_into("<L", directory, directory.index(b"PK\x05\x06") + 12, 1 << 20)
    assert _is_let_pass(directory)
    # A part needs no more than the 30 bytes of its header in front of it.
    open_archive(
        io.BytesIO(in_directory(archive(("large", b"x" * 99), ("other", b"y")), 42, "<L", 30 + 99, entry=1)), most
    )


def test_a_part_that_ends_one_byte_behind_the_file_is_refused() -> None:
    content = archive(("text", b"x"), ("large", b"y"))
    start = zipfile.ZipFile(io.BytesIO(content)).getinfo("large").header_offset
    claimed = len(content) - start - 30 + 1
    for offset in (20, 24):
        content = in_directory(content, offset, "<L", claimed, entry=1)
    with pytest.raises(RefusedArchiveError, match="its part 'large' lies where another is, or beyond its end"):
        open_archive(io.BytesIO(content), most)


def test_an_archive_with_the_longest_comment_is_read() -> None:
    content = archive(("text", b"x"))
    commented = content[:-2] + struct.pack("<H", 0xFFFF) + b"c" * 0xFFFF
    assert open_archive(io.BytesIO(commented), most).read("text") == b"x"


def test_a_long_name_is_cut_in_the_refusal() -> None:
    with pytest.raises(RefusedArchiveError, match=f"^it has a part '{'x' * 80}', which does not belong there$"):
        open_archive(io.BytesIO(archive(("x" * 90, b"x"))), most)


def test_a_large_directory_is_found_behind_a_locator_with_which_the_file_begins() -> None:
    record = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 1, 1, MAX_DIRECTORY + 1, 0)
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, 20 + 22, 1)
    end = b"PK\x05\x06" + bytes(16) + struct.pack("<H", len(record))
    with pytest.raises(RefusedArchiveError, match="its directory has more than"):
        open_archive(io.BytesIO(locator + end + record), most)


def test_a_size_of_all_ones_stands_for_that_in_the_record() -> None:
    content = archive(("text", b"x"))
    end = content.index(b"PK\x05\x06")
    struct.pack_into("<L", content, end + 12, 0xFFFFFFFF)
    record = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 1, 1, 1, 0)
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, end, 1)
    assert _is_let_pass(content[:end] + record + locator + content[end:])
    with pytest.raises(RefusedArchiveError, match="its directory has more than"):
        open_archive(io.BytesIO(content), most)
