"""Reads text files that a user names: within bounds, in whatever encoding is usual."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from zoo.errors import InputError

CP1252 = "Windows-1252"
"""The encoding that texts are read in where they are neither UTF-8 nor UTF-16."""


def decoded(content: bytes) -> str:
    """Returns the text of a file in whatever encoding is usual; see `decoded_as`."""
    return decoded_as(content)[0]


def decoded_as(content: bytes) -> tuple[str, str]:
    """Returns the text of a file that a person or another program wrote, and the name of its encoding.

    A byte order mark says which one it is; without one it is UTF-8 where that fits, else UTF-16 if every other byte is
    zero (spreadsheets' "Unicode text"), else Windows-1252, which contains what is printable of Latin-1.

    Raises:
        ValueError: it holds bytes that none of them has, or characters that no text has.
    """
    marks = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
    name = next((name for mark, name in marks if content.startswith(mark)), None)
    if name is None:
        head = content[:1000]
        name = next(
            (name for at, name in ((1, "utf-16-le"), (0, "utf-16-be")) if head and _zeros(head[at::2])), "utf-8"
        )
    try:
        text = content.decode(name)
    except UnicodeDecodeError as error:
        if name != "utf-8":
            raise ValueError(f"its bytes are no {name.removesuffix('-sig').upper()}") from error
        try:
            text, name = content.decode("cp1252"), CP1252
        except UnicodeDecodeError:
            raise ValueError("its bytes are neither UTF-8 nor Windows-1252; save it as UTF-8") from error
    if "\0" in text:
        raise ValueError("it holds zero bytes")
    return text, name


def _zeros(part: bytes) -> bool:
    return 2 * part.count(0) > len(part)


def one_line_end(text: str) -> str:
    r"""Returns a text whose lines all end in `\n`, whatever system it was written on."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_endless(path: str | Path) -> bool:
    """Whether a path is a named pipe or a device; reading it might wait for ever or never end.

    What a shell hands over, `<(command)`, stands in `/dev/fd` and is none; nor is `/dev/null`, which is empty.

    Raises:
        OSError: nothing has this path.
    """
    about = os.stat(path)  # noqa: PTH116  # called for each of possibly many names
    mode = about.st_mode
    if stat.S_ISFIFO(mode):
        return not str(path).startswith(("/dev/", "/proc/"))
    if stat.S_ISCHR(mode) and about.st_rdev == os.stat(os.devnull).st_rdev:  # noqa: PTH116
        return False
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


MAX_TEXT = 128 << 20
"""Most bytes of a text file that a user gives; a list of a million pictures has fewer."""

MAX_LINE = 1 << 16
"""Most characters of a line in a list; no label and no path is longer."""


def read_bytes(path: Path, what: str, most: int | None = None) -> bytes:
    """Reads a text file a user named, as bytes; `what` says what it should have been.

    Raises:
        InputError: it cannot be read, or has more than `most` bytes, which are `MAX_TEXT` by default.
    """
    most = MAX_TEXT if most is None else most
    try:
        if is_endless(path):
            raise InputError(f"{what} {path} is no file but a named pipe or a device")
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise InputError(f"cannot read {what} {path}: {error.strerror or error}") from error
    if len(content) > most:
        raise InputError(f"{what} {path} has more than {most >> 20} MB; give a shorter one")
    return content


def read_text(path: Path, what: str) -> str:
    """Reads a UTF-8 text file that a user gives; `what` describes it in error messages.

    Raises:
        InputError: the file cannot be read, is not text, or has more than `MAX_TEXT` bytes.
    """
    try:
        # As a text file is read everywhere: every end of a line is the same.
        return one_line_end(read_bytes(path, what).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{what} {path} is not UTF-8 text") from error


def read_list(path: Path, what: str) -> str:
    """Reads a text file of short lines, such as labels or paths, in any of the encodings of `zoo.text.decoded`.

    Raises:
        InputError: it cannot be read, is not text, has more than `MAX_TEXT` bytes, or a line has more than `MAX_LINE`
            characters.
    """
    try:
        text = one_line_end(decoded(read_bytes(path, what)))
    except ValueError as error:
        raise InputError(f"{what} {path} is no text: {error}") from error
    begin, number = 0, 1
    while begin < len(text):
        end = text.find("\n", begin, begin + MAX_LINE + 1)
        if end < 0 and len(text) - begin > MAX_LINE:
            raise InputError(f"{what} {path}, line {number}: it has more than {MAX_LINE} characters")
        begin, number = (end if end >= 0 else len(text)) + 1, number + 1
    return text
