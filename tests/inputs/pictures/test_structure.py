from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from zoo.errors import InputError
from zoo.inputs.pictures import structure
from zoo.runner import load_image


def encoded(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def with_scans(more: int) -> bytes:
    """Makes a progressive JPEG whose last scan is repeated some times."""
    whole = encoded("JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * more + whole[-2:]


def with_segments(number: int) -> bytes:
    whole = encoded("JPEG")
    return whole[:2] + b"\xff\xe1\x00\x09Exif\0\0x" * number + whole[2:]


def with_chunks(name: bytes, content: bytes, number: int) -> bytes:
    whole = encoded("PNG")
    return whole[:33] + chunk(name, content) * number + whole[33:]


def with_comments(number: int) -> bytes:
    whole = encoded("GIF")
    first = whole.index(b",", 13 + 3 * 256)
    return whole[:first] + b"\x21\xfe\x01x\x00" * number + whole[first:]


PACKED = b"a\0\0" + zlib.compress(bytes(1000))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (with_scans(structure.SCANS), "100 scans"),
        (with_segments(structure.PARTS), "1,000 segments"),
        (with_chunks(b"teSt", b"", structure.PARTS + 1), "1,000 chunks"),
        (with_chunks(b"zTXt", PACKED, structure.PACKED_TEXTS + 1), "16 compressed texts"),
        (with_comments(structure.BLOCKS), "20,000 blocks"),
    ],
    ids=["scans", "segments", "chunks", "texts", "comments"],
)
def test_a_picture_of_too_many_parts_is_not_decoded(content: bytes, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The picture is not even opened, because decoders then read everything before the pixels.
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(InputError, match=f"the picture is damaged: it has more than {what}"):
        load_image(io.BytesIO(content), 8, 8)


@pytest.mark.parametrize(
    "content",
    [
        with_scans(structure.SCANS // 2),
        with_segments(500),
        with_chunks(b"tEXt", b"a\0b", 500),
        with_chunks(b"zTXt", PACKED, structure.PACKED_TEXTS - 1),
        with_comments(500),
        encoded("JPEG") + b"\xff\xda" * 1000,  # a video behind the picture
    ],
    ids=["scans", "segments", "chunks", "texts", "comments", "film"],
)
def test_a_picture_of_many_parts_is_decoded(content: bytes) -> None:
    column = load_image(io.BytesIO(content), 8, 8)[:, 0, 0].astype(int)
    assert all(column[1:] > column[:-1])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_a_picture_that_ends_anywhere_is_looked_through_to_its_end(kind: str) -> None:
    whole = encoded(kind)
    for end in range(0, len(whole), 7):
        structure.check_structure(io.BytesIO(whole[:end]), kind)


def looked_through(kind: str, content: bytes) -> bool:
    try:
        structure.check_structure(io.BytesIO(content), kind)
    except ValueError:
        return False
    return True


def test_the_limits_themselves_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "SCANS", with_scans(0).count(b"\xff\xda") + 2)
    assert [looked_through("JPEG", with_scans(n)) for n in (1, 2, 3)] == [True, True, False]
    monkeypatch.setattr(structure, "PARTS", 4)
    monkeypatch.setattr(structure, "PACKED_TEXTS", 2)
    # The header is one of the chunks beside the picture.
    assert [looked_through("PNG", with_chunks(b"teSt", b"", n)) for n in (2, 3, 4)] == [True, True, False]
    assert [looked_through("PNG", with_chunks(b"iTXt", PACKED, n)) for n in (1, 2, 3)] == [True, True, False]
    assert looked_through("PNG", with_chunks(b"fdAT", b"", 9))


def test_marks_are_found_where_pieces_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "SCANS", 3)
    scan = b"\xff\xda\x00\x02"
    for piece in (1, 2, 3, 5):
        monkeypatch.setattr(structure, "PIECE", piece)
        assert looked_through("JPEG", b"\xff\xd8" + scan * 3), piece
        assert not looked_through("JPEG", b"\xff\xd8" + scan * 4), piece


