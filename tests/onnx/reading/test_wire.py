"""The walk through the protobuf encoding, on bytes that are written by hand."""

from __future__ import annotations

import pytest

from zoo.errors import ModelFileError
from zoo.onnx.reading.wire import Field, Walker


def fields(data: bytes) -> list[Field]:
    return list(Walker(data).fields(0, len(data)))


def test_fields_of_all_kinds_are_read() -> None:
    data = b"\x08\x96\x01" + b"\x12\x02hi" + b"\x1d\0\0\0\0" + b"\x21" + bytes(8)
    found = fields(data)
    assert [(one.number, one.value) for one in found] == [(1, 150), (2, 0), (3, 0), (4, 0)]
    assert Walker(data).text(found[1]) == "hi"


def test_numbers_are_read_alone_and_packed_and_with_their_sign() -> None:
    minus_one = b"\xff" * 9 + b"\x01"
    data = b"\x08" + minus_one + b"\x0a\x03\x01\x96\x01"
    alone, packed = fields(data)
    assert Walker(data).numbers(alone, 8) == [-1]
    assert Walker(data).numbers(packed, 8) == [1, 150]
    with pytest.raises(ModelFileError, match="more than 1 numbers"):
        Walker(data).numbers(packed, 1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x08", "ends within a number"),
        (b"\x08\x80", "ends within a number"),
        (b"\x08" + b"\xff" * 11, "more than 64 bits"),
        (b"\x12\x05hi", "beyond its end"),
        (b"\x1d\0\0", "beyond its end"),
        (b"\x0b", "does not begin a field"),
        (b"\x00\x00", "does not begin a field"),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "beyond its end"),
    ],
)
def test_damage_is_an_error_of_one_line(data: bytes, reason: str) -> None:
    with pytest.raises(ModelFileError, match=reason):
        fields(data)


def test_the_number_of_fields_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.onnx.reading.wire.MAX_FIELDS", 10)
    with pytest.raises(ModelFileError, match="more than 10 fields"):
        fields(b"\x08\x01" * 11)


def test_texts_are_bounded_and_utf_8() -> None:
    data = b"\x12\x02\xff\xfe"
    (field,) = fields(data)
    with pytest.raises(ModelFileError, match="not UTF-8"):
        Walker(data).text(field)
    with pytest.raises(ModelFileError, match="no text of at most 1 bytes"):
        Walker(data).text(field, 1)


def test_as_many_fields_as_allowed_are_read_over_all_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.onnx.reading.wire.MAX_FIELDS", 10)
    assert len(fields(b"\x08\x01" * 10)) == 10
    inner = b"\x12\x10" + b"\x08\x01" * 8
    walker = Walker(inner + b"\x08\x01")
    message, last = list(walker.fields(0, len(walker.data)))
    assert (last.number, last.start, last.end) == (1, 19, 20)
    assert len(list(walker.messages(message))) == 8
    with pytest.raises(ModelFileError, match="more than 10 fields"):
        list(walker.messages(message))
    with pytest.raises(ModelFileError, match="field 1 at byte 19 holds no message"):
        walker.messages(last)


def test_fields_may_end_with_the_data_and_not_a_byte_behind() -> None:
    for whole in (b"\x12\x02hi", b"\x1d\0\0\0\0", b"\x21" + bytes(8), b"\x08\x7f"):
        (field,) = fields(whole)
        assert field.end == len(whole)
        with pytest.raises(ModelFileError):
            fields(whole[:-1])
    (field,) = fields(b"\x1d\x01\0\0\0")
    assert (field.number, field.kind, field.start, field.end) == (3, 5, 1, 5)
    (field,) = fields(b"\x12\x02hi")
    assert (field.number, field.kind, field.start, field.end) == (2, 2, 2, 4)


def test_a_text_may_have_65536_bytes_by_default() -> None:
    for length, fits in ((1 << 16, True), ((1 << 16) + 1, False)):
        data = b"\x12" + bytes([length & 127 | 128, length >> 7 & 127 | 128, length >> 14]) + b"x" * length
        (field,) = fields(data)
        if fits:
            assert Walker(data).text(field) == "x" * length
        else:
            with pytest.raises(ModelFileError, match="no text of at most 65,536 bytes"):
                Walker(data).text(field)
    number, four = fields(b"\x08\x01\x1d\0\0\0\0")
    with pytest.raises(ModelFileError, match="field 1 at byte 1 is no text"):
        Walker(b"\x08\x01").text(number)
    with pytest.raises(ModelFileError, match="field 3 at byte 3 holds no whole numbers"):
        Walker(b"").numbers(four, 1)


def test_numbers_have_64_bits_and_a_sign() -> None:
    largest = b"\x08" + b"\xff" * 8 + b"\x7f"
    (field,) = fields(largest)
    assert Walker(largest).numbers(field, 1) == [2**63 - 1]
    least = b"\x08" + b"\x80" * 9 + b"\x01"
    (field,) = fields(least)
    assert field.value == 2**63
    assert Walker(least).numbers(field, 1) == [-(2**63)]
    (field,) = fields(b"\x0a\x02\x01\x02")
    assert Walker(b"\x0a\x02\x01\x02").numbers(field, 2) == [1, 2]
