"""Walks through the protobuf encoding of a file field by field, without a copy of its contents.

Only the encoding is known here, see https://protobuf.dev/programming-guides/encoding/. It is safe on any input: damage
raises `ModelFileError`, and the number of fields is bounded.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import NamedTuple

from zoo.errors import ModelFileError

Data = bytes | mmap.mmap

VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5
"""The kinds of fields that are read; the others are groups, which no model has."""
MAX_FIELDS = 1 << 20
"""The most fields of a file that are looked at."""
MAX_TEXT_BYTES = 1 << 16
"""The longest text, such as the name of a tensor, in bytes."""
_FIXED = {EIGHT_BYTES: 8, FOUR_BYTES: 4}


class Field(NamedTuple):
    """One field of a message."""

    number: int
    kind: int
    value: int
    """The number in it; 0 for a field of bytes."""
    start: int
    """The first byte of its contents."""
    end: int


class Walker:
    """Reads the messages of one file."""

    def __init__(self, data: Data) -> None:
        """Takes the bytes of the file, or its mapping."""
        self.data = data
        self._left = MAX_FIELDS

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """Yields the fields of the message between two bytes.

        Raises:
            ModelFileError: they are damaged, or too many.
        """
        at = start
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise ModelFileError(f"it has more than {MAX_FIELDS:,} fields")
            tag, at = self._varint(at, end)
            number, kind = tag >> 3, tag & 7
            if number == 0 or kind not in {VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES}:
                raise ModelFileError(f"byte {at} does not begin a field")
            value, begin = 0, at
            if kind == VARINT:
                value, at = self._varint(at, end)
            elif kind == BYTES:
                length, begin = self._varint(at, end)
                at = begin + length
            else:
                at += _FIXED[kind]
            if at > end:
                raise ModelFileError(f"a field at byte {begin} of {at - begin:,} bytes reaches beyond its end")
            yield Field(number, kind, value, begin, at)

    def messages(self, field: Field) -> Iterator[Field]:
        """Yields the fields of the message that a field holds.

        Raises:
            ModelFileError: it holds none, or a damaged one.
        """
        if field.kind != BYTES:
            raise ModelFileError(f"field {field.number} at byte {field.start} holds no message")
        return self.fields(field.start, field.end)

    def text(self, field: Field, most: int = MAX_TEXT_BYTES) -> str:
        """Returns the text in a field.

        Raises:
            ModelFileError: it holds none, or one of more than `most` bytes.
        """
        length = field.end - field.start
        if field.kind != BYTES or length > most:
            raise ModelFileError(f"field {field.number} at byte {field.start} is no text of at most {most:,} bytes")
        try:
            return bytes(self.data[field.start : field.end]).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ModelFileError(f"the text at byte {field.start} is not UTF-8") from error

    def numbers(self, field: Field, most: int) -> list[int]:
        """Returns the whole numbers in a field, signed: one, or several packed into bytes.

        Raises:
            ModelFileError: it holds none, or more than `most`.
        """
        if field.kind == VARINT:
            return [_signed(field.value)]
        if field.kind != BYTES:
            raise ModelFileError(f"field {field.number} at byte {field.start} holds no whole numbers")
        found: list[int] = []
        at = field.start
        while at < field.end:
            if len(found) == most:
                raise ModelFileError(f"field {field.number} at byte {field.start} holds more than {most} numbers")
            value, at = self._varint(at, field.end)
            found.append(_signed(value))
        return found

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """Returns the number that begins at a byte, and the byte behind it."""
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                raise ModelFileError(f"it ends within a number, at byte {at}")
            byte = self.data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & (2**64 - 1), at
        raise ModelFileError(f"the number before byte {at} has more than 64 bits")


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
