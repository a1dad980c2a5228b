"""Answers: JSON that every parser reads, refusals of one line, and the headers that all answers have."""

from __future__ import annotations

import dataclasses
import math
import re
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from zoo.page.about import EXACT
from zoo.text import shown, to_json

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Headers that every answer has."""

LINE = 500
"""The most characters of a refusal."""
DEPTH = 12
"""The most levels of nested lists and objects, because some parsers allow only few."""

_SURROGATES = re.compile("[\ud800-\udfff]")


class Answer(JSONResponse):
    """A JSON answer."""

    def render(self, content: Any) -> bytes:
        """See `to_bytes`."""
        return to_bytes(content)


def refusal(status: int, line: str, headers: dict[str, str] | None = None) -> Answer:
    """Returns an answer that says in one line why the request is refused."""
    return Answer({"error": one_line(line)}, status, headers)


def raw_refusal(status: int, line: str, headers: dict[str, str] | None = None) -> bytes:
    """Returns the same as bytes of HTTP/1.1; the connection is closed after them."""
    body = to_bytes({"error": one_line(line)})
    fields = {"Content-Type": "application/json", "Content-Length": len(body), "Connection": "close"}
    lines = [f"{name}: {value}\r\n" for name, value in {**HEADERS, **fields, **(headers or {})}.items()]
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{''.join(lines)}\r\n".encode() + body


def one_line(text: str) -> str:
    """Returns text of any origin as a short line that is safe to show."""
    return shown(" ".join(text.split()), limit=LINE)


def to_bytes(value: Any) -> bytes:
    """Returns a value as strict JSON (RFC 8259) in UTF-8; a dataclass is an object of its fields.

    Values that JSON does not have, or that not every parser reads, are replaced: numbers that are not finite, whole
    numbers beyond 2^53 and values nested deeper than `DEPTH` by null, lone surrogates by U+FFFD.
    """
    return to_json(_strict(value, DEPTH)).encode()


def _strict(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, int):  # a bool is one
        return value if abs(value) <= EXACT else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or depth == 0:
        return None
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {_strict(str(key), 0): _strict(inner, depth - 1) for key, inner in value.items()}
    return [_strict(inner, depth - 1) for inner in value]
