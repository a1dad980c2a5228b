"""The reader that trusts nothing, on bytes that are sound, and on those that are so no longer by one."""

from __future__ import annotations

import struct
from collections.abc import Callable

import flatbuffers
import numpy as np
import pytest

from zoo.errors import ModelFileError
from zoo.tflite.flatbuffer import MAX_TEXT, Reader, Table, shortened
from zoo.tflite.writing.front import table, tables

MARK = b"TEST"


def root(make: Callable[[flatbuffers.Builder], int]) -> Table:
    """Returns the root table that a function builds."""
    builder = flatbuffers.Builder(64)
    builder.Finish(make(builder), MARK)
    return Reader(bytes(builder.Output())).root(MARK)


def by_hand(*fields: int, position: int = 20) -> bytes:
    """Makes a root table at a byte, whose table of slots stands at byte 8, followed by zeros up to byte 40."""
    slots = struct.pack(f"<HH{len(fields)}H", 4 + 2 * len(fields), 12, *fields)
    content = (struct.pack("<I", position) + MARK + slots).ljust(position, b"\0") + struct.pack("<i", position - 8)
    return content.ljust(40, b"\0")


def test_fields_of_all_kinds_are_read() -> None:
    def make(b: flatbuffers.Builder) -> int:
        text, numbers = b.CreateString("cafés"), b.CreateNumpyVector(np.array([3, -4, 5], np.int32))
        inner = [table(b, {}, {0: ("Int32", value)}) for value in (7, 8)]
        several = tables(b, inner)
        return table(b, {0: text, 1: numbers, 2: several, 5: inner[1]}, {3: ("Int8", -3), 4: ("Float32", 0.5)})

    found = root(make)
    assert found.text(0) == "cafés"
    np.testing.assert_array_equal(found.array(1, "<i4", "numbers", 3), [3, -4, 5])
    assert [one.number(0, "i") for one in found.tables(2, "tables", 2)] == [7, 8]
    assert found.number(3, "b", 9) == -3
    assert found.real(4, 9.0) == 0.5
    inner = found.table(5)
    assert inner is not None
    assert inner.number(0, "i") == 8
    start, length = found.span(1, 4)
    assert (start % 4, length) == (0, 3)


def test_fields_that_are_missing_have_their_default() -> None:
    found = root(lambda b: table(b, {}, {1: ("Int32", 6)}))
    for slot in (0, 2, 3, 100):
        assert found.number(slot, "i", 5) == 5
        assert found.number(slot, "i") == 0
        assert found.real(slot, 2.5) == 2.5
        assert found.real(slot) == 0.0
        assert found.table(slot) is None
        assert list(found.tables(slot, "tables", 0)) == []
        assert found.array(slot, "<i4", "numbers", 0).shape == (0,)
        assert found.span(slot) == (0, 0)
        assert found.text(slot) == ""
    assert found.number(1, "i", 5) == 6


def test_the_last_slot_of_a_table_is_read_and_none_behind_it() -> None:
    found = Reader(by_hand(4, 8)).root(MARK)
    assert found.number(1, "i", 5) == 0
    assert found.number(2, "i", 5) == 5


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0TES", b"\x08\0\0\0TEST"[:7], b"\x08\0\0\0TSET"])
def test_a_file_without_its_mark_is_refused(content: bytes) -> None:
    with pytest.raises(ModelFileError, match="it does not carry the mark 'TEST'"):
        Reader(content).root(MARK)


def test_a_file_of_its_mark_alone_has_no_table() -> None:
    with pytest.raises(ModelFileError, match="an offset points to byte 8, the file has 8"):
        Reader(b"\x08\0\0\0TEST").root(MARK)


def test_numbers_end_with_the_file() -> None:
    reader = Reader(bytes([1, 0, 0, 0, 2, 0, 0, 0]))
    assert [reader.unpack("I", at) for at in (0, 4)] == [1, 2]
    for at in (-1, 5, 8):
        with pytest.raises(ModelFileError, match=f"an offset points to byte {at}, the file has 8"):
            reader.unpack("I", at)