def test_each_block_of_a_gif_counts_once_and_a_segment_without_a_length_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(structure, "BLOCKS", 8)
    plain = b"GIF89a" + bytes(7)
    # The mark of a block, and each of its parts.
    extension = b"!\xfe" + b"\x01x" * 2 + b"\x00"
    assert looked_through("GIF", plain + extension * 2 + b",")
    assert not looked_through("GIF", plain + extension * 3 + b",")
    assert not looked_through("GIF", plain + b"?" * 8)
    assert looked_through("GIF", plain + b"?" * 7 + b";" + b"?" * 9)
    monkeypatch.setattr(structure, "PARTS", 3)
    short = b"\xff\xe1\x00\x00"
    assert looked_through("JPEG", b"\xff\xd8" + short + b"\xff\xda")
    assert not looked_through("JPEG", b"\xff\xd8" + short * 2 + b"\xff\xda")


@pytest.mark.parametrize("size", [0, 1, 7])
def test_the_colours_of_a_gif_are_no_blocks(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "BLOCKS", 4)
    head = b"GIF89a" + bytes(4) + bytes([0x80 | size]) + bytes(2) + b"?" * 3 * 2 ** (size + 1)
    assert looked_through("GIF", head + b"?" * 3 + b",")
    assert not looked_through("GIF", head + b"?" * 4)


def test_a_block_whose_parts_take_all_but_one_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "BLOCKS", 4)
    assert looked_through("GIF", b"GIF89a" + bytes(7) + b"!\xfe" + b"\x01x" * 2 + b"\x00,")


SEGMENT, SCAN = b"\xff\xe1\x00\x02", b"\xff\xda\x00\x02"
HIDING = b"\xff\xe1\x00\x04\xff\xda"
"""A segment in whose content two bytes look like a scan."""


@pytest.mark.parametrize("bare", [0xD0, 0xD3, 0xD7, 0x01, 0xD8])
def test_a_marker_without_a_segment_is_one_part(bare: int, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"\xff\xd8" + bytes([0xFF, bare]) + SEGMENT + SCAN
    for most, allowed in ((3, False), (4, True)):
        monkeypatch.setattr(structure, "PARTS", most)
        assert looked_through("JPEG", content) is allowed


def test_what_stands_in_a_segment_is_no_part_and_no_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    for most, allowed in ((3, False), (4, True)):
        monkeypatch.setattr(structure, "PARTS", most)
        assert looked_through("JPEG", b"\xff\xd8" + HIDING + SEGMENT + SCAN) is allowed
    monkeypatch.setattr(structure, "SCANS", 1)
    assert looked_through("JPEG", b"\xff\xd8" + HIDING + SCAN)
    assert not looked_through("JPEG", b"\xff\xd8" + HIDING + SCAN * 2)


def test_scans_are_counted_from_the_first_to_the_end_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "SCANS", 1)
    begin, end = b"\xff\xd8", b"\xff\xd9"
    assert looked_through("JPEG", begin + SCAN + end + SCAN * 9)
    # A length of nothing is that of the two bytes that say it, and marks of a restart stand between the data.
    for two in (SCAN * 2, b"\xff\xda\x00\x00" + SCAN, SCAN + b"data\xff\xd0data\xff\x00" + SCAN):
        assert not looked_through("JPEG", begin + two + end)


def test_chunks_are_gone_through_one_by_one_up_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "PARTS", 2)
    begin = b"\x89PNG\r\n\x1a\n"
    assert looked_through("PNG", begin + chunk(b"IHDR", bytes(13)) + chunk(b"tEXt", b"x" * 300) + chunk(b"IEND", b""))
    # What is behind the end, or too short for a chunk, is not looked at.
    assert looked_through("PNG", begin + chunk(b"IEND", b"") + chunk(b"tEXt", b"") * 9)
    assert looked_through("PNG", begin + chunk(b"tEXt", b"") * 2 + b"\0\0\0\0tEX")
    assert not looked_through("PNG", begin + chunk(b"tEXt", b"x" * 300) * 3)
