"""Finds in text, JSON and bytes what reveals the people and programs that made them."""

from __future__ import annotations

import getpass
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["path", "name", "hash", "time", "version", "host", "user", "place", "device"]


@dataclass(frozen=True)
class Telling:
    """One thing that a file reveals about its maker."""

    kind: Kind
    where: str
    """The file, and the place in it."""
    value: str

    def as_dict(self) -> dict[str, str]:
        """Returns the values as JSON can hold them."""
        return {"kind": self.kind, "where": self.where, "value": self.value}


_STOP = r"\x00-\x1f\x7f\"'`<>|*?,;\n"
_ROOTS = "home|Users|root|tmp|mnt|media|private|work|workspace|srv|data|opt|usr|var|content|kaggle"
_IN_BYTES = (
    # Paths of any operating system in the usual folders. No letter may come before a path, so that URLs are not paths.
    rf"(?<![\w./:-])/(?:{_ROOTS})/[^{_STOP}\s]{{2,400}}|file://[^{_STOP}\s]{{2,400}}"
    r"|(?<!\w)[A-Za-z]:\\[\w .~-]{3,60}\\[\w .~\\-]{2,400}"
)
_PATHS_IN_BYTES = re.compile(_IN_BYTES, re.ASCII)
_PATHS = re.compile(rf"{_IN_BYTES}|(?<!\w)~[\w-]{{0,32}}/[^{_STOP}\s]{{2,400}}", re.ASCII)
_ANYWHERE = re.compile(r"(?:/|~[\w-]*/|[A-Za-z]:[/\\]|\\\\|file:).", re.DOTALL)
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{2,32}){1,3}")
_TIME = re.compile(r"(?<!\d)(?:19|20)\d\d[-:/]\d\d[-:/]\d\d(?:[T@ ]\d\d:\d\d(?::\d\d)?)?")
_HASH = re.compile(r"(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})\Z", re.IGNORECASE)
_VERSION = re.compile(r"v?\d{1,4}(?:\.\d{1,6}){1,3}[\w.+-]{0,20}\Z")
_NAMED_VERSION = re.compile(
    r"\b(edgezoo|tensorflow(?:-cpu)?|keras|numpy|pillow|python|ai-edge-litert|tflite-runtime|matplotlib)"
    r"[\s\"':=]{1,8}v?(\d{1,4}(?:\.\d{1,6}){1,3})",
    re.IGNORECASE,
)
_BARE_VERSION = re.compile(r"(?<![\d.])\d{1,2}\.\d{1,3}\.\d{1,3}(?![\d.])")

MAX_KEY, MAX_PLACE = 80, 1000
"""Characters that are shown of one key, and of all keys that lead to a value.

Without limits a file could have a million values, each under a key of megabytes."""

_NAMES = {"file", "files", "source", "weights_from", "began_with", "path", "data", "author", "artist", "owner"}
_HOSTS = {"host", "hostname", "node", "machine", "board", "cpu", "hostcomputer"}
_USERS = {"user", "username", "email"}
_OF_ITSELF = {"flatbuffer", "checksum", "salt"}
"""Keys of values that look like hashes and reveal nothing: hashes of the file itself, and random numbers."""
_NO_NAMES = {"none", "imagenet", "trained", "array", "synthetic inputs"}


def in_text(where: str, text: str) -> Iterator[Telling]:
    """Finds paths, addresses, times and versions in a text, and the names of this machine and its user."""
    for found in _PATHS.finditer(text):
        yield Telling("path", where, found[0].rstrip(").:\\ "))
    for found in _MAIL.finditer(text):
        yield Telling("user", where, found[0])
    for found in _TIME.finditer(text):
        yield Telling("time", where, found[0])
    for found in _NAMED_VERSION.finditer(text):
        yield Telling("version", where, f"{found[1].lower()} {found[2]}")
    yield from _of_here(where, text)


def in_bytes(where: str, content: bytes, *, versions: bool = False) -> Iterator[Telling]:
    """Finds paths in bytes that are not text, and the names of this machine and its user.

    Args:
        where: the file, and the place in it.
        content: the bytes.
        versions: whether to search for version numbers, too; weights can look like version numbers.
    """
    text = content.decode("latin-1")
    for found in _PATHS_IN_BYTES.finditer(text):
        yield Telling("path", where, found[0])
    if versions:
        for found in _BARE_VERSION.finditer(text):
            yield Telling("version", where, found[0])
    yield from _of_here(where, text)


def in_values(where: str, value: Any, key: str = "", parents: tuple[str, ...] = ()) -> Iterator[Telling]:
    """Finds what a JSON or TOML document reveals, by the form of its keys and values and by the names of its keys."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _of_value(where, str(name), "", (*parents, key))
            yield from in_values(below(where, str(name)), one, str(name).lower(), (*parents, key))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from in_values(where, one, key, parents)
    elif isinstance(value, str):
        yield from _of_value(where, value, key, parents)


def below(place: str, name: str) -> str:
    """Joins the place of a finding and a name in it, with a limited length, because a file may have very long names."""
    inner = name if len(name) <= MAX_KEY else f"{name[:MAX_KEY]}..."
    return f"{place}, {inner}" if len(place) <= MAX_PLACE else place


def _of_value(where: str, value: str, key: str, parents: tuple[str, ...]) -> Iterator[Telling]:
    if _ANYWHERE.match(value):
        yield Telling("path", where, value)
    elif _HASH.match(value):
        # A card's own checksum stands at its top.
        if not _OF_ITSELF & {key, *parents} and (key, parents) != ("checksum", ("",)):
            yield Telling("hash", where, value)
    elif ("version" in key or {"made_with", "versions"} & set(parents)) and _VERSION.match(value):
        yield Telling("version", where, value)
    elif key in _HOSTS:
        yield Telling("host", where, value)
    elif key in _USERS:
        yield Telling("user", where, value)
    elif key in _NAMES and value not in _NO_NAMES:
        yield Telling("name", where, value)
    else:
        yield from in_text(where, value)


def _of_here(where: str, text: str) -> Iterator[Telling]:
    """Finds the names of this machine and its user in a text, unless they are common words."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # the user of a container may have no name
        user = ""
    kinds: tuple[tuple[Kind, str], ...] = (("host", platform.node()), ("user", user))
    for kind, name in kinds:
        if len(name) > 3 and name not in {"root", "user", "localhost"} and re.search(rf"\b{re.escape(name)}\b", text):
            yield Telling(kind, where, name)