def test_an_offset_leads_to_a_byte_of_the_file() -> None:
    assert Reader(bytes([7, 0, 0, 0, 0, 0, 0, 0])).offset(0) == 7
    assert Reader(bytes([0, 0, 0, 0, 3, 0, 0, 0])).offset(4) == 7
    with pytest.raises(ModelFileError, match="an offset points to byte 8, the file has 8"):
        Reader(bytes([8, 0, 0, 0, 0, 0, 0, 0])).offset(0)


def test_as_many_items_as_allowed_are_counted_over_the_whole_file() -> None:
    reader = Reader(b"")
    reader.count("tensors", 3, 5)
    reader.count("tensors", 2, 5)
    reader.count("operations", 5, 5)
    with pytest.raises(ModelFileError, match="it has 6 tensors, the limit is 5"):
        reader.count("tensors", 1, 5)


def test_a_vector_may_reach_up_to_the_last_byte() -> None:
    for length, beyond in ((2, False), (3, True)):
        reader = Reader(bytes(4) + struct.pack("<IHH", length, 1, 2))
        if beyond:
            with pytest.raises(ModelFileError, match="a vector of 3 items at byte 4 reaches beyond the file's end"):
                reader.span(4, 2)
        else:
            assert reader.span(4, 2) == (8, 2)


def test_vectors_that_are_read_again_and_again_overlap() -> None:
    reader = Reader(struct.pack("<I", 60) + bytes(60))
    # Four times the file and 4,096 bytes, of which each reading takes the length and its items: 68 times 64.
    for _ in range(68):
        reader.span(0, 1)
    with pytest.raises(ModelFileError, match="its vectors overlap"):
        reader.span(0, 1)


@pytest.mark.parametrize(("size", "sound"), [(3, False), (4, True), (32, True), (33, False)])
def test_a_table_of_slots_has_its_head_and_ends_with_the_file(size: int, sound: bool) -> None:
    content = bytearray(by_hand())
    struct.pack_into("<H", content, 8, size)
    if sound:
        assert Reader(bytes(content)).root(MARK).number(0, "i", 5) in {0, 5}
    else:
        with pytest.raises(ModelFileError, match="the table at byte 20 is damaged"):
            Reader(bytes(content)).root(MARK)


def test_items_count_before_they_are_read() -> None:
    def make(b: flatbuffers.Builder) -> int:
        return table(b, {0: b.CreateNumpyVector(np.arange(3, dtype=np.float32)), 1: tables(b, [table(b)] * 3)})

    assert len(root(make).array(0, "<f4", "numbers", 3)) == 3
    assert len(list(root(make).tables(1, "tables", 3))) == 3
    with pytest.raises(ModelFileError, match="it has 3 numbers, the limit is 2"):
        root(make).array(0, "<f4", "numbers", 2)
    with pytest.raises(ModelFileError, match="it has 3 tables, the limit is 2"):
        list(root(make).tables(1, "tables", 2))


def test_a_name_has_at_most_65536_bytes_and_what_is_no_utf_8_is_replaced() -> None:
    assert MAX_TEXT == 65_536
    longest = "n" * MAX_TEXT
    assert root(lambda b: table(b, {0: b.CreateString(longest)})).text(0) == longest
    with pytest.raises(ModelFileError, match="it has a name of 65537 bytes, the limit is 65536"):
        root(lambda b: table(b, {0: b.CreateString(longest + "n")})).text(0)
    assert root(lambda b: table(b, {0: b.CreateByteVector(b"a\xffb")})).text(0) == "a�b"


def test_a_quoted_name_has_eighty_characters() -> None:
    assert shortened("n" * 80) == repr("n" * 80)
    assert shortened("n" * 81) == repr("n" * 77 + "...")
